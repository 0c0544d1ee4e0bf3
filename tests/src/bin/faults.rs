//! Lets disk calls of the engine fail one by one; see `uxf_tests::crash::faults`.
//!
//! `faults [--seed S] [--seeds N] [--points N]`: N seeds from S on, of lives with and without a profile, at most so many
//! points of each kind of call in each. Exit code 0 if every fault ended as it must.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

use std::process::ExitCode;

use uxf_tests::crash::faults::fail_calls;
use uxf_tests::crash::{EngineSubject, Focus};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let (mut seed, mut seeds, mut points) = (1, 2, 60);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let target = match argument.as_str() {
            "--seed" => &mut seed,
            "--seeds" => &mut seeds,
            "--points" => &mut points,
            other => {
                return Err(format!(
                    "unknown option {other}; faults [--seed S] [--seeds N] [--points N]"
                ));
            }
        };
        let text = arguments
            .next()
            .ok_or(format!("{argument} needs a number"))?;
        *target = text
            .parse::<u64>()
            .map_err(|error| format!("{argument} {text}: {error}"))?;
    }
    let mut is_clean = true;
    for focus in [Focus::Tokens, Focus::Profile] {
        let subject = EngineSubject::new(focus)?;
        for seed in seed..seed + seeds {
            let report = fail_calls(&subject, seed, points);
            println!("{focus:?}, seed {seed}: {report}");
            for failure in &report.failures {
                println!("{failure}");
            }
            is_clean &= report.failed == 0 && report.refused > 0;
        }
    }
    Ok(is_clean)
}

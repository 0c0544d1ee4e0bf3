//! Cuts the power of the engine at every boundary of random lives; see `uxf_tests::crash`.
//!
//! `crash [--cuts N] [--seed S] [--secs T] [--threads N] [--profile | --wallet] [--teeth]`. Exit code 0 if nothing was
//! lost. With `--profile` the lives are those of a profile, with `--wallet` those of a wallet.
//! With `--teeth` buffered writes are taken for durable ones, and the exit code is 0 only if losses were found.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for people, with a time limit"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use uxf_testkit::crash::{CrashOptions, CrashReport, CrashSubject, cut_power};
use uxf_tests::crash::{EngineSubject, Focus, WalletSubject};

struct Arguments {
    cuts: u64,
    seed: u64,
    limit: Option<Duration>,
    threads: u64,
    life: Life,
    teeth: bool,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self {
            cuts: 20_000,
            seed: 1,
            limit: None,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
            life: Life::Store(Focus::Tokens),
            teeth: false,
        };
        let mut has_cuts = false;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments
                    .next()
                    .ok_or(format!("{argument} needs a number"))?;
                text.parse::<u64>()
                    .map_err(|error| format!("{argument} {text}: {error}"))
            };
            match argument.as_str() {
                "--cuts" => (parsed.cuts, has_cuts) = (number()?, true),
                "--seed" => parsed.seed = number()?,
                "--secs" => parsed.limit = Some(Duration::from_secs(number()?)),
                "--threads" => parsed.threads = number()?.max(1),
                "--profile" => parsed.life = Life::Store(Focus::Profile),
                "--wallet" => parsed.life = Life::Wallet,
                "--teeth" => parsed.teeth = true,
                other => {
                    return Err(format!(
                        "unknown option {other}; \
                         crash [--cuts N] [--seed S] [--secs T] [--threads N] [--profile | --wallet] [--teeth]"
                    ));
                }
            }
        }
        if parsed.limit.is_some() && !has_cuts {
            parsed.cuts = u64::MAX; // only the time ends it
        }
        Ok(parsed)
    }
}

/// What is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Store(Focus),
    Wallet,
}

fn main() -> ExitCode {
    match Arguments::parse().and_then(|arguments| run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    match arguments.life {
        Life::Store(focus) => cut_all(&EngineSubject::new(focus)?, arguments),
        Life::Wallet => cut_all(&WalletSubject::new()?, arguments),
    }
}

fn cut_all<S: CrashSubject + Sync>(subject: &S, arguments: &Arguments) -> Result<bool, String> {
    let start = Instant::now();
    let mut report = CrashReport::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads)
            .map(|thread| scope.spawn(move || cut(subject, arguments, thread, start)))
            .collect();
        for thread in threads {
            report.add(
                thread
                    .join()
                    .map_err(|_| "a thread of the harness panicked")?,
            );
        }
        Ok::<(), String>(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!("seed {}: {report}, in {seconds:.1} s", arguments.seed);
    for failure in report.failures.iter().take(5) {
        println!("{failure}");
    }
    if arguments.teeth {
        println!("buffered writes were taken for durable ones; losses must have been found");
        return Ok(report.failed > 0);
    }
    if let Some(failure) = report.failures.first() {
        println!(
            "again: crash --threads 1 --seed {} --cuts {}{}",
            failure.seed,
            report.cuts,
            match arguments.life {
                Life::Store(Focus::Tokens) => "",
                Life::Store(Focus::Profile) => " --profile",
                Life::Wallet => " --wallet",
            }
        );
    }
    Ok(report.failed == 0 && report.cuts > 0)
}

/// The share of one thread: every so manieth seed.
fn cut<S: CrashSubject>(
    subject: &S,
    arguments: &Arguments,
    thread: u64,
    start: Instant,
) -> CrashReport {
    let options = CrashOptions {
        cuts: arguments.cuts.div_ceil(arguments.threads),
        believes_everything: arguments.teeth,
        ..CrashOptions::default()
    };
    let seeds = (0..).map(|life| arguments.seed + thread + life * arguments.threads);
    cut_power(subject, &options, seeds, &mut |_| {
        arguments.limit.is_none_or(|limit| start.elapsed() < limit)
    })
}

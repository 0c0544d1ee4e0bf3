//! Lives through random histories of devices that share a profile; see `uxf_tests::simulation`.
//!
//! `simulate [--seeds N] [--from SEED] [--threads N]`. Exit code 0 if everything held in all of them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for people, which says how long it took"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use uxf_tests::simulation::{Counts, simulate};

/// Failures told in full; all are counted.
const FAILURES_SHOWN: usize = 20;

struct Arguments {
    seeds: u64,
    from: u64,
    threads: u64,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self {
            seeds: 2_000,
            from: 1,
            // Each waits for the writers of its engines half of the time.
            threads: std::thread::available_parallelism().map_or(1, |n| 2 * n.get() as u64),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let number = match argument.as_str() {
                "--seeds" => &mut parsed.seeds,
                "--from" => &mut parsed.from,
                "--threads" => &mut parsed.threads,
                other => {
                    return Err(format!(
                        "unknown option {other}; simulate [--seeds N] [--from SEED] [--threads N]"
                    ));
                }
            };
            let text = arguments
                .next()
                .ok_or(format!("{argument} needs a number"))?;
            *number = text
                .parse()
                .map_err(|error| format!("{argument} {text}: {error}"))?;
        }
        Ok(parsed)
    }
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

/// What came of the share of one thread: counts, and the seeds that failed with their reasons.
type Share = (Counts, Vec<(u64, String)>);

fn run(arguments: &Arguments) -> Result<bool, String> {
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let mut counts = Counts::default();
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads.max(1))
            .map(|_| scope.spawn(|| share(arguments, &next)))
            .collect();
        for thread in threads {
            let (found, failed) = thread
                .join()
                .map_err(|_| "a thread of the simulation panicked")?;
            counts.add(&found);
            failures.extend(failed);
        }
        Ok::<(), String>(())
    })?;
    failures.sort();
    println!("{counts}, in {:.1} s", start.elapsed().as_secs_f64());
    println!("{} failed", failures.len());
    for (seed, reason) in failures.iter().take(FAILURES_SHOWN) {
        println!("seed {seed}: {reason}");
        println!("again: simulate --seeds 1 --from {seed}");
    }
    Ok(failures.is_empty() && arguments.seeds > 0)
}

fn share(arguments: &Arguments, next: &AtomicU64) -> Share {
    let (mut counts, mut failures) = Share::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.seeds {
            return (counts, failures);
        }
        let seed = arguments.from.wrapping_add(number);
        let outcome = catch_unwind(AssertUnwindSafe(|| simulate(seed, false)));
        match outcome {
            Ok(Ok(found)) => counts.add(&found),
            Ok(Err(reason)) => failures.push((seed, reason)),
            Err(_) => failures.push((seed, "a panic".to_owned())),
        }
    }
}

//! Lives through random histories of devices that share a profile, or with `--wallets` a wallet; see
//! `uxf_tests::simulation`.
//!
//! `simulate [--wallets] [--seeds N] [--from SEED] [--threads N]`. Exit code 0 if everything held in all of them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for people, which says how long it took"
)]

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use uxf_tests::simulation::{Counts, WalletCounts, simulate, simulate_wallets};

/// Failures told in full; all are counted.
const FAILURES_SHOWN: usize = 20;

struct Arguments {
    wallets: bool,
    seeds: u64,
    from: u64,
    threads: u64,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self {
            wallets: false,
            seeds: 2_000,
            from: 1,
            // Each waits for the writers of its engines half of the time.
            threads: std::thread::available_parallelism().map_or(1, |n| 2 * n.get() as u64),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let number = match argument.as_str() {
                "--wallets" => {
                    parsed.wallets = true;
                    continue;
                }
                "--seeds" => &mut parsed.seeds,
                "--from" => &mut parsed.from,
                "--threads" => &mut parsed.threads,
                other => {
                    return Err(format!(
                        "unknown option {other}; simulate [--wallets] [--seeds N] [--from SEED] [--threads N]"
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
    match Arguments::parse().and_then(|arguments| choose(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A kind of history.
struct Kind<C> {
    live: fn(u64, bool) -> Result<C, String>,
    add: fn(&mut C, &C),
    /// What makes a seed of it again.
    command: &'static str,
}

fn choose(arguments: &Arguments) -> Result<bool, String> {
    if arguments.wallets {
        let kind = Kind {
            live: simulate_wallets,
            add: WalletCounts::add,
            command: "simulate --wallets",
        };
        return run(arguments, &kind);
    }
    let kind = Kind {
        live: simulate,
        add: Counts::add,
        command: "simulate",
    };
    run(arguments, &kind)
}

/// What came of the share of one thread: counts, and the seeds that failed with their reasons.
type Share<C> = (C, Vec<(u64, String)>);

fn run<C: Default + Display + Send>(arguments: &Arguments, kind: &Kind<C>) -> Result<bool, String> {
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let mut counts = C::default();
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads.max(1))
            .map(|_| scope.spawn(|| share(arguments, kind, &next)))
            .collect();
        for thread in threads {
            let (found, failed) = thread
                .join()
                .map_err(|_| "a thread of the simulation panicked")?;
            (kind.add)(&mut counts, &found);
            failures.extend(failed);
        }
        Ok::<(), String>(())
    })?;
    failures.sort();
    println!("{counts}, in {:.1} s", start.elapsed().as_secs_f64());
    println!("{} failed", failures.len());
    for (seed, reason) in failures.iter().take(FAILURES_SHOWN) {
        println!("seed {seed}: {reason}");
        println!("again: {} --seeds 1 --from {seed}", kind.command);
    }
    Ok(failures.is_empty() && arguments.seeds > 0)
}

fn share<C: Default>(arguments: &Arguments, kind: &Kind<C>, next: &AtomicU64) -> Share<C> {
    let (mut counts, mut failures) = Share::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.seeds {
            return (counts, failures);
        }
        let seed = arguments.from.wrapping_add(number);
        let outcome = catch_unwind(AssertUnwindSafe(|| (kind.live)(seed, false)));
        match outcome {
            Ok(Ok(found)) => (kind.add)(&mut counts, &found),
            Ok(Err(reason)) => failures.push((seed, reason)),
            Err(_) => failures.push((seed, "a panic".to_owned())),
        }
    }
}

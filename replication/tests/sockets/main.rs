//! Processes on loopback that are killed in the middle of a sync, over sockets that cut, crawl and corrupt.
//!
//! `UXF_ROUNDS=200 UXF_SEED=1 cargo test --release -p uxf-replication --features node --test sockets`. Each round starts two, or in
//! a third of the rounds five processes, each with a store of its own; has them write and come together in a chain, some of it through a proxy that
//! does harm; kills one at a random moment with SIGKILL; starts it again; and lets all come together. Then all must have the
//! same state, with every operation that anybody said was written, and nobody may have been banned.
#![expect(
    clippy::print_stdout,
    reason = "a program for people, and processes that talk to each other"
)]

mod device;
mod process;
mod proxy;
mod round;

use std::path::Path;
use std::process::ExitCode;

use uxf_engine::{Engine, EngineOptions};
use uxf_testkit::Rng;

use crate::round::Tally;

type Outcome<T> = Result<T, Box<dyn core::error::Error>>;

/// Rounds on the same stores, after which others begin.
const ROUNDS_A_STORE: usize = 4;

fn main() -> ExitCode {
    let outcome = match std::env::var_os(process::ROLE) {
        Some(directory) => device::run(Path::new(&directory)),
        None => run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(variable: &str, default: u64) -> Outcome<u64> {
    match std::env::var(variable) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(default),
    }
}

fn run() -> Outcome<()> {
    let (rounds, seed) = (number("UXF_ROUNDS", 6)?, number("UXF_SEED", 1)?);
    let mut tally = Tally::default();
    let rounds: Vec<u64> = (0..rounds).collect();
    for (block, rounds) in rounds.chunks(ROUNDS_A_STORE).enumerate() {
        let devices = if block % 3 == 1 { 5 } else { 2 };
        let directory = tempfile::tempdir()?;
        let mut acked = vec![0; devices];
        for round in rounds {
            let mut rng = Rng::for_item(seed, *round);
            let lived = round::live(directory.path(), &mut acked, &mut rng, &mut tally);
            lived.map_err(|error| format!("round {round} of {devices} devices: {error}"))?;
        }
        for device in 0..devices {
            check(&directory.path().join(device.to_string()))?;
        }
    }
    println!("{tally}");
    Ok(())
}

/// The store is sound.
fn check(store: &Path) -> Outcome<()> {
    let engine = Engine::open(store, EngineOptions::new())?;
    let report = engine.check_integrity(&mut |_| ())?;
    if report.is_clean() {
        return Ok(());
    }
    Err(format!("{}: {:?}", store.display(), report.problems).into())
}

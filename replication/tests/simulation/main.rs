//! Histories of devices with real engines on a network that is slow, parts and breaks, each decided by a seed.
//!
//! `UXF_SEED=7 cargo test -p uxf-replication --test simulation` lives through one again; `UXF_SEEDS=100000` through as many
//! from zero on, on as many threads as there are processors. Each is lived through twice and has to come to the same; with
//! `UXF_TWICE=10` only every tenth is.

#[cfg(test)]
mod cut;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod world;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

use self::world::{Counts, live};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lives through seeds, some of them twice, until there are none or one of them fails.
fn live_all(seeds: &Mutex<Range<u64>>) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let twice = number("UXF_TWICE").unwrap_or(1).max(1);
    let next = || seeds.lock().ok()?.next();
    while let Some(seed) = next() {
        let lived = live(seed).and_then(|first| {
            if seed % twice == 0 && live(seed)? != first {
                return Err("it went otherwise the second time".to_owned());
            }
            Ok(first.0)
        });
        match lived {
            Ok(more) => counts.add(&more),
            Err(reason) => {
                // The others end with the seed they are at.
                *seeds.lock().map_err(|_| "a thread panicked")? = 0..0;
                return Err(format!("seed {seed}: {reason}"));
            }
        }
    }
    Ok(counts)
}

#[test]
fn whatever_the_network_does_devices_come_to_the_same_state_and_lose_nothing() {
    let seeds = match number("UXF_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("UXF_SEEDS").unwrap_or(20),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let seeds = Mutex::new(seeds);
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let lives: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| live_all(&seeds)))
            .collect();
        for life in lives {
            counts.add(&life.join().unwrap().unwrap());
        }
    });
    // Shown with --nocapture and when something fails.
    #[expect(
        clippy::print_stderr,
        reason = "what a run came to is for whoever started it"
    )]
    {
        eprintln!("{counts:?}");
    }
    assert!(counts.synced > 0);
    assert!(counts.seeds < 4 || counts.caught_up > 0);
    // Every fourth seed has stores that cut logs off.
    assert!(counts.seeds < 4 || counts.reconciled > 0);
}

#[test]
fn another_seed_gives_another_trace() {
    let traces: BTreeSet<[u8; 32]> = (0..4).map(|seed| live(seed).unwrap().1).collect();
    assert_eq!(traces.len(), 4);
}

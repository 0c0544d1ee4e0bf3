//! Histories of devices with real engines on a network that is slow, parts and breaks, each decided by a seed.
//!
//! `UXF_SEED=7 cargo test -p uxf-replication --test simulation` lives through one again; `UXF_SEEDS=100000` through as many
//! from zero on.

#[cfg(test)]
mod replica;
#[cfg(test)]
mod world;

use self::world::{Counts, live};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_the_network_does_devices_come_to_the_same_state_and_lose_nothing() {
    let seeds = match number("UXF_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("UXF_SEEDS").unwrap_or(40),
    };
    let mut counts = Counts::default();
    for seed in seeds {
        match live(seed) {
            Ok((more, _)) => counts.add(&more),
            Err(reason) => panic!("seed {seed}: {reason}"),
        }
    }
    // Shown with --nocapture and when something fails.
    #[expect(
        clippy::print_stderr,
        reason = "what a run came to is for whoever started it"
    )]
    {
        eprintln!("{counts:?}");
    }
    assert!(counts.synced > 0);
}

#[test]
fn a_seed_gives_the_same_trace_each_time_and_another_seed_another() {
    let mut traces = Vec::new();
    for seed in 0..6 {
        let first = live(seed).unwrap();
        assert_eq!(first, live(seed).unwrap(), "seed {seed}");
        traces.push(first.1);
    }
    traces.dedup();
    assert_eq!(traces.len(), 6);
}

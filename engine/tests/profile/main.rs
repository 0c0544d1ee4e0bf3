//! The profile as an application sees it.

#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod alone;
mod basics;
mod catching_up;
mod classes;
mod compaction;
mod copies;
mod delta_files;
mod hostile;
mod live;
mod proofs;
mod replicas;
mod restart;

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Clock, Engine, EngineOptions};

/// A clock that stands where it is set.
#[derive(Debug)]
struct SetClock(AtomicU64);

impl SetClock {
    fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(millis)))
    }

    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

const NOW: u64 = 1_800_000_000_000;

fn secret() -> WalletSecret {
    WalletSecret::take(&mut [7; 32])
}

/// A device of the wallet with a clock of its own.
fn device_at(name: &str, clock: &Arc<SetClock>) -> Profile {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let engine = Engine::in_memory(EngineOptions::new().clock(clock)).unwrap();
    engine.profile(&secret(), name).unwrap()
}

fn device(name: &str) -> Profile {
    device_at(name, &SetClock::at(NOW))
}

/// One-way: gives `to` what it lacks of `from`.
fn give(from: &Profile, to: &Profile) {
    loop {
        let delta = from
            .delta_for(&to.version_vector().unwrap(), 1 << 20)
            .unwrap();
        let is_partial = delta.is_partial;
        to.ingest(&delta).unwrap();
        if !is_partial {
            return;
        }
    }
}

fn text(profile: &Profile, key: &str) -> Option<String> {
    let value = profile.get(key).unwrap();
    value.map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap())
}

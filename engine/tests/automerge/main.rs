//! Profiles as Automerge documents, and Automerge as the judge of the order of operations.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod bridge;
mod history;
mod judge;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{Automerge, ROOT, ReadDoc as _, ScalarValue, Value};
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Clock, Engine, EngineOptions};

const NOW: u64 = 1_800_000_000_000;

/// Time stands still, so that hybrid times count operations and nothing else.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        NOW
    }
}

fn device_of(wallet: u8, name: &str) -> Profile {
    let engine = Engine::in_memory(EngineOptions::new().clock(Arc::new(Still))).unwrap();
    let secret = WalletSecret::take(&mut [wallet; 32]);
    engine.profile(&secret, name).unwrap()
}

fn device(name: &str) -> Profile {
    device_of(7, name)
}

/// Gives `to` what it lacks of `from`.
fn give(from: &Profile, to: &Profile) {
    let vector = to.version_vector().unwrap();
    let delta = from.delta_for(&vector, 1 << 30).unwrap();
    to.ingest(&delta).unwrap();
}

/// The values of a document: `None` for null.
fn values(document: &Automerge) -> BTreeMap<String, Option<Vec<u8>>> {
    let (_, map) = document.get(ROOT, "values").unwrap().unwrap();
    let keys = document.keys(&map);
    keys.map(|key| {
        let value = match document.get(&map, key.as_str()).unwrap().unwrap().0 {
            Value::Scalar(scalar) => match scalar.into_owned() {
                ScalarValue::Bytes(bytes) => Some(bytes),
                ScalarValue::Null => None,
                other => panic!("{key}: {other:?}"),
            },
            other @ Value::Object(_) => panic!("{key}: {other:?}"),
        };
        (key, value)
    })
    .collect()
}

/// The values of a profile.
fn seen(profile: &Profile) -> BTreeMap<String, Vec<u8>> {
    let snapshot = profile.engine().snapshot().unwrap();
    let all = snapshot.profile(profile).prefix("").unwrap();
    all.map(|found| {
        let (key, value) = found.unwrap();
        (key, value.as_bytes().to_vec())
    })
    .collect()
}

/// Those that are there.
fn present(values: BTreeMap<String, Option<Vec<u8>>>) -> BTreeMap<String, Vec<u8>> {
    let values = values.into_iter();
    values
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

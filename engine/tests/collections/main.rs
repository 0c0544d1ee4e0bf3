//! What a wallet keeps beside its tokens, as an application sees it: written, exchanged, cut off and opened again.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod dispositions;
mod ledgers;
mod migration;
mod transfers;

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::collections::{CollectionError, Collections, OutboxDraft};
use uxf_engine::wallet::{Wallet, WalletImportOptions, WalletOptions};
use uxf_engine::{Clock, Engine, EngineOptions, Error};

const NOW: u64 = 1_800_000_000_000;
const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";

/// A clock that stands where it is set.
#[derive(Debug)]
struct SetClock(AtomicU64);

impl SetClock {
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

/// A device: a store of its own, the profile that all devices share, and the wallet of one address.
struct Device {
    clock: Arc<SetClock>,
    profile: Profile,
    wallet: Wallet,
}

impl Device {
    fn new(name: &str) -> Self {
        Self::with(name, |options| Engine::in_memory(options).unwrap())
    }

    /// The device whose store is in a directory, as it is found there.
    fn on_disk(directory: &Path) -> Self {
        Self::with("disk", |options| Engine::open(directory, options).unwrap())
    }

    fn with(name: &str, open: impl FnOnce(EngineOptions) -> Engine) -> Self {
        let clock = Arc::new(SetClock(AtomicU64::new(NOW)));
        let options = EngineOptions::new().clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let engine = open(options);
        let secret = WalletSecret::take(&mut [7; 32]);
        let profile = engine.profile(&secret, name).unwrap();
        let address = AddressId::parse(ADDRESS).unwrap();
        let wallet = engine.wallet(&profile, &address, WalletOptions::new());
        Self {
            clock,
            wallet: wallet.unwrap(),
            profile,
        }
    }

    fn collections(&self) -> Collections {
        self.wallet.collections().unwrap()
    }

    /// Gives another device what its profile lacks of this one's.
    fn tell(&self, other: &Self) {
        let vector = other.profile.version_vector().unwrap();
        let delta = self.profile.delta_for(&vector, 1 << 24).unwrap();
        other.profile.ingest(&delta).unwrap();
    }

    /// Both tell each other what they have.
    fn meet(&self, other: &Self) {
        self.tell(other);
        other.tell(self);
    }

    /// Every key of the address with its value, as it reads here.
    fn rows(&self) -> Vec<(String, String)> {
        let snapshot = self.profile.engine().snapshot().unwrap();
        let view = snapshot.profile(&self.profile);
        let rows = view.prefix(ADDRESS).unwrap().map(Result::unwrap);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        rows.map(|(key, value)| (key, text(value.as_bytes())))
            .collect()
    }

    /// Imports a token and gives its id.
    fn import(&self, json: &str) -> String {
        let options = WalletImportOptions::new();
        self.wallet.import(json.as_bytes(), &options).unwrap();
        let token: Value = serde_json::from_str(json).unwrap();
        token["genesis"]["data"]["tokenId"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// Token number `n` of the synthetic wallet.
fn token(n: usize) -> String {
    uxf_testkit::Wallet::new(50).nth(n).unwrap()
}

fn draft(id: &str) -> OutboxDraft {
    OutboxDraft::new(id, "bafy", ["t1", "t2"], "DIRECT://r", "02aa").source_tokens(["s1"])
}

/// The code of the error that a write of a collection must end with.
fn refused<T: core::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result.unwrap_err() {
        Error::Collection(error) => error.code(),
        other => panic!("{other}"),
    }
}

/// The error that a write of a collection must end with.
fn refusal<T: core::fmt::Debug>(result: Result<T, Error>) -> CollectionError {
    match result.unwrap_err() {
        Error::Collection(error) => error,
        other => panic!("{other}"),
    }
}

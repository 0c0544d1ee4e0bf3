//! The wallet as an application sees it: devices that share a profile and exchange deltas and bundles.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod bundles;
mod consolidation;
mod imports;
mod joins;
mod judges;
mod races;
mod reference;
mod rows;
mod spent;

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{
    TokenEntry, Wallet, WalletImportOptions, WalletImportReport, WalletOptions,
};
use uxf_engine::{Clock, Engine, EngineOptions};

/// A clock that stands where it is set, in seconds since 1970.
#[derive(Debug)]
struct SetClock(AtomicU64);

impl SetClock {
    fn at(seconds: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seconds)))
    }

    fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1_000
    }
}

/// A device: a store of its own, the profile that all devices share, and the wallet of one address.
struct Device {
    engine: Engine,
    profile: Profile,
    wallet: Wallet,
}

fn device(name: &str) -> Device {
    device_with(name, WalletOptions::new())
}

fn device_with(name: &str, options: WalletOptions) -> Device {
    device_in(
        Engine::in_memory(EngineOptions::new()).unwrap(),
        name,
        options,
    )
}

fn device_in(engine: Engine, name: &str, options: WalletOptions) -> Device {
    let secret = WalletSecret::take(&mut [7; 32]);
    let profile = engine.profile(&secret, name).unwrap();
    let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
    let wallet = engine.wallet(&profile, &address, options).unwrap();
    Device {
        engine,
        profile,
        wallet,
    }
}

impl Device {
    fn import(&self, input: &str) -> WalletImportReport {
        let options = WalletImportOptions::new();
        self.wallet.import(input.as_bytes(), &options).unwrap()
    }

    /// Imports tokens and saves them; the bundle they went into.
    fn bundle(&self, tokens: &[&str]) -> String {
        self.import(&array(tokens));
        let saved = self.wallet.save().unwrap();
        assert_eq!(saved.bundles.len(), 1, "{tokens:?}");
        saved.bundles.into_iter().next().unwrap()
    }

    fn car(&self, cid: &str) -> Vec<u8> {
        let mut car = Vec::new();
        self.wallet.export_bundle(cid, &mut car).unwrap();
        car
    }

    /// Gives another device what its profile lacks of this one's.
    fn tell(&self, other: &Self) {
        let vector = other.profile.version_vector().unwrap();
        let delta = self.profile.delta_for(&vector, 1 << 24).unwrap();
        other.profile.ingest(&delta).unwrap();
    }

    fn tokens(&self) -> Vec<TokenEntry> {
        self.wallet.tokens().unwrap().map(Result::unwrap).collect()
    }

    fn is_sound(&self) {
        let report = self.engine.check_integrity(&mut |_| ()).unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
        for token in self.tokens() {
            self.wallet.inventory().assemble(&token.token_id).unwrap();
        }
    }
}

/// What two devices must agree on: everything but which of them has saved what.
fn seen(device: &Device) -> Vec<(String, String, &'static str, usize)> {
    let tokens = device.tokens().into_iter();
    let shown = tokens.map(|token| {
        let root = token.root.to_string();
        (
            token.token_id,
            root,
            token.status.as_str(),
            token.heads.len(),
        )
    });
    shown.collect()
}

fn array(tokens: &[&str]) -> String {
    format!("[{}]", tokens.join(","))
}

/// Token number `n` of the synthetic wallet that has at least so many transfers.
fn token(n: usize, transfers: usize) -> String {
    let mut tokens = uxf_testkit::Wallet::new(400);
    let mut found = tokens.by_ref().filter(|json| history(json) >= transfers);
    found.nth(n).unwrap()
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn history(json: &str) -> usize {
    parse(json)["transactions"].as_array().unwrap().len()
}

fn id(json: &str) -> String {
    parse(json)["genesis"]["data"]["tokenId"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The token as it was after so many transfers.
fn earlier(json: &str, transfers: usize) -> String {
    let mut token = parse(json);
    let transactions = token["transactions"].as_array_mut().unwrap();
    let next = transactions[transfers]["data"]["sourceState"].clone();
    transactions.truncate(transfers);
    token["state"] = next;
    token.to_string()
}

/// The token with its last transfer gone another way.
fn forked(json: &str) -> String {
    let mut token = parse(json);
    let last = token["transactions"]
        .as_array_mut()
        .unwrap()
        .last_mut()
        .unwrap();
    last["data"]["salt"] = "ab".repeat(32).into();
    last["inclusionProof"]["authenticator"]["stateHash"] =
        format!("0000{}", "cd".repeat(32)).into();
    token.to_string()
}

/// The token before the proof of its last transfer came.
fn unproven(json: &str) -> String {
    let mut token = parse(json);
    let last = token["transactions"]
        .as_array_mut()
        .unwrap()
        .last_mut()
        .unwrap();
    last["inclusionProof"] = Value::Null;
    token.to_string()
}

/// The token without the proof of one of its transfers.
fn unproven_at(json: &str, transfer: usize) -> String {
    let mut token = parse(json);
    token["transactions"][transfer]["inclusionProof"] = Value::Null;
    token.to_string()
}

/// What the proofs that [`reproven`] makes are told by.
const FORGED: &str = "f0f0f0f0";

/// The token with another proof of its last transfer.
fn reproven(json: &str) -> String {
    let mut token = parse(json);
    let transactions = token["transactions"].as_array_mut().unwrap();
    let proof = &mut transactions.last_mut().unwrap()["inclusionProof"];
    proof["authenticator"]["signature"] = FORGED.repeat(16).into();
    token.to_string()
}

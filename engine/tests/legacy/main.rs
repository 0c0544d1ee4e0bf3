//! What is derived from a wallet's tokens.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod views;

use std::path::Path;

use serde_json::Value;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{Wallet, WalletOptions};
use uxf_engine::{Engine, EngineOptions};

const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";

fn address(text: &str) -> AddressId {
    AddressId::parse(text).unwrap()
}

/// A store in a directory, and its profile.
fn open(directory: &Path) -> (Engine, Profile) {
    let engine = Engine::open(directory, EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut [7; 32]);
    let profile = engine.profile(&secret, "device").unwrap();
    (engine, profile)
}

fn wallet_of(profile: &Profile, text: &str) -> Wallet {
    let options = WalletOptions::new();
    profile
        .engine()
        .wallet(profile, &address(text), options)
        .unwrap()
}

/// Token number `n` of the synthetic wallet, and its id.
fn token(n: usize) -> (String, String) {
    let json = uxf_testkit::Wallet::new(60).nth(n).unwrap();
    let token: Value = serde_json::from_str(&json).unwrap();
    let id = token["genesis"]["data"]["tokenId"].as_str().unwrap();
    (id.to_owned(), json)
}

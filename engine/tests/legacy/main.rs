//! What is derived from a wallet's tokens, and moving a whole legacy wallet in.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod moving;
mod views;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{Wallet, WalletOptions};
use uxf_engine::{Engine, EngineOptions};

const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";
const OTHER: &str = "DIRECT_000000_ffffff";

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
    (token_id(&json), json)
}

fn token_id(json: &str) -> String {
    let token: Value = serde_json::from_str(json).unwrap();
    let id = token["genesis"]["data"]["tokenId"].as_str().unwrap();
    id.to_owned()
}

/// A legacy wallet on disk.
struct Legacy(TempDir);

impl Legacy {
    /// With one address that holds two tokens and has sent two, one that holds one, and values.
    fn new() -> Self {
        let legacy = Self(tempfile::tempdir().unwrap());
        legacy.write(
            "wallet.json",
            &json!({
                "mnemonic": "sealed words",
                "sphere_tracked_addresses": "{\"version\":1}",
                "ipfs_seq_x": "3",
                format!("{ADDRESS}_processed_split_group_ids"): "[\"g1\"]",
                format!("{ADDRESS}_transaction_history"): "[ {\"dedupKey\":\"k0\",\"timestamp\":3} ]",
                format!("{ADDRESS}_outbox"): json!([{
                    "id": "o", "status": "pending", "sourceTokenId": "t", "recipientPubkey": "k", "createdAt": 5,
                }]).to_string(),
            })
            .to_string(),
        );
        for n in 0..2 {
            let (id, json) = token(n);
            legacy.write(&format!("tokens/{ADDRESS}/{id}.json"), &json);
        }
        for n in 2..4 {
            let (id, json) = token(n);
            legacy.write(&format!("tokens/{ADDRESS}/archived-{id}.json"), &json);
        }
        let (id, json) = token(4);
        legacy.write(&format!("tokens/{OTHER}/{id}.json"), &json);
        legacy.write(&format!("tokens/{ADDRESS}/_meta.json"), "{\"version\":1}");
        legacy.write(
            &format!("tokens/{ADDRESS}/_history.json"),
            r#"{"k1":{"dedupKey":"k1","id":"h1","type":"MINT","amount":"5","coinId":"c","symbol":"C","timestamp":7}}"#,
        );
        legacy.write(
            &format!("tokens/{ADDRESS}/_tombstones.json"),
            r#"[{"tokenId":"gone","stateHash":"s","timestamp":3}]"#,
        );
        legacy.write(
            &format!("tokens/{ADDRESS}/nametag.json"),
            r#"{"name":"bob"}"#,
        );
        legacy
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Every file with its content.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        let mut directories = vec![self.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let content = std::fs::read(&path).unwrap();
                    all.push((path, content));
                }
            }
        }
        all.sort();
        all
    }
}

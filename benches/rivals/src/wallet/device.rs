//! Our own wallet, through its public interface.

use std::path::Path;

use uxf_codec::package::Package;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{Wallet, WalletImportOptions, WalletOptions};
use uxf_engine::{Durability, Engine, EngineOptions};

use super::material::{Bundle, array};
use crate::Outcome;

const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";
const SECRET: u8 = 7;

pub(super) struct Device {
    pub(super) engine: Engine,
    pub(super) wallet: Wallet,
}

impl Device {
    /// Opens the wallet of a directory, or makes it.
    pub(super) fn open(dir: &Path, durability: Durability) -> Outcome<Self> {
        let engine = Engine::open(dir, EngineOptions::new().durability(durability))?;
        let secret = WalletSecret::take(&mut [SECRET; 32]);
        let profile = engine.profile(&secret, "bench")?;
        let address = AddressId::parse(ADDRESS)?;
        let wallet = engine.wallet(&profile, &address, WalletOptions::new())?;
        Ok(Self { engine, wallet })
    }

    /// Has the wallet take in tokens that nobody has saved yet.
    pub(super) fn import(&self, tokens: &[String]) -> Outcome<()> {
        let options = WalletImportOptions::new();
        let report = self.wallet.import(&array(tokens), &options)?;
        if report.counts.added != tokens.len() as u64 {
            return Err(format!("{:?} of {} tokens", report.tally, tokens.len()).into());
        }
        Ok(())
    }

    /// Takes a bundle in as it comes from a peer.
    pub(super) fn take(&self, bundle: &Bundle) -> Outcome<()> {
        let taken = self.wallet.add_bundle_car(&bundle.cid, &bundle.car)?;
        if !taken.is_new || taken.tokens != bundle.package.manifest().len() as u64 {
            return Err(format!("{taken:?}").into());
        }
        Ok(())
    }

    /// Compares its tokens with those of a package.
    pub(super) fn check(&self, package: &Package) -> Outcome<()> {
        let mut shown = 0;
        for token in self.wallet.tokens()? {
            let token = token?;
            if package.root(&token.token_id) != Some(token.root) {
                return Err(format!("{} has another root", token.token_id).into());
            }
            shown += 1;
        }
        if shown != package.manifest().len() {
            return Err(format!("{shown} tokens of {}", package.manifest().len()).into());
        }
        Ok(())
    }
}

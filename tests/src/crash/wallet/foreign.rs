//! What other devices of the profile did, the same for every life.

use core::time::Duration;
use std::sync::Arc;

use serde_json::Value;
use uxf_engine::bundles::consolidation::RETENTION_DEFAULT_S;
use uxf_engine::bundles::{BUNDLE_KEY_PREFIX, BundleRef, UnixSeconds};
use uxf_engine::profile::Delta;
use uxf_engine::wallet::{SaveScope, WalletImportOptions};
use uxf_engine::{Clock, Engine, EngineOptions};

use super::{START_MS, Stage};
use crate::crash::text;
use crate::simulation::device::{SeededEntropy, SetClock};

/// What another device did, in its order.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    pub(super) steps: Vec<ForeignStep>,
}

/// One thing it did.
#[derive(Debug)]
pub(super) struct ForeignStep {
    /// A bundle it made: id and archive.
    pub(super) bundle: Option<(String, Vec<u8>)>,
    /// What its profile says since the step before.
    pub(super) delta: Delta,
}

impl Foreign {
    /// Five bundles with other states of the tokens that are imported, and some tokens besides; a token is spent; then all
    /// are merged into one, and each of the five is superseded.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn new() -> Result<Self, String> {
        let clock = SetClock::at(START_MS);
        let options = EngineOptions::new()
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .flush_interval(Duration::from_secs(3_600))
            .entropy(Arc::new(SeededEntropy::new(77)));
        let stage = Stage::new(Engine::in_memory(options).map_err(text)?).map_err(text)?;
        let mut foreign = Self::default();
        let (own, others) = (tokens("crash own", 10)?, tokens("crash foreign", 6)?);
        for number in 0..5 {
            let some = own.iter().skip(number * 3).step_by(7).take(2);
            let json: Vec<_> = some.chain(others.iter().skip(number * 2).take(2)).collect();
            let json: Vec<_> = json.into_iter().map(String::as_str).collect();
            let json = format!("[{}]", json.join(","));
            let options = WalletImportOptions::new();
            stage
                .wallet
                .import(json.as_bytes(), &options)
                .map_err(text)?;
            let before = stage.profile.version_vector().map_err(text)?;
            let saved = stage.wallet.save().map_err(text)?;
            let cid = saved.bundles.into_iter().next();
            foreign.add(&stage, &before, cid)?;
        }
        let first = stage.wallet.tokens().map_err(text)?.next();
        if let Some(token) = first {
            let before = stage.profile.version_vector().map_err(text)?;
            stage
                .wallet
                .spend(&token.map_err(text)?.token_id)
                .map_err(text)?;
            foreign.add(&stage, &before, None)?;
        }
        foreign.supersede(&stage)?;
        Ok(foreign)
    }

    /// Makes a bundle of everything, and says of each of the others that this one has all of it: in a delta each, so that
    /// a sync lets go of one at a time.
    fn supersede(&mut self, stage: &Stage) -> Result<(), String> {
        let before = stage.profile.version_vector().map_err(text)?;
        let others: Vec<_> = self.steps.iter().flat_map(|step| &step.bundle).collect();
        let others: Vec<_> = others.into_iter().map(|(cid, _)| cid.clone()).collect();
        let saved = stage.wallet.save_scope(SaveScope::Everything);
        let merged = saved.map_err(text)?.bundles.into_iter().next();
        let merged = merged.ok_or("nothing was merged")?;
        self.add(stage, &before, Some(merged.clone()))?;
        for cid in others {
            let before = stage.profile.version_vector().map_err(text)?;
            let key = format!("{BUNDLE_KEY_PREFIX}{cid}");
            let value = stage.profile.get(&key).map_err(text)?;
            let value = value.ok_or("a reference is gone")?;
            let row = core::str::from_utf8(value.as_bytes()).map_err(text)?;
            let bundle = BundleRef::parse(row).map_err(text)?;
            // So late that a sync which lets go of a bundle has no reference to remove.
            let deadline = UnixSeconds(START_MS / 1_000 + 1_000 * RETENTION_DEFAULT_S);
            let gone = bundle.superseded_by_bundle(&merged, deadline);
            (stage.profile.put(&key, gone.format().as_bytes())).map_err(text)?;
            self.add(stage, &before, None)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        stage: &Stage,
        before: &uxf_engine::oplog::VersionVector,
        cid: Option<String>,
    ) -> Result<(), String> {
        let bundle = match cid {
            Some(cid) => {
                let mut car = Vec::new();
                stage.wallet.export_bundle(&cid, &mut car).map_err(text)?;
                Some((cid, car))
            }
            None => None,
        };
        let delta = stage.profile.delta_for(before, 1 << 24).map_err(text)?;
        self.steps.push(ForeignStep { bundle, delta });
        Ok(())
    }
}

/// Tokens of the synthetic wallet, and of those with a history also an older state and one that contradicts the newest.
///
/// # Errors
/// If one is no JSON.
pub(super) fn tokens(seed: &str, count: u64) -> Result<Vec<String>, String> {
    let mut states = Vec::new();
    for json in uxf_testkit::Wallet::with_seed(seed, count) {
        let mut older: Value = serde_json::from_str(&json).map_err(text)?;
        let mut fork = older.clone();
        states.push(json);
        let last = fork.get_mut("transactions").and_then(Value::as_array_mut);
        if let Some(last) = last.and_then(|all| all.last_mut()) {
            set(last, "/data/salt", "ab".repeat(32));
            let state_hash = format!("0000{}", "cd".repeat(32));
            set(last, "/inclusionProof/authenticator/stateHash", state_hash);
            states.push(fork.to_string());
        }
        let last = older
            .get_mut("transactions")
            .and_then(Value::as_array_mut)
            .and_then(Vec::pop);
        let state = last.and_then(|last| last.get("data")?.get("sourceState").cloned());
        if let (Some(state), Some(place)) = (state, older.get_mut("state")) {
            *place = state;
            states.push(older.to_string());
        }
    }
    Ok(states)
}

fn set(json: &mut Value, place: &str, text: String) {
    if let Some(place) = json.pointer_mut(place) {
        *place = text.into();
    }
}

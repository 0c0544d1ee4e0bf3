//! What a wallet shows, and whether it is one of the things it may show.

use std::collections::BTreeMap;

use uxf_codec::ElementHash;
use uxf_engine::bundles::BundleRef;
use uxf_engine::bundles::consolidation::{ConsolidationLock, LOCK_KEY};
use uxf_engine::profile::{Profile, ProfileError};
use uxf_engine::wallet::{AuditRecord, TokenEntry, Wallet, WalletStatus};
use uxf_engine::{Engine, Error};

use super::{Stage, secret};
use crate::crash::judge::check_integrity;
use crate::crash::text;

/// Everything that can be seen of a wallet but which device it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletShown {
    tokens: Vec<TokenEntry>,
    status: WalletStatus,
    /// Bundles: status, successor, time to go.
    references: BTreeMap<String, String>,
    spent: Vec<(String, String, u64)>,
    /// Records of tokens that do not count, and the lines that say which of them came to count.
    dispositions: BTreeMap<String, String>,
    /// How far a consolidation is.
    lock: Option<String>,
    /// Anonymous pins of the whole store.
    pins: u64,
}

impl WalletShown {
    /// What a wallet shows now.
    ///
    /// # Errors
    /// What the engine says, or a row that is none.
    pub(super) fn of(engine: &Engine, profile: &Profile, wallet: &Wallet) -> Result<Self, String> {
        let tokens = wallet.tokens().map_err(text)?;
        let tokens = tokens.collect::<Result<_, _>>().map_err(text)?;
        let snapshot = engine.snapshot().map_err(text)?;
        let view = snapshot.profile(profile);
        let mut references = BTreeMap::new();
        for row in view.prefix("tokens.bundle.").map_err(text)? {
            let (key, value) = row.map_err(text)?;
            let bundle = BundleRef::parse(&utf8(value.as_bytes())?).map_err(text)?;
            let shown = format!(
                "{:?} by {:?} until {:?}",
                bundle.status(),
                bundle.superseded_by(),
                bundle.remove_after()
            );
            references.insert(key, shown);
        }
        let mut dispositions = BTreeMap::new();
        for collection in ["audit", "manifest"] {
            let prefix = format!("{}.{collection}.", wallet.address());
            for row in view.prefix(&prefix).map_err(text)? {
                let (key, value) = row.map_err(text)?;
                dispositions.insert(key, utf8(value.as_bytes())?);
            }
        }
        let value = |key: &str| -> Result<Option<String>, String> {
            let value = view.get(key).map_err(text)?;
            value.map(|value| utf8(value.as_bytes())).transpose()
        };
        let lock = value(LOCK_KEY)?.map(|lock| {
            let lock = ConsolidationLock::parse(&lock).map_err(text)?;
            Ok::<_, String>(format!("{:?} {:?}", lock.source_cids, lock.result))
        });
        Ok(Self {
            tokens,
            status: wallet.status().map_err(text)?,
            references,
            spent: spent_of(wallet)?,
            dispositions,
            lock: lock.transpose()?,
            pins: engine.stats().map_err(text)?.pins,
        })
    }

    /// Ids of the tokens.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|token| &*token.token_id)
    }

    /// Whether a consolidation is under way.
    pub(super) const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether a promotion was begun and not finished.
    pub(super) fn is_promoting(&self) -> bool {
        let mut records = self.dispositions.iter();
        records.any(|(key, record)| {
            let record = AuditRecord::parse(record);
            key.contains(".audit.") && record.is_ok_and(|record| record.is_promotion_pending())
        })
    }

    /// Root of a token.
    pub(super) fn root(&self, token_id: &str) -> Option<ElementHash> {
        let mut tokens = self.tokens.iter();
        tokens
            .find(|token| token.token_id == token_id)
            .map(|token| token.root)
    }

    /// Whether bundles wait for their references to go.
    pub(super) fn has_superseded(&self) -> bool {
        let mut references = self.references.values();
        references.any(|one| one.starts_with("Superseded"))
    }

    /// How many references there are.
    #[cfg(test)]
    pub(super) fn references(&self) -> usize {
        self.references.len()
    }

    /// What is remarkable about it.
    #[cfg(test)]
    pub(super) fn traits(&self) -> Vec<&'static str> {
        use uxf_engine::wallet::TokenStatus;

        let mut traits = Vec::new();
        let mut is = |name, holds: bool| traits.extend(holds.then_some(name));
        let has = |word: &str| self.references.values().any(|one| one.contains(word));
        let lock = self.lock.as_deref().unwrap_or_default();
        is("locked", lock.ends_with("None"));
        let is_named = lock.contains("cid: ");
        let result = lock
            .split("cid: \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let is_registered = result.is_some_and(|cid| {
            self.references
                .contains_key(&format!("tokens.bundle.{cid}"))
        });
        is("named", is_named && !is_registered);
        is("registered", is_registered && !has("Superseded"));
        is("superseded", is_registered && has("Superseded"));
        is("spent", self.status.of(TokenStatus::Spent) > 0);
        is("promoting", self.is_promoting());
        is(
            "promoted",
            self.dispositions
                .keys()
                .any(|key| key.contains(".manifest.")),
        );
        is("forks", self.status.of(TokenStatus::Conflicting) > 0);
        traits
    }

    pub(super) fn difference(&self, found: &Self) -> String {
        let names = |shown: &Self| -> Vec<_> {
            let tokens = shown.tokens.iter();
            tokens.map(|token| (token.root, token.status)).collect()
        };
        if names(self) != names(found) {
            return format!(
                "{} tokens are shown, {} expected, or they stand otherwise",
                found.tokens.len(),
                self.tokens.len()
            );
        }
        format!(
            "tokens {}, status {}, references {}, spent {}, dispositions {}, lock {}, pins {} for {}",
            self.tokens == found.tokens,
            self.status == found.status,
            self.references == found.references,
            self.spent == found.spent,
            self.dispositions == found.dispositions,
            self.lock == found.lock,
            found.pins,
            self.pins
        )
    }
}

fn spent_of(wallet: &Wallet) -> Result<Vec<(String, String, u64)>, String> {
    let spent = wallet.spent_states().map_err(text)?;
    let states = spent.iter();
    Ok(states
        .map(|(token_id, hash, time)| (token_id.to_owned(), hash.to_owned(), time))
        .collect())
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(text)
}

/// Judges a store that was just opened: its wallet shows one of the things it may show, the store is sound before and after
/// a sweep, every token comes out of it, and it goes on: what no bundle has can be saved.
///
/// # Errors
/// What is wrong; if nothing fits, what the newest state differs in.
pub(super) fn judge(engine: Engine, allowed: &[Option<WalletShown>]) -> Result<(), String> {
    check_integrity(&engine)?;
    let is_there = match engine.open_profile(&secret()) {
        Ok(_) => true,
        Err(Error::Profile(ProfileError::NotFound)) => false,
        Err(error) => return Err(text(error)),
    };
    if !is_there {
        let may_be = allowed.iter().any(Option::is_none);
        return may_be.then_some(()).ok_or("the profile is gone".to_owned());
    }
    let stage = Stage::new(engine).map_err(text)?;
    let found = stage.shown()?;
    // A profile without a wallet is one that nothing was done with.
    let fits = |state: &Option<WalletShown>| state.as_ref().is_none_or(|state| *state == found);
    let is_empty = found.tokens.is_empty() && found.references.is_empty();
    let mut states = allowed.iter().filter(|state| state.is_some() || is_empty);
    if !states.any(fits) {
        let newest = allowed.iter().rev().flatten().next();
        let difference = newest.map(|state| state.difference(&found));
        return Err(format!(
            "none of {} allowed states fits: {}",
            allowed.len(),
            difference.unwrap_or_default()
        ));
    }
    stage.engine.sweep(u64::MAX).map_err(text)?;
    check_integrity(&stage.engine)?;
    for token in &found.tokens {
        let json = stage.wallet.inventory().assemble(&token.token_id);
        json.map_err(text)?;
    }
    match stage.wallet.save() {
        Ok(_) | Err(Error::LimitExceeded { .. }) => {}
        Err(error) => return Err(text(error)),
    }
    finish_promotions(&stage)?;
    let after = stage.shown()?;
    if after.tokens.len() != found.tokens.len() {
        return Err("a save after recovery changes what is shown".to_owned());
    }
    check_integrity(&stage.engine)
}

/// Opening the collections brings promotions to an end, but for those whose token is not held.
fn finish_promotions(stage: &Stage) -> Result<(), String> {
    let collections = stage.wallet.collections().map_err(text)?;
    let recovered = collections.recovered();
    let left = stage.shown()?.is_promoting();
    if left == (recovered.promotions_waiting > 0) {
        return Ok(());
    }
    Err(format!("{recovered:?}, and promotions left over: {left}"))
}

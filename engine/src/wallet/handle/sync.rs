use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use super::{RecoveryReport, Wallet, WalletCounts};
use crate::bundles::{BundleRef, BundleStatus};
use crate::error::Error;
use crate::profile::{Watch, WatchEvent};
use crate::tables::schema::WalletRowKind;
use crate::tables::wallet_rows::JoinedRow;
use crate::wallet::spent::{entry_prefix, list_key, read};

/// Tokens that are joined anew in one commit.
const SETTLED_AT_ONCE: usize = 1_024;

/// A bundle that counts and could not be taken in. It is tried again at the next sync.
#[derive(Debug)]
pub struct WaitingBundle {
    /// Its id.
    pub cid: String,
    /// Why.
    pub error: Error,
}

/// What a sync came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SyncReport {
    /// What it did to the tokens of the wallet.
    pub counts: WalletCounts,
    /// Bundles that were taken in.
    pub taken: Vec<String>,
    /// Bundles that others have all of, or whose reference is gone, and that were let go of.
    pub released: Vec<String>,
    /// What was left to do by others, or by time.
    pub recovery: RecoveryReport,
    /// Bundles that count and are not here, or cannot be read. While there are any, the wallet may lack tokens.
    pub waiting: Vec<WaitingBundle>,
    /// References that cannot be read, the first 100 of their keys.
    pub unreadable: Vec<String>,
    /// How many there are.
    pub unreadable_count: usize,
}

impl SyncReport {
    /// Whether the wallet has everything that its profile names.
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty() && self.unreadable_count == 0
    }
}

impl Wallet {
    /// Brings the tokens up to what the profile says: takes in bundles that count and whose blocks are here, lets go of
    /// those that others have all of, and hides what was spent on other devices. To be called when a delta was taken in.
    ///
    /// A bundle that cannot be read keeps no other out, and is never taken for one without tokens.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`], and those of a commit.
    pub fn sync(&self) -> Result<SyncReport, Error> {
        let span = tracing::info_span!("wallet_sync");
        let _entered = span.enter();
        let mut report = SyncReport::default();
        let refs = self.read_refs(&mut report)?;
        self.take_named(&refs, &mut report)?;
        self.release_superseded(&refs, &mut report)?;
        self.hide_spent(&mut report)?;
        report.recovery = self.recover()?;
        tracing::info!(
            taken = report.taken.len(),
            waiting = report.waiting.len(),
            "synced"
        );
        Ok(report)
    }

    fn read_refs(&self, report: &mut SyncReport) -> Result<BTreeMap<String, BundleRef>, Error> {
        let snapshot = self.engine().snapshot()?;
        let found = Self::bundle_refs(&snapshot.profile(&self.profile))?;
        report.unreadable = found.unreadable;
        report.unreadable_count = found.unreadable_count;
        let refs = found.refs.into_iter();
        Ok(refs
            .map(|bundle| (bundle.cid().to_owned(), bundle))
            .collect())
    }

    fn taken_bundles(&self) -> Result<Vec<String>, Error> {
        let snapshot = self.engine().snapshot()?;
        let rows = self.bundle_rows(&snapshot)?.into_iter();
        Ok(rows.map(|(cid, _)| cid).collect())
    }

    fn take_named(
        &self,
        refs: &BTreeMap<String, BundleRef>,
        report: &mut SyncReport,
    ) -> Result<(), Error> {
        let taken = self.taken_bundles()?;
        for (cid, bundle) in refs {
            if bundle.status() == BundleStatus::Superseded || taken.contains(cid) {
                continue;
            }
            match self.add_bundle(cid) {
                Ok(added) => {
                    report.counts.add(added.counts);
                    if added.is_new {
                        report.taken.push(cid.clone());
                    }
                }
                Err(error) if is_of_bundle(&error) => report.waiting.push(WaitingBundle {
                    cid: cid.clone(),
                    error,
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A superseded bundle goes when what superseded it is here; one whose reference was deleted was superseded long ago.
    fn release_superseded(
        &self,
        refs: &BTreeMap<String, BundleRef>,
        report: &mut SyncReport,
    ) -> Result<(), Error> {
        let taken = self.taken_bundles()?;
        let unreadable = report.unreadable_count > 0;
        for cid in &taken {
            let may_go = match refs.get(cid) {
                Some(bundle) if bundle.status() == BundleStatus::Superseded => {
                    is_succeeded(bundle, refs, &taken)
                }
                Some(_) => false,
                // The reference may be among those that cannot be read.
                None => !unreadable,
            };
            if may_go {
                report.counts.add(self.release_bundle(cid)?);
                report.released.push(cid.clone());
            }
        }
        Ok(())
    }

    /// Joins the tokens anew of which a state was spent elsewhere. Only what was noted since the last time is looked
    /// at, unless this is the first time or it is not known what that is.
    fn hide_spent(&self, report: &mut SyncReport) -> Result<(), Error> {
        // It is put back when all is done: an error, or somebody who asks meanwhile, looks at everything.
        let watch = self.hidden_up_to().take();
        let (watch, noted) = match watch {
            Some(watch) => {
                let noted = self.noted_since(&watch);
                (watch, noted)
            }
            None => (self.profile.watch(&list_key(&self.address)), None),
        };
        let affected = match noted {
            Some(keys) => self.named_by(&keys)?,
            None => self.named_by_any()?,
        };
        for tokens in affected.chunks(SETTLED_AT_ONCE) {
            let ((), counts) = self.change(|change| {
                let mut tokens = tokens.iter();
                tokens.try_for_each(|token_id| change.note(token_id, |_| ()))
            })?;
            report.counts.add(counts);
        }
        *self.hidden_up_to() = Some(watch);
        Ok(())
    }

    /// The entries that a watch tells of; `None` if it has missed some, or the list is another one.
    fn noted_since(&self, watch: &Watch) -> Option<BTreeSet<Box<str>>> {
        let prefix = entry_prefix(&self.address);
        let mut keys = Some(BTreeSet::new());
        while let Some(event) = watch.try_next() {
            match (event, &mut keys) {
                (WatchEvent::Changed { key, .. }, Some(all)) if key.starts_with(&prefix) => {
                    all.insert(key);
                }
                _ => keys = None,
            }
        }
        keys
    }

    /// Tokens that are shown and that entries name.
    fn named_by(&self, keys: &BTreeSet<Box<str>>) -> Result<Vec<String>, Error> {
        let snapshot = self.engine().snapshot()?;
        let view = snapshot.profile(&self.profile);
        let mut affected = BTreeSet::new();
        for key in keys {
            for (token_id, state_hash, _) in read(&view, key)?.iter() {
                let Some(row) = self.row(&snapshot, WalletRowKind::Token, token_id)? else {
                    continue;
                };
                let row = JoinedRow::decode(token_id, &row)?;
                let is_named = row.candidates.iter().any(|one| one.is_named(state_hash));
                if row.is_shown() && is_named {
                    affected.insert(token_id.to_owned());
                }
            }
        }
        Ok(affected.into_iter().collect())
    }

    /// Tokens that are shown and that the list or an entry names.
    fn named_by_any(&self) -> Result<Vec<String>, Error> {
        let snapshot = self.engine().snapshot()?;
        let view = snapshot.profile(&self.profile);
        let (listed, _) = self.read_listed(&view)?;
        let mut affected = Vec::new();
        for row in self.rows(&snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = JoinedRow::decode(&token_id, &row)?;
            if !row.is_shown() {
                continue;
            }
            let among = self.spent_among(&view, &listed, &token_id, &row.candidates)?;
            if !among.hashes.is_empty() {
                affected.push(token_id);
            }
        }
        Ok(affected)
    }

    fn hidden_up_to(&self) -> MutexGuard<'_, Option<Watch>> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the bundle at the end of the line of those that superseded each other is here.
pub(super) fn is_succeeded(
    bundle: &BundleRef,
    refs: &BTreeMap<String, BundleRef>,
    taken: &[String],
) -> bool {
    let mut next = bundle.superseded_by();
    // No line is longer than there are references, so one that leads back to itself ends.
    for _ in 0..refs.len() {
        let Some(cid) = next else {
            return false;
        };
        match refs.get(cid) {
            Some(newer) if newer.status() == BundleStatus::Superseded => {
                next = newer.superseded_by();
            }
            Some(_) => return taken.iter().any(|one| one == cid),
            None => return false,
        }
    }
    false
}

/// Whether an error says something about a bundle, and not about the store.
fn is_of_bundle(error: &Error) -> bool {
    matches!(
        error,
        Error::BundleNotHere { .. }
            | Error::Content(_)
            | Error::Codec(_)
            | Error::LimitExceeded { .. }
            | Error::NotOpaque { .. }
            | Error::NotATokenRoot { .. }
            | Error::MissingElement { .. }
            | Error::UnknownInput
    )
}

use core::fmt;

use serde_json::Value;

use super::row::{Listed, Row};
use super::{CollectionKind, Collections};
use crate::error::Error;
use crate::profile::merge::canonical_text;
use crate::wallet::{
    ContentHash, DISPOSITIONS_LISTED_MAX, DispositionCollection, DispositionReason, cascade,
    invalid_record,
};

const COLLECTION: DispositionCollection = DispositionCollection::Invalid;

/// Tokens that cannot count, each observation with its reason.
#[derive(Clone, Copy)]
pub struct Invalid<'c>(pub(super) &'c Collections);

impl fmt::Debug for Invalid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invalid")
    }
}

impl Invalid<'_> {
    /// Records that a token cannot count; with an empty id, that something cannot which may be one. Whether it is new: what
    /// was recorded of the same content first stays.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn record(
        &self,
        token_id: &str,
        hash: &ContentHash,
        reason: DispositionReason,
    ) -> Result<bool, Error> {
        let lost = (token_id.to_owned(), *hash, reason);
        Ok(self.record_all(&[lost])? > 0)
    }

    /// Records that a token cannot count, and with it all that were split from it and that the wallet shows, in one commit.
    /// The ids of those.
    ///
    /// # Errors
    /// Those of reading and of a commit.
    pub fn record_with_splits(
        &self,
        token_id: &str,
        hash: &ContentHash,
        reason: DispositionReason,
    ) -> Result<Vec<String>, Error> {
        let splits = self.0.splits()?;
        let fallen = cascade(&token_id.to_lowercase(), |parent| {
            splits.get(parent).cloned().unwrap_or_default()
        });
        let mut lost = vec![(token_id.to_owned(), *hash, reason)];
        for child in &fallen {
            // One that is not held falls when it comes: its record needs the content it comes with.
            let Some(token) = self.0.wallet.get(child)? else {
                continue;
            };
            if let Ok(hash) = ContentHash::parse(&token.root.to_string()) {
                lost.push((child.clone(), hash, DispositionReason::ParentRejected));
            }
        }
        self.record_all(&lost)?;
        Ok(fallen)
    }

    fn record_all(self, lost: &[(String, ContentHash, DispositionReason)]) -> Result<usize, Error> {
        let address = self.0.wallet.address();
        let new = self.0.edit(|edit| {
            let mut new = 0;
            for (token_id, hash, reason) in lost {
                let key = COLLECTION.key(address, token_id, hash);
                if edit.text(&key)?.is_some() {
                    continue;
                }
                let record = invalid_record(token_id, hash, *reason, self.0.now_ms());
                edit.put(&key, &canonical_text(&record))?;
                new += 1;
            }
            Ok(new)
        })?;
        for (_, hash, reason) in lost.iter().filter(|(.., reason)| reason.raises_alert()) {
            tracing::error!(%hash, reason = reason.as_str(), "a token was refused by a fault of this program");
        }
        Ok(new)
    }

    /// The records of a token, the first [`DISPOSITIONS_LISTED_MAX`].
    ///
    /// # Errors
    /// Those of reading.
    pub fn of_token(&self, token_id: &str) -> Result<Listed<Value>, Error> {
        let prefix = COLLECTION.prefix(self.0.wallet.address(), token_id);
        self.list(&prefix, DISPOSITIONS_LISTED_MAX)
    }

    /// All records of tokens, and of what may be one.
    ///
    /// # Errors
    /// Those of reading.
    pub fn all(&self) -> Result<Listed<Value>, Error> {
        let prefix = |kind: CollectionKind| kind.prefix(self.0.wallet.address());
        let mut all = self.list(&prefix(CollectionKind::Invalid), usize::MAX)?;
        let orphans = self.list(&prefix(CollectionKind::InvalidOrphan), usize::MAX)?;
        all.entries.extend(orphans.entries);
        all.unreadable.extend(orphans.unreadable);
        Ok(all)
    }

    fn list(self, prefix: &str, most: usize) -> Result<Listed<Value>, Error> {
        self.0.list_prefix(prefix, most, |_, text| {
            Ok(match Row::parse(text)? {
                Row::Live(all) => Some(Value::Object(all)),
                Row::Deleted(_) => None,
            })
        })
    }

    /// Deletes a record, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn delete(&self, token_id: &str, hash: &ContentHash) -> Result<bool, Error> {
        let key = COLLECTION.key(self.0.wallet.address(), token_id, hash);
        self.0.delete_key(&key)
    }
}

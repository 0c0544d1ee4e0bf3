use core::fmt;

use uxf_codec::ElementHash;

use super::row::{Listed, Row, not_an_entry};
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;
use crate::profile::merge::{ManifestEntry, Merge as _, RowError};
use crate::wallet::{
    AuditRecord, ContentHash, DISPOSITIONS_LISTED_MAX, DispositionCollection, DispositionReason,
    PromotionStep,
};

const COLLECTION: DispositionCollection = DispositionCollection::Audit;
/// Steps of a promotion, and some for those that others take meanwhile.
const STEPS_MAX: usize = 16;

/// Tokens that were observed, do not count, and may some day.
#[derive(Clone, Copy)]
pub struct Audit<'c>(pub(super) &'c Collections);

impl fmt::Debug for Audit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

impl Audit<'_> {
    /// Records an observation; with an empty id, of something that may be a token. Observations of one content add up:
    /// the first reason and time stay.
    ///
    /// # Errors
    /// [`CollectionError::Tombstoned`] for a record that was deleted; those of a commit.
    pub fn observe(
        &self,
        token_id: &str,
        hash: &ContentHash,
        reason: DispositionReason,
        bundle_cid: &str,
    ) -> Result<AuditRecord, Error> {
        let key = self.key(token_id, hash);
        let now = self.0.now_ms();
        let observed = AuditRecord::observed(token_id, hash, reason, now, bundle_cid);
        let record = self.0.edit(|edit| {
            let observed = observed.clone();
            let record = match edit.text(&key)? {
                None => observed,
                Some(text) => match read_record(&key, &text)? {
                    Some(record) => record.merge(observed),
                    None => return Err(tombstoned(hash)),
                },
            };
            edit.put(&key, &record.format())?;
            Ok(record)
        })?;
        if reason.raises_alert() {
            tracing::error!(%hash, reason = reason.as_str(), "a token was refused by a fault of this program");
        }
        Ok(record)
    }

    /// A record; `None` if there is none or it was deleted.
    ///
    /// # Errors
    /// [`CollectionError::Row`]; those of reading.
    pub fn get(&self, token_id: &str, hash: &ContentHash) -> Result<Option<AuditRecord>, Error> {
        let key = self.key(token_id, hash);
        let Some(value) = self.0.wallet.profile().get(&key)? else {
            return Ok(None);
        };
        read_record(&key, &String::from_utf8_lossy(value.as_bytes()))
    }

    /// The records of a token, the first [`DISPOSITIONS_LISTED_MAX`].
    ///
    /// # Errors
    /// Those of reading.
    pub fn of_token(&self, token_id: &str) -> Result<Listed<AuditRecord>, Error> {
        let prefix = COLLECTION.prefix(self.0.wallet.address(), token_id);
        self.0
            .list_prefix(&prefix, DISPOSITIONS_LISTED_MAX, |_, text| {
                parse_record(text)
            })
    }

    /// Deletes a record, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn delete(&self, token_id: &str, hash: &ContentHash) -> Result<bool, Error> {
        self.0.delete_key(&self.key(token_id, hash))
    }

    /// Has a recorded token count: the record is marked, the wallet's line of the token names it, and the record is
    /// closed. Each step is a commit of its own and can be repeated, so that a promotion that was cut off anywhere is
    /// finished by promoting again, which opening the collections does as well.
    ///
    /// # Errors
    /// [`CollectionError::NotHeld`] and [`CollectionError::RootChanged`] unless the wallet has the token at this root: the
    /// record stays marked, and promoting again goes on from there. [`CollectionError::NotFound`],
    /// [`CollectionError::Tombstoned`]; those of a commit.
    pub fn promote(
        &self,
        token_id: &str,
        hash: &ContentHash,
        root: &ElementHash,
    ) -> Result<AuditRecord, Error> {
        for _ in 0..STEPS_MAX {
            if self.promote_one_step(token_id, hash, root)? == PromotionStep::Done {
                break;
            }
        }
        self.get(token_id, hash)?.ok_or_else(|| tombstoned(hash))
    }

    /// Takes the next step of a promotion, and says which it was.
    ///
    /// # Errors
    /// Those of [`promote`](Self::promote).
    pub fn promote_one_step(
        &self,
        token_id: &str,
        hash: &ContentHash,
        root: &ElementHash,
    ) -> Result<PromotionStep, Error> {
        let key = self.key(token_id, hash);
        let address = self.0.wallet.address();
        let line_key = CollectionKind::Manifest.key(address, &token_id.to_lowercase())?;
        self.0.edit(|edit| {
            let Some(text) = edit.text(&key)? else {
                return Err(CollectionError::NotFound {
                    collection: CollectionKind::Audit,
                    id: hash.to_string(),
                }
                .into());
            };
            let record = read_record(&key, &text)?.ok_or_else(|| tombstoned(hash))?;
            let line = edit
                .text(&line_key)?
                .map(|text| ManifestEntry::parse(&text));
            let line = line
                .transpose()
                .map_err(|error| not_an_entry(&line_key, error))?;
            let is_named = line.is_some_and(|line| line.promoted_from().any(|from| from == key));
            let step = record.next_promotion_step(is_named);
            match step {
                PromotionStep::Mark => {
                    edit.put(&key, &record.with_promotion_pending().format())?;
                }
                PromotionStep::AddBackReference => {
                    // What counts by now, whatever it was when the caller looked.
                    let token = self.0.held_at(token_id, root)?;
                    let from = vec![key.as_str()].into();
                    self.0.put_line(edit, &token, "audit_promoted_from", from)?;
                }
                PromotionStep::Finish => {
                    edit.put(&key, &record.promoted(&root.to_string()).format())?;
                }
                PromotionStep::Done => {}
            }
            Ok(step)
        })
    }

    /// Token id and hash of the records whose promotion was begun and not finished.
    pub(super) fn pending(self) -> Result<Vec<(String, ContentHash)>, Error> {
        let pending = self.0.list_entries(CollectionKind::Audit, |id, text| {
            let record = parse_record(text)?;
            let record = record.filter(AuditRecord::is_promotion_pending);
            let (token_id, hash) = id.rsplit_once('.').unwrap_or(("", id));
            let hash = ContentHash::parse(hash).map_err(|_| RowError::Field { field: "key" })?;
            Ok(record.map(|_| (token_id.to_owned(), hash)))
        })?;
        Ok(pending.entries)
    }

    fn key(self, token_id: &str, hash: &ContentHash) -> String {
        COLLECTION.key(self.0.wallet.address(), token_id, hash)
    }
}

fn parse_record(text: &str) -> Result<Option<AuditRecord>, RowError> {
    match Row::parse(text)? {
        Row::Live(_) => AuditRecord::parse(text).map(Some),
        Row::Deleted(_) => Ok(None),
    }
}

fn read_record(key: &str, text: &str) -> Result<Option<AuditRecord>, Error> {
    parse_record(text).map_err(|error| not_an_entry(key, error))
}

fn tombstoned(hash: &ContentHash) -> Error {
    CollectionError::Tombstoned {
        collection: CollectionKind::Audit,
        id: hash.to_string(),
    }
    .into()
}

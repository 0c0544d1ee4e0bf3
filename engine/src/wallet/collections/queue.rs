use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::row::{Listed, SCHEMA, UnreadableRow};
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;

const KIND: CollectionKind = CollectionKind::FinalizationQueue;
/// How far clocks may differ where a time is believed: five minutes.
const SLACK_MS: u64 = 5 * 60 * 1_000;

/// Where a finalization stands. Every status may follow every other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueStatus {
    /// Nothing was done yet.
    #[default]
    Pending,
    /// The commitment is being submitted.
    Submitting,
    /// The proof is being asked for.
    Polling,
    /// The proof is attached.
    Attached,
    /// It cannot be finalized.
    HardFail,
}

/// On which side of a transfer the token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueSource {
    /// It was sent.
    Sent,
    /// It was received.
    Received,
}

/// A transaction whose proof is to be attached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct QueueEntry {
    #[serde(rename = "_schemaVersion")]
    schema: String,
    /// Id of the entry.
    pub entry_id: String,
    /// The token.
    pub token_id: String,
    /// The bundle it came in.
    pub bundle_cid: String,
    /// Which of its transactions.
    pub tx_index: u64,
    /// The request by which the commitment is found.
    pub commitment_request_id: String,
    /// Hash of the transaction.
    pub transaction_hash: String,
    /// What proves who made it, as the aggregator takes it.
    pub authenticator: Value,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_at: u64,
    /// When the entry was made, in milliseconds since 1970.
    pub created_at: u64,
    /// When polling began, in milliseconds since 1970. Set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    poll_started_at: Option<u64>,
    /// Times it was submitted again.
    #[serde(default)]
    pub submit_retry_count: u64,
    /// Times its proof was wrong.
    #[serde(default)]
    pub proof_error_count: u64,
    /// Where it stands.
    pub status: QueueStatus,
    /// On which side the token is.
    pub source: QueueSource,
    /// Fields that other programs wrote.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl QueueEntry {
    /// An entry for a transaction of a token, pending. Hashes, ids and times are to be filled in.
    pub fn new(entry_id: &str, token_id: &str, tx_index: u64, source: QueueSource) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            entry_id: entry_id.to_owned(),
            token_id: token_id.to_owned(),
            bundle_cid: String::new(),
            tx_index,
            commitment_request_id: String::new(),
            transaction_hash: String::new(),
            authenticator: Value::Null,
            submitted_at: 0,
            created_at: 0,
            poll_started_at: None,
            submit_retry_count: 0,
            proof_error_count: 0,
            status: QueueStatus::default(),
            source,
            others: Map::new(),
        }
    }

    /// When polling began, in milliseconds since 1970.
    pub const fn poll_started_at(&self) -> Option<u64> {
        self.poll_started_at
    }
}

/// Transactions whose proofs are to be attached.
#[derive(Clone, Copy)]
pub struct FinalizationQueue<'c>(pub(super) &'c Collections);

impl fmt::Debug for FinalizationQueue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinalizationQueue")
    }
}

impl FinalizationQueue<'_> {
    /// Puts an entry. The same again changes nothing.
    ///
    /// # Errors
    /// [`CollectionError::Exists`] for another one of this id, [`CollectionError::Tombstoned`] for one that was removed;
    /// those of a commit.
    pub fn put(&self, entry: &QueueEntry) -> Result<(), Error> {
        self.0.put_entry(KIND, &entry.entry_id, entry)
    }

    /// Changes an entry. Its id, and when polling began, stay.
    ///
    /// # Errors
    /// [`CollectionError::NotFound`], [`CollectionError::Tombstoned`]; those of a commit.
    pub fn update(
        &self,
        entry_id: &str,
        mut change: impl FnMut(&mut QueueEntry),
    ) -> Result<QueueEntry, Error> {
        self.0
            .update_entry(KIND, entry_id, |entry: &mut QueueEntry| {
                let started = entry.poll_started_at;
                change(entry);
                entry.poll_started_at = started;
                entry_id.clone_into(&mut entry.entry_id);
                Ok(())
            })
    }

    /// Notes when polling began, and has the entry be polled for. The first time stays.
    ///
    /// # Errors
    /// [`CollectionError::PollStart`] for a time more than five minutes before the entry was made or after now; those of
    /// [`update`](Self::update).
    pub fn start_polling(&self, entry_id: &str, at_ms: u64) -> Result<QueueEntry, Error> {
        let now = self.0.now_ms();
        self.0
            .update_entry(KIND, entry_id, |entry: &mut QueueEntry| {
                entry.status = QueueStatus::Polling;
                if entry.poll_started_at.is_some() {
                    return Ok(());
                }
                let earliest = entry.created_at.saturating_sub(SLACK_MS);
                let latest = now.saturating_add(SLACK_MS);
                if !(earliest..=latest).contains(&at_ms) {
                    return Err(CollectionError::PollStart {
                        found: at_ms,
                        earliest,
                        latest,
                    }
                    .into());
                }
                entry.poll_started_at = Some(at_ms);
                Ok(())
            })
    }

    /// An entry; `None` if there is none or it was removed.
    ///
    /// # Errors
    /// [`CollectionError::Row`]; those of reading.
    pub fn get(&self, entry_id: &str) -> Result<Option<QueueEntry>, Error> {
        self.0.get_entry(KIND, entry_id)
    }

    /// All entries that were not removed.
    ///
    /// # Errors
    /// Those of reading.
    pub fn list(&self) -> Result<Listed<QueueEntry>, Error> {
        self.0.list_typed(KIND)
    }

    /// Removes an entry, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn remove(&self, entry_id: &str) -> Result<bool, Error> {
        self.0.delete_entry(KIND, entry_id)
    }

    /// Removes rows that open and are no entries, and gives what they began with. Rows that do not open stay: another key
    /// may open them.
    ///
    /// # Errors
    /// Those of reading and of a commit.
    pub fn remove_unreadable(&self) -> Result<Vec<UnreadableRow>, Error> {
        let mut removed = self.list()?.unreadable;
        removed.retain(|row| row.start.is_some());
        for row in &removed {
            tracing::warn!(key = %row.key, "removed a row of the finalization queue that was no entry");
            self.0.delete_key(&row.key)?;
        }
        Ok(removed)
    }
}

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::edit::Edit;
use super::outbox::{DeliveryMethod, TransferMode};
use super::row::{Listed, Row, SCHEMA, deleted, not_an_entry, read, write};
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;
use crate::profile::merge::{OutboxEntry, RowError};

const KIND: CollectionKind = CollectionKind::Sent;
/// What an entry has from that of the outbox.
const CARRIED: [&str; 9] = [
    "id",
    "tokenIds",
    "bundleCid",
    "recipientTransportPubkey",
    "recipient",
    "recipientNametag",
    "deliveryMethod",
    "mode",
    "nostrEventId",
];

/// A transfer that left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SentEntry {
    #[serde(rename = "_schemaVersion")]
    schema: String,
    /// Id of the transfer, that of its outbox entry.
    pub id: String,
    /// The tokens that left.
    pub token_ids: Vec<String>,
    /// The bundle that was sent.
    pub bundle_cid: String,
    /// The recipient's key on the transport.
    pub recipient_transport_pubkey: String,
    /// Who got them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The recipient's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_nametag: Option<String>,
    /// How the recipient got them.
    pub delivery_method: DeliveryMethod,
    /// Which of the ways to transfer.
    pub mode: TransferMode,
    /// When they left, in milliseconds since 1970.
    pub sent_at: u64,
    /// Number of the write.
    pub lamport: u64,
    /// The message that brought them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nostr_event_id: Option<String>,
    /// When the last proof was attached, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_attached_at: Option<u64>,
    /// Fields that other programs wrote.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Transfers that left. An entry stays when that of the outbox goes.
#[derive(Clone, Copy)]
pub struct SentLedger<'c>(pub(super) &'c Collections);

impl fmt::Debug for SentLedger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentLedger")
    }
}

impl SentLedger<'_> {
    /// Enters a transfer of the outbox. One that is entered stays as it is.
    pub(super) fn enter(
        self,
        edit: &mut Edit<'_>,
        entry: &OutboxEntry,
    ) -> Result<SentEntry, Error> {
        let key = KIND.key(self.0.wallet.address(), entry.id())?;
        let text = edit.text(&key)?;
        if let Some(text) = &text {
            let row = Row::parse(text).map_err(|error| not_an_entry(&key, error))?;
            return match row {
                Row::Live(all) => read(all).map_err(|error| not_an_entry(&key, error)),
                Row::Deleted(_) => Err(CollectionError::Tombstoned {
                    collection: KIND,
                    id: entry.id().to_owned(),
                }
                .into()),
            };
        }
        let Value::Object(shown) = entry.to_visible_json() else {
            return Err(not_an_entry(&key, RowError::NotJson));
        };
        let carried = shown
            .into_iter()
            .filter(|(name, _)| CARRIED.contains(&name.as_str()));
        let mut all: Map<_, _> = carried.collect();
        all.insert("_schemaVersion".to_owned(), SCHEMA.into());
        all.insert("sentAt".to_owned(), self.0.now_ms().into());
        let lamport = edit.next_lamport(KIND, None)?;
        all.insert("lamport".to_owned(), lamport.get().into());
        let sent: SentEntry = read(all).map_err(|error| not_an_entry(&key, error))?;
        let text = write(&key, &sent)?;
        edit.put(&key, &text)?;
        Ok(sent)
    }

    /// Notes that the last proof of a transfer was attached. The first time counts.
    ///
    /// # Errors
    /// [`CollectionError::NotFound`], [`CollectionError::Tombstoned`]; those of a commit.
    pub fn attach_proof(&self, id: &str) -> Result<SentEntry, Error> {
        let key = KIND.key(self.0.wallet.address(), id)?;
        self.0.edit(|edit| {
            let mut entry: SentEntry = edit.live(KIND, id, &key)?;
            if entry.proof_attached_at.is_none() {
                let text = edit.text(&key)?;
                entry.lamport = edit.next_lamport(KIND, text.as_deref())?.get();
                entry.proof_attached_at = Some(self.0.now_ms());
                let text = write(&key, &entry)?;
                edit.put(&key, &text)?;
            }
            Ok(entry)
        })
    }

    /// A transfer; `None` if there is none or it was deleted.
    ///
    /// # Errors
    /// [`CollectionError::Row`]; those of reading.
    pub fn get(&self, id: &str) -> Result<Option<SentEntry>, Error> {
        self.0.get_entry(KIND, id)
    }

    /// All transfers that were not deleted.
    ///
    /// # Errors
    /// Those of reading.
    pub fn list(&self) -> Result<Listed<SentEntry>, Error> {
        self.0.list_typed(KIND)
    }

    /// The transfers with which a token left. All entries are read for it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of_token(&self, token_id: &str) -> Result<Vec<SentEntry>, Error> {
        let listed = self.list()?.entries.into_iter();
        let has = |entry: &SentEntry| entry.token_ids.iter().any(|id| id == token_id);
        Ok(listed.filter(has).collect())
    }

    /// Deletes a transfer, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn delete(&self, id: &str) -> Result<bool, Error> {
        let key = KIND.key(self.0.wallet.address(), id)?;
        self.0.edit(|edit| {
            let Some(text) = edit.text(&key)? else {
                return Ok(false);
            };
            if matches!(Row::parse(&text), Ok(Row::Deleted(_))) {
                return Ok(false);
            }
            let lamport = edit.next_lamport(KIND, Some(&text))?;
            edit.put(&key, &deleted(self.0.now_ms(), Some(lamport)))?;
            Ok(true)
        })
    }
}

use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::edit::Edit;
use super::row::{Listed, Row, SCHEMA, not_an_entry};
use super::sent::SentEntry;
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;
use crate::profile::ProfileError;
use crate::profile::merge::{
    OutboxEntry, OutboxRow, OutboxShape, OutboxStatus, OutboxTombstone, RowError,
};

const KIND: CollectionKind = CollectionKind::Outbox;

/// How the recipient gets the tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryMethod {
    /// As an archive in the message.
    #[default]
    CarOverNostr,
    /// By the id of a bundle, which the recipient fetches.
    CidOverNostr,
    /// As token JSON.
    TxfLegacy,
}

/// Which of the ways to transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferMode {
    /// With all proofs.
    #[default]
    Conservative,
    /// At once; the proofs come later.
    Instant,
    /// As before there were bundles.
    Txf,
}

/// A transfer that begins: what it sends, to whom and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OutboxDraft {
    /// Id of the transfer: a name drawn for it.
    pub id: String,
    /// The bundle that is sent.
    pub bundle_cid: String,
    /// The tokens that are sent.
    pub token_ids: Vec<String>,
    /// The tokens they were made from, which are free again if the transfer fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_token_ids: Vec<String>,
    /// How the recipient gets them.
    pub delivery_method: DeliveryMethod,
    /// Who gets them.
    pub recipient: String,
    /// The recipient's key on the transport.
    pub recipient_transport_pubkey: String,
    /// The recipient's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient_nametag: Option<String>,
    /// Which of the ways to transfer.
    pub mode: TransferMode,
    /// What is said with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

impl OutboxDraft {
    /// A transfer with all proofs, as an archive in the message.
    pub fn new<'t>(
        id: &str,
        bundle_cid: &str,
        token_ids: impl IntoIterator<Item = &'t str>,
        recipient: &str,
        recipient_transport_pubkey: &str,
    ) -> Self {
        Self {
            id: id.to_owned(),
            bundle_cid: bundle_cid.to_owned(),
            token_ids: token_ids.into_iter().map(str::to_owned).collect(),
            source_token_ids: Vec::new(),
            delivery_method: DeliveryMethod::default(),
            recipient: recipient.to_owned(),
            recipient_transport_pubkey: recipient_transport_pubkey.to_owned(),
            recipient_nametag: None,
            mode: TransferMode::default(),
            memo: None,
        }
    }

    /// Delivers in another way.
    #[must_use]
    pub fn delivery(mut self, method: DeliveryMethod, mode: TransferMode) -> Self {
        (self.delivery_method, self.mode) = (method, mode);
        self
    }

    /// Says what the tokens were made from.
    #[must_use]
    pub fn source_tokens<'t>(mut self, token_ids: impl IntoIterator<Item = &'t str>) -> Self {
        self.source_token_ids = token_ids.into_iter().map(str::to_owned).collect();
        self
    }

    /// Says something with it.
    #[must_use]
    pub fn memo(mut self, memo: &str) -> Self {
        self.memo = Some(memo.to_owned());
        self
    }

    /// Names the recipient.
    #[must_use]
    pub fn recipient_nametag(mut self, nametag: &str) -> Self {
        self.recipient_nametag = Some(nametag.to_owned());
        self
    }

    fn fields(&self, key: &str) -> Result<Map<String, Value>, Error> {
        match serde_json::to_value(self) {
            Ok(Value::Object(all)) => Ok(all),
            Ok(_) => Err(not_an_entry(key, RowError::NotJson)),
            Err(source) => Err(ProfileError::Type {
                key: key.to_owned(),
                source,
            }
            .into()),
        }
    }
}

/// Transfers on their way out, each in one of the states of [`OutboxStatus`].
#[derive(Clone, Copy)]
pub struct Outbox<'c>(pub(super) &'c Collections);

impl fmt::Debug for Outbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox<'_> {
    /// Begins a transfer, in `packaging`. Beginning the same one again changes nothing, so that it can be repeated when it
    /// is not known whether it was done.
    ///
    /// # Errors
    /// [`CollectionError::Exists`] for another transfer of this id, [`CollectionError::Tombstoned`] for one that was
    /// deleted; those of a commit.
    pub fn put(&self, draft: &OutboxDraft) -> Result<OutboxEntry, Error> {
        self.begin(draft, false)
    }

    /// Begins a transfer although one of this id was deleted.
    ///
    /// # Errors
    /// Those of [`put`](Self::put), but for the deleted one.
    pub fn put_again(&self, draft: &OutboxDraft) -> Result<OutboxEntry, Error> {
        self.begin(draft, true)
    }

    fn begin(self, draft: &OutboxDraft, is_revived: bool) -> Result<OutboxEntry, Error> {
        let key = self.key(&draft.id)?;
        self.0.edit(|edit| {
            let text = edit.text(&key)?;
            let (collection, id) = (KIND, draft.id.clone());
            if let Some(text) = &text {
                let row = read_row(&key, &draft.id, text)?;
                if let Some(entry) = row.entry() {
                    let shown = entry.to_visible_json();
                    let fields = draft.fields(&key)?;
                    let is_same = |(name, value): (&String, &Value)| shown.get(name) == Some(value);
                    return if fields.iter().all(is_same) {
                        Ok(entry.clone())
                    } else {
                        Err(CollectionError::Exists { collection, id }.into())
                    };
                }
                if !is_revived {
                    return Err(CollectionError::Tombstoned { collection, id }.into());
                }
            }
            let lamport = edit.next_lamport(KIND, text.as_deref())?;
            let now = self.0.now_ms();
            let mut all = draft.fields(&key)?;
            let stamps = json!({
                "_schemaVersion": SCHEMA,
                "status": OutboxStatus::Packaging.as_str(),
                "createdAt": now,
                "updatedAt": now,
                "lamport": lamport.get(),
                "submitRetryCount": 0,
                "proofErrorCount": 0,
            });
            all.extend(stamps.as_object().cloned().unwrap_or_default());
            let entry = OutboxEntry::parse(&Value::Object(all).to_string())
                .map_err(|error| not_an_entry(&key, error))?;
            edit.put(&key, &OutboxRow::live(entry.clone()).format())?;
            Ok(entry)
        })
    }

    /// Moves a transfer on.
    ///
    /// # Errors
    /// [`CollectionError::NotFound`], [`CollectionError::Tombstoned`], [`CollectionError::Update`] if the state machine
    /// has no such arc; those of a commit.
    pub fn advance(&self, id: &str, to: OutboxStatus) -> Result<OutboxEntry, Error> {
        self.change(id, false, |all| {
            all.insert("status".to_owned(), to.as_str().into());
        })
    }

    /// Moves a transfer on because an operator says so, which opens two arcs more.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub fn advance_with_override(&self, id: &str, to: OutboxStatus) -> Result<OutboxEntry, Error> {
        self.change(id, true, |all| {
            all.insert("status".to_owned(), to.as_str().into());
        })
    }

    /// Changes fields of a transfer, as the reference names them. Numbers that only grow do not shrink, and a field that is
    /// taken out stays; the id, the number and the time are not the caller's.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub fn update(
        &self,
        id: &str,
        change: impl FnMut(&mut Map<String, Value>),
    ) -> Result<OutboxEntry, Error> {
        self.change(id, false, change)
    }

    fn change(
        self,
        id: &str,
        with_override: bool,
        mut change: impl FnMut(&mut Map<String, Value>),
    ) -> Result<OutboxEntry, Error> {
        self.0
            .edit(|edit| self.edit_entry(edit, id, with_override, &mut change))
    }

    fn edit_entry(
        self,
        edit: &mut Edit<'_>,
        id: &str,
        with_override: bool,
        change: &mut dyn FnMut(&mut Map<String, Value>),
    ) -> Result<OutboxEntry, Error> {
        let key = self.key(id)?;
        let (text, entry) = live(edit, &key, id)?;
        let lamport = edit.next_lamport(KIND, Some(&text))?;
        let entry = entry
            .updated(with_override, lamport, self.0.now_ms(), change)
            .map_err(CollectionError::from)?;
        edit.put(&key, &OutboxRow::live(entry.clone()).format())?;
        Ok(entry)
    }

    /// Moves a transfer on and enters it into the sent ledger, in one commit, so that no crash has it sent again or its
    /// entry missing. One that is in the ledger stays there as it is.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub fn advance_and_record(
        &self,
        id: &str,
        to: OutboxStatus,
    ) -> Result<(OutboxEntry, SentEntry), Error> {
        self.0.edit(|edit| {
            let mut set = |all: &mut Map<String, Value>| {
                all.insert("status".to_owned(), to.as_str().into());
            };
            let entry = self.edit_entry(edit, id, false, &mut set)?;
            let sent = self.0.sent().enter(edit, &entry)?;
            Ok((entry, sent))
        })
    }

    /// A transfer; `None` if there is none or it was deleted.
    ///
    /// # Errors
    /// [`CollectionError::Row`]; those of reading.
    pub fn get(&self, id: &str) -> Result<Option<OutboxEntry>, Error> {
        let key = self.key(id)?;
        let Some(value) = self.0.wallet.profile().get(&key)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(value.as_bytes());
        Ok(read_row(&key, id, &text)?.entry().cloned())
    }

    /// All transfers that were not deleted.
    ///
    /// # Errors
    /// Those of reading.
    pub fn list(&self) -> Result<Listed<OutboxEntry>, Error> {
        self.0.list_entries(KIND, |id, text| {
            let row = OutboxRow::parse(text)?;
            match row.id() {
                Some(own) if own != id => Err(RowError::Field { field: "id" }),
                _ => Ok(row.entry().cloned()),
            }
        })
    }

    /// Deletes a transfer, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn delete(&self, id: &str) -> Result<bool, Error> {
        let key = self.key(id)?;
        self.0.edit(|edit| {
            let Some(text) = edit.text(&key)? else {
                return Ok(false);
            };
            if matches!(Row::parse(&text), Ok(Row::Deleted(_))) {
                return Ok(false);
            }
            let tombstone = OutboxTombstone {
                lamport: edit.next_lamport(KIND, Some(&text))?,
                deleted_at_ms: self.0.now_ms(),
            };
            edit.put(&key, &OutboxRow::deleted(tombstone).format())?;
            Ok(true)
        })
    }

    fn key(self, id: &str) -> Result<String, Error> {
        Ok(KIND.key(self.0.wallet.address(), id)?)
    }
}

fn read_row(key: &str, id: &str, text: &str) -> Result<OutboxRow, Error> {
    let row = OutboxRow::parse(text).map_err(|error| not_an_entry(key, error))?;
    match row.id() {
        Some(own) if own != id => Err(not_an_entry(key, RowError::Field { field: "id" })),
        _ => Ok(row),
    }
}

fn live(edit: &mut Edit<'_>, key: &str, id: &str) -> Result<(String, OutboxEntry), Error> {
    let (collection, id) = (KIND, id.to_owned());
    let Some(text) = edit.text(key)? else {
        return Err(CollectionError::NotFound { collection, id }.into());
    };
    match read_row(key, &id, &text)?.entry().cloned() {
        Some(entry) => Ok((text, entry)),
        None => Err(CollectionError::Tombstoned { collection, id }.into()),
    }
}

/// Whether a row is one of the old shape.
pub(super) fn is_of_old_shape(text: &str) -> bool {
    let value = serde_json::from_str::<Value>(text);
    value.is_ok_and(|value| OutboxShape::of(&value) == OutboxShape::Legacy)
}

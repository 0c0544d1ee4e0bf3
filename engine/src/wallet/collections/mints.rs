use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::row::{Listed, SCHEMA};
use super::{CollectionKind, Collections};
use crate::error::Error;

const KIND: CollectionKind = CollectionKind::MintOutbox;

/// A mint that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PendingMint {
    #[serde(rename = "_schemaVersion", default = "schema")]
    schema: String,
    /// The token that it makes.
    pub token_id: String,
    /// When it was begun, in milliseconds since 1970.
    #[serde(default)]
    pub created_at: u64,
    /// What is needed to go on with it, as the application knows it.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

fn schema() -> String {
    SCHEMA.to_owned()
}

impl PendingMint {
    /// A mint, and what is needed to go on with it.
    pub fn new(token_id: &str, created_at_ms: u64, details: Map<String, Value>) -> Self {
        Self {
            schema: schema(),
            token_id: token_id.to_owned(),
            created_at: created_at_ms,
            details,
        }
    }
}

/// Mints under way, written before they are submitted.
#[derive(Clone, Copy)]
pub struct MintOutbox<'c>(pub(super) &'c Collections);

impl fmt::Debug for MintOutbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MintOutbox")
    }
}

impl MintOutbox<'_> {
    /// Puts a mint. The same again changes nothing.
    ///
    /// # Errors
    /// [`Exists`](super::CollectionError::Exists) for another one of this token,
    /// [`Tombstoned`](super::CollectionError::Tombstoned) for one that was removed; those of a commit.
    pub fn put(&self, mint: &PendingMint) -> Result<(), Error> {
        self.0.put_entry(KIND, &mint.token_id, mint)
    }

    /// Changes what is needed to go on with a mint.
    ///
    /// # Errors
    /// [`NotFound`](super::CollectionError::NotFound), [`Tombstoned`](super::CollectionError::Tombstoned); those of a
    /// commit.
    pub fn update(
        &self,
        token_id: &str,
        mut change: impl FnMut(&mut Map<String, Value>),
    ) -> Result<PendingMint, Error> {
        self.0
            .update_entry(KIND, token_id, |mint: &mut PendingMint| {
                change(&mut mint.details);
                for own in ["_schemaVersion", "tokenId", "createdAt"] {
                    mint.details.shift_remove(own);
                }
                Ok(())
            })
    }

    /// A mint; `None` if there is none or it was removed.
    ///
    /// # Errors
    /// [`Row`](super::CollectionError::Row); those of reading.
    pub fn get(&self, token_id: &str) -> Result<Option<PendingMint>, Error> {
        self.0.get_entry(KIND, token_id)
    }

    /// All mints that were not removed.
    ///
    /// # Errors
    /// Those of reading.
    pub fn list(&self) -> Result<Listed<PendingMint>, Error> {
        self.0.list_typed(KIND)
    }

    /// Removes a mint that is done or given up, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn remove(&self, token_id: &str) -> Result<bool, Error> {
        self.0.delete_entry(KIND, token_id)
    }
}

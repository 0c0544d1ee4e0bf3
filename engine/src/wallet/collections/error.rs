use thiserror::Error;

use super::CollectionKind;
use crate::profile::envelope::LamportError;
use crate::profile::merge::{OutboxUpdateError, RowError, TransitionError};

/// Why an entry of a collection was not written. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// An id that is empty, longer than 256 bytes, or like a part of a key.
    #[error("an id of {} has 1 to 256 bytes and is not like a part of a key", collection.as_str())]
    Id {
        /// The collection.
        collection: CollectionKind,
    },
    /// There is no such entry.
    #[error("{} has no entry {id}", collection.as_str())]
    NotFound {
        /// The collection.
        collection: CollectionKind,
        /// Id of the entry.
        id: String,
    },
    /// The entry was deleted, and a late write must not bring it back.
    #[error("the entry {id} of {} was deleted", collection.as_str())]
    Tombstoned {
        /// The collection.
        collection: CollectionKind,
        /// Id of the entry.
        id: String,
    },
    /// There is another entry of this id already.
    #[error("{} has another entry {id} already", collection.as_str())]
    Exists {
        /// The collection.
        collection: CollectionKind,
        /// Id of the entry.
        id: String,
    },
    /// What stands under the key is no entry, or the entry that was to be written is none.
    #[error("{key} has something else than an entry")]
    Row {
        /// The key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: RowError,
    },
    /// The entry cannot be changed so.
    #[error(transparent)]
    Update(#[from] OutboxUpdateError),
    /// The writes of the collection cannot be numbered any more.
    #[error(transparent)]
    Lamport(#[from] LamportError),
    /// Polling did not begin then: it begins at most five minutes before the entry was made, and not in the future.
    #[error("polling cannot have begun at {found}; from {earliest} to {latest} it can")]
    PollStart {
        /// What was given, in milliseconds since 1970.
        found: u64,
        /// The earliest time that is believed.
        earliest: u64,
        /// The latest.
        latest: u64,
    },
    /// The wallet does not show the token, so it cannot count.
    #[error("the wallet does not have token {token_id}")]
    NotHeld {
        /// The token.
        token_id: String,
    },
    /// Another root of the token counts by now.
    #[error("token {token_id} is at {found} and not at {expected}")]
    RootChanged {
        /// The token.
        token_id: String,
        /// The root that was expected.
        expected: String,
        /// The root that counts.
        found: String,
    },
}

impl CollectionError {
    /// The code of the reference where it has one, else the name of the variant in the same manner.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Id { .. } => "ENTRY_ID",
            Self::NotFound {
                collection: CollectionKind::Outbox,
                ..
            } => "OUTBOX_ENTRY_NOT_FOUND",
            Self::NotFound { .. } => "ENTRY_NOT_FOUND",
            Self::Tombstoned {
                collection: CollectionKind::Outbox,
                ..
            } => "OUTBOX_ENTRY_TOMBSTONED",
            Self::Tombstoned { .. } => "ENTRY_TOMBSTONED",
            Self::Exists { .. } => "ENTRY_EXISTS",
            Self::Row { .. } => "NOT_AN_ENTRY",
            Self::Update(OutboxUpdateError::Transition(error)) => error.code(),
            Self::Update(_) => "ENTRY_UPDATE",
            Self::Lamport(error) => error.code(),
            Self::PollStart { .. } => "POLL_START",
            Self::NotHeld { .. } => "TOKEN_NOT_HELD",
            Self::RootChanged { .. } => "CAS_MISMATCH",
        }
    }
}

impl From<TransitionError> for CollectionError {
    fn from(error: TransitionError) -> Self {
        Self::Update(error.into())
    }
}

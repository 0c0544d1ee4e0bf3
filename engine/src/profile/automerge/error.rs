use automerge::ActorId;
use thiserror::Error;

use crate::error::Error;
use crate::oplog::identity::{IdentityError, LogId};
use crate::oplog::{CheckpointError, CommitError, DeltaError, ForkProofError};
use crate::profile::ProfileError;

/// What went wrong between a profile and an Automerge document.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AutomergeError {
    /// Longer than a document may be.
    #[error("a document of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// What Automerge says: the bytes are no document, for one.
    #[error("Automerge refuses it")]
    Document(#[from] Box<automerge::AutomergeError>),
    /// Automerge panicked over it.
    #[error("Automerge cannot cope with this document")]
    Panicked,
    /// The root has no map of this name.
    #[error("the document has no map `{name}` in its root")]
    NoMap {
        /// The name.
        name: &'static str,
    },
    /// More values than are imported at once.
    #[error("a document of {found} values, the most is {limit}")]
    ValueCount {
        /// How many there are.
        found: usize,
        /// The cap.
        limit: usize,
    },
    /// A value is neither bytes nor text nor null.
    #[error("the value of {key} is neither bytes nor text nor null")]
    ValueType {
        /// The key.
        key: String,
    },
    /// A key belongs to a class that stays on each device: a document has nothing to say about it.
    #[error("{key} stays on this device; no document may set it")]
    LocalKey {
        /// The key.
        key: String,
    },
    /// The extra bytes of a change start as ours do and are not whole.
    #[error("the extra bytes of a change of {actor} cannot be read")]
    Extra {
        /// The actor.
        actor: ActorId,
        /// Why.
        #[source]
        source: Box<DeltaError>,
    },
    /// The extra bytes of a change have not one commit or checkpoint, or have what does not belong to it.
    #[error("the extra bytes of a change of {actor} are not those of one commit or checkpoint")]
    Records {
        /// The actor.
        actor: ActorId,
    },
    /// A commit stands in a change of another actor than its log.
    #[error("a commit of {log:?} stands in a change of {actor}")]
    OtherActor {
        /// The log.
        log: LogId,
        /// The actor.
        actor: ActorId,
    },
    /// Changes carry records of different profiles.
    #[error("the document carries records of more than one profile")]
    OtherProfile,
    /// The commits of a log are not one chain.
    #[error("the commits of {log:?} do not follow each other at operation {seq}")]
    Chain {
        /// The log.
        log: LogId,
        /// The first sequence number of the commit that does not follow.
        seq: u64,
    },
    /// A commit is none, or its signature is wrong.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A checkpoint is none, its signature is wrong, or its segments are others.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A certificate or revocation is none, or the profile has not signed it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What is to prove a fork does not.
    #[error(transparent)]
    Fork(#[from] ForkProofError),
}

impl From<automerge::AutomergeError> for AutomergeError {
    fn from(error: automerge::AutomergeError) -> Self {
        Self::Document(Box::new(error))
    }
}

impl From<AutomergeError> for Error {
    fn from(error: AutomergeError) -> Self {
        ProfileError::from(error).into()
    }
}

use thiserror::Error;

use super::sealed::{OpenError, ProfileKeyError, SealError};
use crate::oplog::identity::{DeviceId, IdentityError, LogId};
use crate::oplog::{
    CheckpointError, ClockError, CommitError, DeltaError, ForkProofError, LogError, ProofError,
    SegmentError,
};

/// What went wrong with a profile. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The store has no profile of that wallet.
    #[error("the store has no profile of this wallet; create it first")]
    NotFound,
    /// The wallet secret is no private key.
    #[error(transparent)]
    Secret(#[from] ProfileKeyError),
    /// What arrived belongs to another profile.
    #[error("this is of another profile")]
    OtherProfile,
    /// A key is empty or too long.
    #[error("a key of {found} bytes, it may have 1 to {limit}")]
    KeyLength {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// A value is too long.
    #[error("a value of {found} bytes, the most is {limit}")]
    ValueLength {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// The key belongs to a class whose values are merged, and the rule of the class cannot read this one.
    #[error("the values of {key} are merged, and this is none that the rule for them can read")]
    Unmergeable {
        /// The key.
        key: String,
    },
    /// A key is not what the batch expected it to be.
    #[error("{key} was changed by somebody else meanwhile")]
    Conflict {
        /// The key.
        key: String,
    },
    /// A value was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A value does not open. Its bytes were signed by a device of the profile, but not sealed for this place.
    #[error("the value of {key} cannot be opened")]
    Open {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// A value cannot be read as the type asked for.
    #[error("the value of {key} is not of the type asked for")]
    Type {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There are no later times.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Bytes that are no commit, or one whose signature is wrong.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A commit that does not fit into its log.
    #[error("a commit of the log {log:?} is refused")]
    Log {
        /// The log.
        log: LogId,
        /// Why. After [`LogError::Equivocation`] the evidence is stored and the log marked as forked.
        #[source]
        source: Box<LogError>,
    },
    /// A checkpoint that is none, or whose segments are not those it was signed for.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Bytes that are no segment of a checkpoint.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// What came as an operation with its proof is none, or proves nothing.
    #[error(transparent)]
    Alone(#[from] ProofError),
    /// Two commits that were to prove a fork do not.
    #[error(transparent)]
    Fork(#[from] ForkProofError),
    /// A delta file that is damaged, cut off or none, or that could not be read or written.
    #[error(transparent)]
    DeltaFile(#[from] DeltaError),
    /// A certificate or a revocation that is not to be believed.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A device wrote that the profile's key has not certified.
    #[error("the device {device:?} has no certificate of this profile")]
    Uncertified {
        /// The device.
        device: DeviceId,
    },
    /// A device wrote after its end.
    #[error("the device of {log:?} was revoked before its operation {seq}")]
    Revoked {
        /// The log.
        log: LogId,
        /// The first refused sequence number of the commit.
        seq: u64,
    },
    /// A device is no member any more.
    #[error("the device {device:?} was revoked")]
    RevokedDevice {
        /// The device.
        device: DeviceId,
    },
    /// More devices, logs or statements than a profile may have, or more parked commits than are kept.
    #[error("{what}: {found} is over the limit of {limit}")]
    LimitExceeded {
        /// What is too many, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What there would be.
        found: u64,
    },
    /// The values of commits that were asked for are not kept any more: they were compacted away.
    #[error("operations of {log:?} from {seq} on were compacted away; ask for the checkpoint")]
    Compacted {
        /// The log.
        log: LogId,
        /// The first sequence number asked for.
        seq: u64,
    },
    /// What is here of a log and what came do not come to the checkpoint that its device signed: it has to be had whole. Who
    /// sent the rest may have lied, or this store knows something else of the log than the device did.
    #[error(
        "what is here of {log:?} and what came is not its checkpoint; ask for the checkpoint whole"
    )]
    NotCaughtUp {
        /// The log.
        log: LogId,
        /// What differs.
        #[source]
        source: CheckpointError,
    },
    /// Meanwhile another checkpoint of the log was taken in.
    #[error("{log:?} has another checkpoint since; begin anew")]
    Superseded {
        /// The log.
        log: LogId,
    },
    /// An operation that counts here cannot be proven: its commit is gone, and the device has since signed a checkpoint
    /// without it, because it knows of a later one.
    #[error(
        "the operation {seq} of {log:?} is in no checkpoint that is kept; ask for what came after it"
    )]
    Unproven {
        /// The log.
        log: LogId,
        /// The operation's sequence number.
        seq: u64,
    },
    /// What went wrong with an Automerge document.
    #[cfg(feature = "automerge")]
    #[error(transparent)]
    Automerge(#[from] super::automerge::AutomergeError),
}

impl ProfileError {
    /// The code of the reference where it has one, else the name of the variant in the same manner.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "PROFILE_NOT_FOUND",
            Self::Secret(_) => "INVALID_SECRET",
            Self::OtherProfile => "OTHER_PROFILE",
            Self::KeyLength { .. } => "KEY_LENGTH",
            Self::ValueLength { .. } => "VALUE_LENGTH",
            Self::Unmergeable { .. } => "UNMERGEABLE",
            Self::Conflict { .. } => "CONFLICT",
            Self::Seal(error) => error.code(),
            Self::Open { source, .. } => source.code(),
            Self::Type { .. } => "VALUE_TYPE",
            Self::Clock(_) => "CLOCK",
            Self::Commit(_) => "COMMIT",
            Self::Log { .. } => "LOG",
            Self::Checkpoint(_) | Self::Segment(_) => "CHECKPOINT",
            Self::Alone(_) => "OPERATION_PROOF",
            Self::Fork(_) => "FORK_PROOF",
            Self::DeltaFile(_) => "DELTA_FILE",
            Self::Identity(_) => "IDENTITY",
            Self::Uncertified { .. } => "UNCERTIFIED",
            Self::Revoked { .. } | Self::RevokedDevice { .. } => "REVOKED",
            Self::LimitExceeded { .. } => "LIMIT_EXCEEDED",
            Self::Compacted { .. } => "COMPACTED",
            Self::NotCaughtUp { .. } => "NOT_CAUGHT_UP",
            Self::Superseded { .. } => "SUPERSEDED",
            Self::Unproven { .. } => "UNPROVEN",
            #[cfg(feature = "automerge")]
            Self::Automerge(_) => "AUTOMERGE",
        }
    }
}

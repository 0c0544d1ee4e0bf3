use thiserror::Error;
use uxf_engine::Error as EngineError;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Commit, LogError, LogHead, SignedCheckpoint, VersionVector};
use uxf_engine::profile::{Delta, Profile, ProfileError};

/// What one replica gives another.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The delta.
    pub delta: Delta,
    /// How far each of its logs is known to who takes it in.
    pub heads: Vec<LogHead>,
}

/// What taking in a delta did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Commits and checkpoints that were new.
    pub new: u64,
    /// Commits that were there already.
    pub known: u64,
    /// Commits that wait for their time.
    pub parked: u64,
}

/// Why a history did not give or take.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// What was asked for is not kept any more.
    #[error("operations of {log:?} from {seq} on are not kept")]
    Compacted {
        /// The log.
        log: LogId,
        /// The first operation that was asked for.
        seq: u64,
    },
    /// Something between what is here and what came is missing.
    #[error("something of {log:?} before it is missing")]
    Gap {
        /// The log.
        log: LogId,
    },
    /// A commit that does not follow what is here; where two histories part is not shown by it.
    #[error("a commit of {log:?} follows another history")]
    Contradicts {
        /// The log.
        log: LogId,
    },
    /// A commit that proves two histories; the proof is kept now.
    #[error("{log:?} has two histories")]
    Equivocation {
        /// The log.
        log: LogId,
    },
    /// Nothing more is taken of this log: its device wrote two histories, or was revoked.
    #[error("nothing more of {log:?} is taken")]
    Refused {
        /// The log.
        log: LogId,
    },
    /// Something that no honest replica gives.
    #[error("what came does not verify")]
    Forged,
    /// There is no room, or a part was missing; later it may be taken.
    #[error("what came cannot be taken now")]
    NotNow,
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The history of a profile, as far as synchronising needs it.
pub trait History {
    /// How far each log is known.
    ///
    /// # Errors
    /// [`HistoryError::Store`].
    fn version_vector(&self) -> Result<VersionVector, HistoryError>;

    /// All statements, and what a replica with that version vector lacks, up to so many bytes of commits; at least one
    /// commit, if there is one. What was cut off is marked partial and continues with the next call.
    ///
    /// # Errors
    /// [`HistoryError::Compacted`], [`HistoryError::Store`].
    fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Given, HistoryError>;

    /// Takes in a delta, all of it or nothing.
    ///
    /// # Errors
    /// All of [`HistoryError`] but `Compacted`.
    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError>;
}

impl History for Profile {
    fn version_vector(&self) -> Result<VersionVector, HistoryError> {
        Ok(Self::version_vector(self)?)
    }

    fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Given, HistoryError> {
        let delta = Self::delta_for(self, theirs, bytes_max)?;
        let damaged = |error| HistoryError::Store(Box::new(error));
        let mut heads: Vec<LogHead> = Vec::new();
        for parts in &delta.checkpoints {
            let signed = SignedCheckpoint::decode(&parts.signed);
            heads.push(
                signed
                    .map_err(|error| damaged(ProfileError::from(error)))?
                    .header()
                    .log_head(),
            );
        }
        for bytes in &delta.commits {
            let commit =
                Commit::decode(bytes).map_err(|error| damaged(ProfileError::from(error)))?;
            let header = commit.header();
            // Commits of one log stand together and in order: only the last one matters.
            if heads.last().is_none_or(|last| last.log != header.log) {
                heads.push(LogHead::empty(header.log));
            }
            if let Some(last) = heads.last_mut() {
                last.advance(header, commit.id());
            }
        }
        Ok(Given { delta, heads })
    }

    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError> {
        let outcome = Self::ingest(self, delta)?;
        Ok(Taken {
            new: outcome.applied + outcome.checkpoints,
            known: outcome.known,
            parked: outcome.parked,
        })
    }
}

impl From<EngineError> for HistoryError {
    fn from(error: EngineError) -> Self {
        let profile = match error {
            EngineError::Profile(error) => error,
            EngineError::NotOpaque { .. } | EngineError::Codec(_) => return Self::Forged,
            EngineError::MissingElement { .. } | EngineError::LimitExceeded { .. } => {
                return Self::NotNow;
            }
            error => return Self::Store(Box::new(error)),
        };
        match profile {
            ProfileError::Compacted { log, seq } => Self::Compacted { log, seq },
            ProfileError::Revoked { log, .. } => Self::Refused { log },
            ProfileError::Log { log, source } => match *source {
                LogError::Gap { .. } => Self::Gap { log },
                LogError::Equivocation { .. } => Self::Equivocation { log },
                LogError::Forked => Self::Refused { log },
                _ => Self::Contradicts { log },
            },
            ProfileError::Commit(_)
            | ProfileError::Checkpoint(_)
            | ProfileError::Segment(_)
            | ProfileError::Fork(_)
            | ProfileError::Identity(_)
            | ProfileError::OtherProfile
            | ProfileError::Uncertified { .. } => Self::Forged,
            ProfileError::LimitExceeded { .. } => Self::NotNow,
            error => Self::Store(Box::new(error)),
        }
    }
}

use std::collections::BTreeSet;

use thiserror::Error;
use uxf_engine::Error as EngineError;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointId, Commit, LogError, LogHead, SignedCheckpoint, VersionVector};
use uxf_engine::profile::{
    CaughtUp, Delta, IngestOutcome, OwnEntries, Profile, ProfileError, Whole,
};

use super::catch_up;
use crate::reconcile::Answer;
use crate::wire::RangeEntry;

/// What one replica gives another.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The delta.
    pub delta: Delta,
    /// How far each of its logs is known to who takes it in.
    pub heads: Vec<LogHead>,
    /// Checkpoints of which it has only the headers: of their logs there is nothing in it.
    pub offered: Vec<SignedCheckpoint>,
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

    /// The same, but checkpoints that are not to be given whole are offered. Who cannot catch up gives all of them whole.
    ///
    /// # Errors
    /// Those of [`delta_for`](Self::delta_for).
    fn delta_offering(
        &self,
        theirs: &VersionVector,
        bytes_max: usize,
        _whole: &Whole,
    ) -> Result<Given, HistoryError> {
        self.delta_for(theirs, bytes_max)
    }

    /// What there is of a log that a signed checkpoint may have, and with what to begin to compare; `None` if the checkpoint
    /// brings nothing, or nothing can be caught up with here.
    ///
    /// # Errors
    /// [`HistoryError::Forged`], [`HistoryError::Refused`], [`HistoryError::Store`].
    fn begin_catch_up(
        &self,
        _signed: &[u8],
    ) -> Result<Option<(OwnEntries, Vec<RangeEntry>)>, HistoryError> {
        Ok(None)
    }

    /// Which of the operations that are here a checkpoint has not, by what was said of it, and what is to be asked further.
    ///
    /// # Errors
    /// [`HistoryError::NotNow`], [`HistoryError::Store`].
    fn compare_own(
        &self,
        _own: &OwnEntries,
        _ranges: &[RangeEntry],
    ) -> Result<(BTreeSet<u64>, Vec<RangeEntry>), HistoryError> {
        Err(HistoryError::NotNow)
    }

    /// Takes in a checkpoint that was caught up with.
    ///
    /// # Errors
    /// [`HistoryError::NotNow`] if what came is not all of it; those of [`ingest`](Self::ingest).
    fn adopt(&self, _caught_up: CaughtUp) -> Result<Taken, HistoryError> {
        Err(HistoryError::NotNow)
    }

    /// What a checkpoint of a log has in ranges, as entries and what there is to say; `None` if there is no such checkpoint.
    ///
    /// # Errors
    /// [`HistoryError::Store`].
    fn answer_entries(
        &self,
        _log: LogId,
        _checkpoint: CheckpointId,
        _ranges: &[RangeEntry],
    ) -> Result<Option<Answer>, HistoryError> {
        Ok(None)
    }

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
        given(Self::delta_for(self, theirs, bytes_max)?, &[])
    }

    fn delta_offering(
        &self,
        theirs: &VersionVector,
        bytes_max: usize,
        whole: &Whole,
    ) -> Result<Given, HistoryError> {
        let (delta, offered) = Self::delta_offering(self, theirs, bytes_max, whole)?;
        given(delta, &offered)
    }

    fn begin_catch_up(
        &self,
        signed: &[u8],
    ) -> Result<Option<(OwnEntries, Vec<RangeEntry>)>, HistoryError> {
        catch_up::begin(self, signed)
    }

    fn compare_own(
        &self,
        own: &OwnEntries,
        ranges: &[RangeEntry],
    ) -> Result<(BTreeSet<u64>, Vec<RangeEntry>), HistoryError> {
        catch_up::compare(self, own, ranges)
    }

    fn adopt(&self, caught_up: CaughtUp) -> Result<Taken, HistoryError> {
        Ok(taken(&self.adopt_checkpoint(caught_up)?))
    }

    fn answer_entries(
        &self,
        log: LogId,
        checkpoint: CheckpointId,
        ranges: &[RangeEntry],
    ) -> Result<Option<Answer>, HistoryError> {
        catch_up::answer_about(self, (log, checkpoint), ranges)
    }

    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError> {
        Ok(taken(&Self::ingest(self, delta)?))
    }
}

const fn taken(outcome: &IngestOutcome) -> Taken {
    Taken {
        new: outcome.applied + outcome.checkpoints,
        known: outcome.known,
        parked: outcome.parked,
    }
}

fn given(delta: Delta, offered: &[Vec<u8>]) -> Result<Given, HistoryError> {
    let damaged = |error| HistoryError::Store(Box::new(error));
    let signed = |bytes: &Vec<u8>| {
        let signed = SignedCheckpoint::decode(bytes);
        signed.map_err(|error| damaged(ProfileError::from(error)))
    };
    let mut heads: Vec<LogHead> = Vec::new();
    for parts in &delta.checkpoints {
        heads.push(signed(&parts.signed)?.header().log_head());
    }
    for bytes in &delta.commits {
        let commit = Commit::decode(bytes).map_err(|error| damaged(ProfileError::from(error)))?;
        let header = commit.header();
        // Commits of one log stand together and in order: only the last one matters.
        if heads.last().is_none_or(|last| last.log != header.log) {
            heads.push(LogHead::empty(header.log));
        }
        if let Some(last) = heads.last_mut() {
            last.advance(header, commit.id());
        }
    }
    Ok(Given {
        delta,
        heads,
        offered: offered.iter().map(signed).collect::<Result<_, _>>()?,
    })
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
            ProfileError::LimitExceeded { .. }
            | ProfileError::NotCaughtUp { .. }
            | ProfileError::Superseded { .. } => Self::NotNow,
            error => Self::Store(Box::new(error)),
        }
    }
}

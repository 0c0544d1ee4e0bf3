use std::collections::BTreeSet;

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointId, SignedCheckpoint};
use uxf_engine::profile::{CaughtUp, OwnEntries, Profile, ProfileError};

use super::source::EntryRanges;
use crate::Peer;
use crate::oplog_sync::history::{History, HistoryError, Taken};
use crate::oplog_sync::store::{Have, have};
use crate::reconcile::{Answer, AnswerLimits, SourceError, answer, first_ranges};
use crate::wire::RangeEntry;

/// Something that catching up with a log needs of the store.
#[derive(Clone, Debug)]
pub enum CatchUpRequest {
    /// Say what there is of a log that a checkpoint may have.
    Begin {
        /// Which catching up it is for.
        number: u64,
        /// The checkpoint, as it was signed.
        signed: Vec<u8>,
    },
    /// Compare what there is with what a peer said of its checkpoint.
    Compare {
        /// Which catching up it is for.
        number: u64,
        /// What there is.
        own: OwnEntries,
        /// What the peer said.
        ranges: Vec<RangeEntry>,
    },
    /// Take the checkpoint in.
    Adopt {
        /// Which catching up it is for.
        number: u64,
        /// What it comes of.
        caught_up: Box<CaughtUp>,
    },
    /// Say to a peer what a checkpoint has.
    Answer {
        /// The peer.
        peer: Peer,
        /// The log.
        log: LogId,
        /// The checkpoint of it.
        checkpoint: CheckpointId,
        /// What the peer has.
        ranges: Vec<RangeEntry>,
    },
}

/// What came of a [`CatchUpRequest`].
#[derive(Debug)]
pub enum CatchUpReply {
    /// What there is, and with what to begin; `None` if the checkpoint brings nothing.
    Begin {
        /// Which catching up it is for.
        number: u64,
        /// What there is.
        begun: Result<Option<(OwnEntries, Vec<RangeEntry>)>, HistoryError>,
    },
    /// Which operations the checkpoint has not, and what is to be asked further; nothing if all is known.
    Compare {
        /// Which catching up it is for.
        number: u64,
        /// What was found.
        found: Result<(BTreeSet<u64>, Vec<RangeEntry>), HistoryError>,
    },
    /// Whether the checkpoint was taken in.
    Adopt {
        /// Which catching up it is for.
        number: u64,
        /// What taking it in did.
        adopted: Result<Taken, HistoryError>,
        /// What there is now.
        have: Result<Have, HistoryError>,
    },
    /// What a checkpoint has; `None` if there is no such checkpoint.
    Answer {
        /// The peer.
        peer: Peer,
        /// The log.
        log: LogId,
        /// What it has.
        answer: Result<Option<Answer>, HistoryError>,
    },
}

impl CatchUpRequest {
    /// What it does, in a word for logs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "look at a log",
            Self::Compare { .. } => "compare a log",
            Self::Adopt { .. } => "adopt a checkpoint",
            Self::Answer { .. } => "answer about a checkpoint",
        }
    }

    /// Whether it writes.
    pub const fn writes(&self) -> bool {
        matches!(self, Self::Adopt { .. })
    }

    /// Does it. May take as long as a durable commit.
    pub fn run(self, history: &impl History) -> CatchUpReply {
        match self {
            Self::Begin { number, signed } => {
                let begun = history.begin_catch_up(&signed);
                CatchUpReply::Begin { number, begun }
            }
            Self::Compare {
                number,
                own,
                ranges,
            } => {
                let found = history.compare_own(&own, &ranges);
                CatchUpReply::Compare { number, found }
            }
            Self::Adopt { number, caught_up } => {
                let adopted = history.adopt(*caught_up);
                let have = have(history);
                CatchUpReply::Adopt {
                    number,
                    adopted,
                    have,
                }
            }
            Self::Answer {
                peer,
                log,
                checkpoint,
                ranges,
            } => {
                let answer = history.answer_entries(log, checkpoint, &ranges);
                CatchUpReply::Answer { peer, log, answer }
            }
        }
    }
}

fn failed(error: SourceError) -> HistoryError {
    match error {
        SourceError::Store(error) => HistoryError::Store(error),
        SourceError::Refused => HistoryError::NotNow,
    }
}

pub(in crate::oplog_sync) fn begin(
    profile: &Profile,
    signed: &[u8],
) -> Result<Option<(OwnEntries, Vec<RangeEntry>)>, HistoryError> {
    let Some(own) = profile.catch_up(signed)? else {
        return Ok(None);
    };
    let entries = profile.own_entries(&own)?;
    let source = EntryRanges::noting(profile.id(), &entries);
    let ranges = first_ranges(&source, &AnswerLimits::default()).map_err(failed)?;
    Ok(Some((own, ranges)))
}

pub(in crate::oplog_sync) fn compare(
    profile: &Profile,
    own: &OwnEntries,
    ranges: &[RangeEntry],
) -> Result<(BTreeSet<u64>, Vec<RangeEntry>), HistoryError> {
    let entries = profile.own_entries(own)?;
    let source = EntryRanges::noting(profile.id(), &entries);
    let answer = answer(&source, ranges, &AnswerLimits::default()).map_err(failed)?;
    Ok((source.into_lacked(), answer.ranges))
}

pub(in crate::oplog_sync) fn answer_about(
    profile: &Profile,
    (log, checkpoint): (LogId, CheckpointId),
    ranges: &[RangeEntry],
) -> Result<Option<Answer>, HistoryError> {
    let Some(entries) = profile.checkpoint_entries(log)? else {
        return Ok(None);
    };
    let signed = SignedCheckpoint::decode(entries.signed());
    let signed =
        signed.map_err(|error| HistoryError::Store(Box::new(ProfileError::from(error))))?;
    if signed.id() != checkpoint {
        return Ok(None);
    }
    let source = EntryRanges::giving(profile.id(), &entries);
    let answer = answer(&source, ranges, &AnswerLimits::default()).map_err(failed)?;
    Ok(Some(answer))
}

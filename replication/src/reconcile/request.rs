use uxf_engine::profile::Profile;

use super::answer::{Answer, AnswerLimits, answer, first_ranges};
use super::item::LiveOperation;
use super::ranges::ProfileRanges;
use super::source::{RangeSource, SourceError};
use crate::Peer;
use crate::wire::RangeEntry;

/// Something to do with the store. The requests of one peer are one after the other.
#[derive(Clone, Debug)]
pub enum StoreRequest {
    /// Say with what to begin.
    First(Peer, AnswerLimits),
    /// Answer ranges.
    Answer(Peer, Vec<RangeEntry>, AnswerLimits),
    /// Verify operations and take them in, with the sealed blocks that came for them.
    Apply(Peer, Vec<Vec<u8>>, Vec<Vec<u8>>),
}

/// What came of a [`StoreRequest`].
#[derive(Debug)]
pub enum StoreReply {
    /// What is to be said.
    Answer(Peer, Result<Answer, SourceError>),
    /// How many operations came and how many count now; `None` if one did not verify.
    Apply(Peer, Option<Result<(usize, usize), SourceError>>),
}

impl StoreRequest {
    /// For whom it is.
    pub const fn peer(&self) -> Peer {
        match self {
            Self::First(peer, _) | Self::Answer(peer, ..) | Self::Apply(peer, ..) => *peer,
        }
    }

    /// Does it. May take as long as a durable commit.
    pub fn run<S: RangeSource + ?Sized>(self, source: &S) -> StoreReply {
        match self {
            Self::First(peer, limits) => {
                let ranges = first_ranges(source, &limits);
                let operations = Vec::new();
                let answer = ranges.map(|ranges| Answer { operations, ranges });
                StoreReply::Answer(peer, answer)
            }
            Self::Answer(peer, ranges, limits) => {
                StoreReply::Answer(peer, answer(source, &ranges, &limits))
            }
            Self::Apply(peer, all, values) => {
                let count = all.len();
                let verified = all.into_iter();
                let verified: Result<Vec<_>, _> = verified
                    .map(|bytes| LiveOperation::verify(bytes, source.profile()))
                    .collect();
                let applied = verified
                    .ok()
                    .map(|all| Ok((count, source.apply(all, values)?)));
                StoreReply::Apply(peer, applied)
            }
        }
    }

    /// Does it with what counts of a profile in a store now.
    pub fn run_on(self, profile: &Profile) -> StoreReply {
        match (ProfileRanges::new(profile), &self) {
            (Ok(ranges), _) => self.run(&ranges),
            (Err(error), Self::Apply(peer, ..)) => StoreReply::Apply(*peer, Some(Err(error))),
            (Err(error), Self::First(peer, _) | Self::Answer(peer, ..)) => {
                StoreReply::Answer(*peer, Err(error))
            }
        }
    }
}

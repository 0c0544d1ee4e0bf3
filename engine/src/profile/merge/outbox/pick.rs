use super::status::{OutboxStatus, Partition};
use crate::profile::merge::merge_optional;

/// Highest number of a round. Beyond it a device cannot take back what another one says.
pub(super) const ROUND_MAX: u64 = 1 << 48;

/// How much a version weighs where versions meet: what is over beats what is not, then a later round, then the status.
///
/// The state machine has arcs that lead down in the order of statuses, as from `sending` to `failed-transient` and back.
/// A device that takes one has seen everything up to it, so its write begins another round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_over: bool,
    round: u64,
    status: OutboxStatus,
}

impl Rank {
    pub(super) fn new(status: OutboxStatus, round: u64) -> Self {
        Self {
            is_over: status.partition() == Partition::HardTerminal,
            round: round.min(ROUND_MAX),
            status,
        }
    }

    pub(super) const fn status(self) -> OutboxStatus {
        self.status
    }

    pub(super) const fn round(self) -> u64 {
        self.round
    }
}

/// A field that follows the winning version: the value it has there, else in the next best version that has it.
///
/// Which version wins is known only at the end, because an operator's override can turn a failure back into
/// `finalizing`. So two candidates are kept: the value from the greatest rank, and the value from `finalizing`.
/// Of two values from one rank the smaller counts. Both candidates are maxima, so joining is a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pick<T> {
    best: (Rank, T),
    finalizing: Option<T>,
}

impl<T: Ord + Clone> Pick<T> {
    /// The value of one version.
    pub(super) fn new(rank: Rank, value: T) -> Self {
        let finalizing = (rank.status == OutboxStatus::Finalizing).then(|| value.clone());
        Self {
            best: (rank, value),
            finalizing,
        }
    }

    /// Both candidates as they were written down. A candidate from `finalizing` that the best one contradicts is an
    /// error of the writer.
    pub(super) fn from_parts(rank: Rank, value: T, finalizing: Option<T>) -> Option<Self> {
        let consistent = match &finalizing {
            Some(candidate) if rank.status == OutboxStatus::Finalizing => *candidate <= value,
            Some(_) => rank.round > 0 || rank.status > OutboxStatus::Finalizing,
            None => rank.status != OutboxStatus::Finalizing,
        };
        consistent.then_some(Self {
            best: (rank, value),
            finalizing,
        })
    }

    pub(super) fn best(&self) -> &(Rank, T) {
        &self.best
    }

    pub(super) fn finalizing(&self) -> Option<&T> {
        self.finalizing.as_ref()
    }

    pub(super) fn merge(self, other: Self) -> Self {
        let best = match self.best.0.cmp(&other.best.0) {
            core::cmp::Ordering::Greater => self.best,
            core::cmp::Ordering::Less => other.best,
            core::cmp::Ordering::Equal => (self.best.0, self.best.1.min(other.best.1)),
        };
        Self {
            best,
            finalizing: merge_optional(self.finalizing, other.finalizing, Ord::min),
        }
    }

    /// The value that counts. `overridden` says that the entry's failure gave way to an override.
    pub(super) fn resolve(&self, overridden: bool) -> &T {
        match &self.finalizing {
            Some(value) if overridden && self.best.0.status.yields_to_override() => value,
            _ => &self.best.1,
        }
    }
}

use super::status::OutboxStatus;
use crate::profile::merge::merge_optional;

/// A field that follows the winning version: the value it has there, else in the next best version that has it.
///
/// Which version wins is known only at the end, because an operator's override can turn a failure back into
/// `finalizing`. So two candidates are kept: the value from the greatest status, and the value from `finalizing`.
/// Of two values from one status the smaller counts. Both candidates are maxima, so joining is a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pick<T> {
    best: (OutboxStatus, T),
    finalizing: Option<T>,
}

impl<T: Ord + Clone> Pick<T> {
    /// The value of one version.
    pub(super) fn new(status: OutboxStatus, value: T) -> Self {
        let finalizing = (status == OutboxStatus::Finalizing).then(|| value.clone());
        Self {
            best: (status, value),
            finalizing,
        }
    }

    /// Both candidates as they were written down. A candidate from `finalizing` that the best one contradicts is an
    /// error of the writer.
    pub(super) fn from_parts(
        status: OutboxStatus,
        value: T,
        finalizing: Option<T>,
    ) -> Option<Self> {
        let consistent = match (&finalizing, status.cmp(&OutboxStatus::Finalizing)) {
            (Some(candidate), core::cmp::Ordering::Equal) => *candidate == value,
            (None, core::cmp::Ordering::Equal) | (Some(_), core::cmp::Ordering::Less) => false,
            _ => true,
        };
        consistent.then_some(Self {
            best: (status, value),
            finalizing,
        })
    }

    pub(super) fn best(&self) -> &(OutboxStatus, T) {
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
            Some(value) if overridden && self.best.0.yields_to_override() => value,
            _ => &self.best.1,
        }
    }
}

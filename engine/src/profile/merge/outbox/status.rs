use thiserror::Error;

/// Where a transfer stands. The order is that of merging: the greater status wins.
///
/// Soft failures lose to everything active, and everything active loses to what is final. Among the final ones
/// `failed-conflict` is the least, as in the reference, where it has no rank and loses to the other three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the reference's; section 11 of the notes has the arcs"
)]
pub enum OutboxStatus {
    FailedTransient,
    Packaging,
    Pinned,
    Sending,
    DeliveredInstant,
    Delivered,
    Finalizing,
    FailedConflict,
    Expired,
    FailedPermanent,
    Finalized,
}

/// The three kinds of status. Hard beats active, active beats soft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// Failed for now; will be tried again.
    SoftTerminal,
    /// Under way.
    Active,
    /// Over.
    HardTerminal,
}

impl Partition {
    /// The name the reference uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SoftTerminal => "soft-terminal",
            Self::Active => "active",
            Self::HardTerminal => "hard-terminal",
        }
    }
}

/// Why a move is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArcFault {
    /// There is no such arc, or no such status.
    NoSuchArc,
    /// Only an operator's override opens it.
    OverrideRequired,
    /// Writing both layouts is switched off.
    DualWriteDisabled,
}

impl ArcFault {
    /// The detail the reference reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchArc => "no-such-arc",
            Self::OverrideRequired => "override-required",
            Self::DualWriteDisabled => "dual-write-disabled",
        }
    }
}

/// A move that the state machine does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an outbox entry cannot go from {} to {}: {}", from.as_str(), to.as_str(), fault.as_str())]
pub struct TransitionError {
    /// Status before.
    pub from: OutboxStatus,
    /// Status wanted.
    pub to: OutboxStatus,
    /// Why not.
    pub fault: ArcFault,
}

impl TransitionError {
    /// The code of the reference.
    pub const fn code(&self) -> &'static str {
        "INVALID_OUTBOX_TRANSITION"
    }
}

use OutboxStatus::{
    Delivered, DeliveredInstant, Expired, FailedConflict, FailedPermanent, FailedTransient,
    Finalized, Finalizing, Packaging, Pinned, Sending,
};

impl OutboxStatus {
    /// All eleven, in merging order.
    pub const ALL: [Self; 11] = [
        FailedTransient,
        Packaging,
        Pinned,
        Sending,
        DeliveredInstant,
        Delivered,
        Finalizing,
        FailedConflict,
        Expired,
        FailedPermanent,
        Finalized,
    ];

    /// The name in an entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailedTransient => "failed-transient",
            Packaging => "packaging",
            Pinned => "pinned",
            Sending => "sending",
            DeliveredInstant => "delivered-instant",
            Delivered => "delivered",
            Finalizing => "finalizing",
            FailedConflict => "failed-conflict",
            Expired => "expired",
            FailedPermanent => "failed-permanent",
            Finalized => "finalized",
        }
    }

    /// Reads the name in an entry.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Its kind.
    pub const fn partition(self) -> Partition {
        match self {
            FailedTransient => Partition::SoftTerminal,
            Packaging | Pinned | Sending | DeliveredInstant | Delivered | Finalizing => {
                Partition::Active
            }
            FailedConflict | Expired | FailedPermanent | Finalized => Partition::HardTerminal,
        }
    }

    /// Whether an operator's override brings an entry back from here to `finalizing` when versions meet.
    pub(super) const fn yields_to_override(self) -> bool {
        matches!(self, FailedConflict | Expired | FailedPermanent)
    }

    /// Checks a move. `with_override` says that an operator asked for it and opens two arcs more, nothing else.
    ///
    /// ```
    /// use uxf_engine::profile::merge::{ArcFault, OutboxStatus};
    ///
    /// let failed = OutboxStatus::FailedPermanent;
    /// let refused = failed.check_transition(OutboxStatus::Finalizing, false).unwrap_err();
    /// assert_eq!(refused.fault, ArcFault::OverrideRequired);
    /// assert!(failed.check_transition(OutboxStatus::Finalizing, true).is_ok());
    /// ```
    ///
    /// # Errors
    /// [`TransitionError`].
    pub const fn check_transition(
        self,
        to: Self,
        with_override: bool,
    ) -> Result<(), TransitionError> {
        let fault = match (self, to) {
            (Packaging, Pinned | Sending | FailedConflict)
            | (Pinned, Sending | FailedTransient | FailedPermanent | FailedConflict)
            | (Sending, Delivered | DeliveredInstant | FailedTransient | FailedConflict)
            | (Delivered, Expired | Sending | FailedConflict)
            | (DeliveredInstant, Finalizing | Sending | FailedConflict)
            | (Finalizing, Finalized | FailedPermanent | FailedTransient)
            | (FailedTransient, Sending | FailedPermanent)
            | (Finalized, Expired) => return Ok(()),
            (FailedPermanent | FailedConflict, Finalizing) if with_override => return Ok(()),
            (FailedPermanent | FailedConflict, Finalizing) => ArcFault::OverrideRequired,
            _ => ArcFault::NoSuchArc,
        };
        Err(TransitionError {
            from: self,
            to,
            fault,
        })
    }
}

/// The two layouts of an outbox, both written while a wallet is being moved over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DualWriteLayout {
    /// One array under one key.
    Legacy,
    /// One key for each entry.
    Uxf,
}

impl DualWriteLayout {
    /// Reads the reference's name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "legacy" => Some(Self::Legacy),
            "uxf" => Some(Self::Uxf),
            _ => None,
        }
    }
}

/// Checks whether a write may be repeated in the other layout.
///
/// # Errors
/// [`ArcFault::NoSuchArc`] between equal or unknown layouts, [`ArcFault::DualWriteDisabled`] if it is switched off.
pub const fn check_dual_write(
    from: Option<DualWriteLayout>,
    to: Option<DualWriteLayout>,
    enabled: bool,
) -> Result<(), ArcFault> {
    use DualWriteLayout::{Legacy, Uxf};

    match (from, to) {
        (Some(Legacy), Some(Uxf)) | (Some(Uxf), Some(Legacy)) if enabled => Ok(()),
        (Some(Legacy), Some(Uxf)) | (Some(Uxf), Some(Legacy)) => Err(ArcFault::DualWriteDisabled),
        _ => Err(ArcFault::NoSuchArc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_twenty_three_arcs_and_two_more_with_an_override() {
        let count = |with_override| {
            let pairs = OutboxStatus::ALL
                .into_iter()
                .flat_map(|from| OutboxStatus::ALL.map(|to| (from, to)));
            pairs
                .filter(|(from, to)| from.check_transition(*to, with_override).is_ok())
                .count()
        };
        assert_eq!((count(false), count(true)), (23, 25));
    }

    #[test]
    fn merging_order_keeps_the_partitions_together() {
        let partitions = OutboxStatus::ALL.map(OutboxStatus::partition);
        assert!(partitions.is_sorted());
        assert!(OutboxStatus::ALL.is_sorted());
    }
}

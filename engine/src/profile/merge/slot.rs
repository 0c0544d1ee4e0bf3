use core::cmp::Ordering;

use crate::profile::envelope::LamportTime;

use super::Merge;

/// A row as a snapshot carries it: absent, live or deleted, numbered by its writer's Lamport clock.
///
/// Rows are totally ordered, and the greatest is the merged one: first by number, then deleted over live, then by
/// content. So a deletion wins a tie, and a deleted row comes back only with a greater number. The reference keeps
/// what it has when two live rows have one number, which depends on who asks; the content decides here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot<C> {
    /// Nothing is known.
    Absent,
    /// A row with a value.
    Live {
        /// Number of the write.
        lamport: LamportTime,
        /// The value.
        content: C,
    },
    /// A row that was deleted.
    Tombstone {
        /// Number of the write.
        lamport: LamportTime,
        /// What the tombstone says, as when.
        content: C,
    },
}

/// What joining a remote slot into the local one comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotAction {
    /// There is no remote slot.
    RemoteAbsent,
    /// The local slot stays.
    LocalWins,
    /// The remote row is written, live.
    WriteLive,
    /// The remote tombstone is written.
    WriteTombstone,
}

impl<C> Slot<C> {
    fn rank(&self) -> (u8, LamportTime, u8) {
        match self {
            Self::Absent => (0, LamportTime::default(), 0),
            Self::Live { lamport, .. } => (1, *lamport, 0),
            Self::Tombstone { lamport, .. } => (1, *lamport, 1),
        }
    }

    fn content(&self) -> Option<&C> {
        match self {
            Self::Absent => None,
            Self::Live { content, .. } | Self::Tombstone { content, .. } => Some(content),
        }
    }
}

impl<C: Ord> Slot<C> {
    /// What the merge would do, as the reference reports it.
    ///
    /// ```
    /// use uxf_engine::profile::envelope::LamportTime;
    /// use uxf_engine::profile::merge::{Slot, SlotAction};
    ///
    /// let at = |time| LamportTime::new(time).unwrap();
    /// let live = Slot::Live { lamport: at(3), content: () };
    /// let dead = Slot::Tombstone { lamport: at(3), content: () };
    /// assert_eq!(live.action(&dead), SlotAction::WriteTombstone);
    /// assert_eq!(dead.action(&live), SlotAction::LocalWins);
    /// ```
    pub fn action(&self, remote: &Self) -> SlotAction {
        match remote {
            Self::Absent => SlotAction::RemoteAbsent,
            _ if remote <= self => SlotAction::LocalWins,
            Self::Live { .. } => SlotAction::WriteLive,
            Self::Tombstone { .. } => SlotAction::WriteTombstone,
        }
    }
}

impl<C: Ord> Ord for Slot<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_rank = self.rank().cmp(&other.rank());
        by_rank.then_with(|| self.content().cmp(&other.content()))
    }
}

impl<C: Ord> PartialOrd for Slot<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C: Ord> Merge for Slot<C> {
    fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;

    fn slots() -> impl Strategy<Value = Slot<u8>> {
        (0_u8..3, 0_u64..4, 0_u8..3).prop_map(|(kind, lamport, content)| {
            let lamport = LamportTime::new(lamport).unwrap();
            match kind {
                0 => Slot::Absent,
                1 => Slot::Live { lamport, content },
                _ => Slot::Tombstone { lamport, content },
            }
        })
    }

    proptest! {
        #[test]
        fn slots_obey_the_laws(a in slots(), b in slots(), c in slots()) {
            laws::hold(&a, &b, &c);
        }

        #[test]
        fn the_action_says_what_the_merge_does(a in slots(), b in slots()) {
            let writes = matches!(a.action(&b), SlotAction::WriteLive | SlotAction::WriteTombstone);
            prop_assert_eq!(writes, a.clone().merge(b) != a);
        }
    }
}

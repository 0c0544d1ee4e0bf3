//! What of all operations on one key counts.

use smallvec::SmallVec;

use crate::oplog::{ItemHash, ItemSum, OpKind, OperationId, Stamp};
use crate::profile::envelope::EntryKind;
use crate::tables::row::BlockRow;

/// One operation on a key that counts, and where its value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Its place in the order.
    pub(crate) stamp: Stamp,
    pub(crate) kind: OpKind,
    pub(crate) entry: EntryKind,
    pub(crate) place: ValuePlace,
    /// Hash of all it says, by which replicas compare.
    pub(crate) hash: ItemHash,
}

impl Counted {
    /// Its value, in the row of its block; `None` if that is damaged.
    pub(crate) fn value_in<'a>(&self, row: &'a [u8]) -> Option<&'a [u8]> {
        let bytes = BlockRow::decode(self.place.block, row).ok()?.bytes;
        let start = usize::try_from(self.place.start).ok()?;
        let len = usize::try_from(self.place.len).ok()?;
        bytes.get(start..start.checked_add(len)?)
    }

    pub(crate) fn id(&self) -> OperationId {
        OperationId::new(&self.stamp.log, self.stamp.seq)
    }
}

/// Where the value of an operation lies: a part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValuePlace {
    /// Sequence number of the block.
    pub(crate) block: u64,
    /// Where the value starts in the block's bytes, and how long it is.
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// How the operations of a key are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folding {
    /// The last one counts and no other.
    LastWriter,
    /// The last one of each log counts, as far as no later delete is there: their values are merged when read.
    Merged,
}

/// What tells two states of one key apart: it changes with every operation that counts, and with nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueVersion([u8; 16]);

impl ValueVersion {
    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The operations on one key that still count, of all that were applied.
///
/// It is a function of the *set* of operations applied, whatever their order and however often each came:
///
/// * last writer wins: the operation with the greatest stamp;
/// * merged values: the delete with the greatest stamp, and of every log its last put, if that is later than the
///   delete. A log's later put supersedes its earlier ones because a writer joins what it writes with what it has;
///   puts of different logs are joined when the value is read, and the rule of the key makes it no matter how.
///
/// So a key of a merged class that is deleted and written again is not what it was before: only puts after the delete
/// count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyState {
    /// Ascending by stamp. Only the first may be a delete; of the puts there is at most one of each log. Where the last
    /// writer wins there is one altogether, so it lies here and not behind a pointer.
    counted: SmallVec<[Counted; 1]>,
}

impl KeyState {
    /// A state as it was stored; `None` if it is none that [`apply`](Self::apply) makes.
    pub(crate) fn from_parts(deleted: Option<Counted>, puts: Vec<Counted>) -> Option<Self> {
        let deletes = deleted.is_none_or(|deleted| deleted.stamp.is_delete);
        let ordered = puts.is_sorted_by(|a, b| a.stamp < b.stamp);
        let later = puts
            .first()
            .is_none_or(|put| deleted.is_none_or(|deleted| deleted.stamp < put.stamp));
        let valid = deletes && ordered && later && puts.iter().all(|put| !put.stamp.is_delete);
        valid.then(|| Self {
            counted: deleted.into_iter().chain(puts).collect(),
        })
    }

    /// Takes an operation into account. False if it makes no difference: a later one was there, or the same.
    pub(crate) fn apply(&mut self, counted: Counted, folding: Folding) -> bool {
        let stamp = counted.stamp;
        if self.deleted().is_some_and(|deleted| deleted.stamp >= stamp) {
            return false;
        }
        match folding {
            Folding::LastWriter => {
                if self.counted.last().is_some_and(|last| last.stamp >= stamp) {
                    return false;
                }
                self.counted.clear();
            }
            Folding::Merged if stamp.is_delete => {
                self.counted.retain(|put| put.stamp > stamp);
            }
            Folding::Merged => {
                let same_log = |put: &Counted| !put.stamp.is_delete && put.stamp.log == stamp.log;
                if let Some(at) = self.counted.iter().position(same_log) {
                    if self.counted.get(at).is_some_and(|put| put.stamp >= stamp) {
                        return false;
                    }
                    self.counted.remove(at);
                }
            }
        }
        let at = self.counted.partition_point(|other| other.stamp < stamp);
        self.counted.insert(at, counted);
        true
    }

    /// The delete that counts: before every put that does.
    pub(crate) fn deleted(&self) -> Option<&Counted> {
        self.counted.first().filter(|first| first.stamp.is_delete)
    }

    /// The puts that count, ascending by stamp. None of them: the key has no value.
    pub(crate) fn puts(&self) -> &[Counted] {
        let deletes = usize::from(self.deleted().is_some());
        self.counted.get(deletes..).unwrap_or_default()
    }

    /// All operations that count, ascending by stamp.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Counted> {
        self.counted.iter()
    }

    /// The sum of the operations that count.
    pub(crate) fn sum(&self) -> ItemSum {
        let all = self.counted.iter();
        all.fold(ItemSum::default(), |sum, counted| {
            sum.plus(&ItemSum::of(&counted.hash))
        })
    }

    /// Gives every operation the hash that `hash` finds for it.
    pub(crate) fn rehash<E>(
        &mut self,
        mut hash: impl FnMut(&Counted) -> Result<ItemHash, E>,
    ) -> Result<(), E> {
        for counted in &mut self.counted {
            counted.hash = hash(counted)?;
        }
        Ok(())
    }

    /// Notes that an operation lies somewhere else now. False if it does not count; another one that its device wrote under
    /// the same number is another one.
    pub(crate) fn relocate(&mut self, moved: &Counted) -> bool {
        let mut all = self.counted.iter_mut();
        let found = all.find(|counted| counted.stamp == moved.stamp && counted.hash == moved.hash);
        if let Some(counted) = found {
            counted.place = moved.place;
            return true;
        }
        false
    }

    /// What tells this state from every other one of its key.
    pub(crate) fn version(&self) -> ValueVersion {
        let mut hasher = blake3::Hasher::new();
        for counted in self.iter() {
            hasher.update(counted.stamp.log.device.as_bytes());
            hasher.update(&counted.stamp.log.epoch.as_u64().to_be_bytes());
            hasher.update(&counted.stamp.seq.to_be_bytes());
        }
        let mut version = [0; 16];
        hasher.finalize_xof().fill(&mut version);
        ValueVersion(version)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oplog::HybridTime;
    use crate::oplog::identity::{DeviceId, Epoch, LogId};

    fn counted(time: u64, log: u8, seq: u64, is_delete: bool) -> Counted {
        let log = LogId {
            device: DeviceId::unchecked([log; 32]),
            epoch: Epoch::from_u64(1),
        };
        Counted {
            stamp: Stamp {
                time: HybridTime::from_u64(time),
                is_delete,
                log,
                seq,
            },
            kind: if is_delete {
                OpKind::Delete
            } else {
                OpKind::Put
            },
            entry: EntryKind::CacheIndex,
            place: ValuePlace {
                block: time,
                start: 1,
                len: 2,
            },
            hash: ItemHash([7; 32]),
        }
    }

    /// Histories as logs write them: time and sequence number grow together.
    fn histories() -> impl Strategy<Value = Vec<Counted>> {
        let log = proptest::collection::vec((1_u64..4, any::<bool>()), 0..6);
        proptest::collection::vec(log, 1..4).prop_map(|logs| {
            let mut all = Vec::new();
            for (log, steps) in (0_u8..).zip(logs) {
                let mut time = 0;
                for (seq, (step, is_delete)) in (1..).zip(steps) {
                    time += step;
                    all.push(counted(time, log, seq, is_delete));
                }
            }
            all
        })
    }

    fn fold(operations: &[Counted], folding: Folding) -> KeyState {
        let mut state = KeyState::default();
        for operation in operations {
            state.apply(*operation, folding);
        }
        state
    }

    /// The definition, without any state.
    fn expected(operations: &[Counted], folding: Folding) -> KeyState {
        let max = |all: &mut dyn Iterator<Item = &Counted>| all.max_by_key(|op| op.stamp).copied();
        let last = max(&mut operations.iter());
        let deleted = max(&mut operations.iter().filter(|op| op.stamp.is_delete));
        if folding == Folding::LastWriter {
            let deleted = deleted.filter(|deleted| Some(deleted.stamp) == last.map(|l| l.stamp));
            let puts = last.into_iter().filter(|last| !last.stamp.is_delete);
            return KeyState {
                counted: deleted.into_iter().chain(puts).collect(),
            };
        }
        let mut puts: Vec<Counted> = operations
            .iter()
            .filter(|op| !op.stamp.is_delete)
            .filter(|op| deleted.is_none_or(|deleted| deleted.stamp < op.stamp))
            .filter(|op| {
                let later = |other: &&Counted| {
                    other.stamp.log == op.stamp.log
                        && !other.stamp.is_delete
                        && other.stamp > op.stamp
                };
                !operations.iter().any(|other| later(&other))
            })
            .copied()
            .collect();
        puts.sort_by_key(|op| op.stamp);
        puts.dedup();
        KeyState {
            counted: deleted.into_iter().chain(puts).collect(),
        }
    }

    proptest! {
        #[test]
        fn order_and_repetition_make_no_difference(
            operations in histories(), seed in proptest::collection::vec(any::<u16>(), 40),
        ) {
            for folding in [Folding::LastWriter, Folding::Merged] {
                let wanted = expected(&operations, folding);
                prop_assert_eq!(&fold(&operations, folding), &wanted);
                let mut shuffled = operations.clone();
                shuffled.extend(operations.iter().take(3).copied());
                for (at, random) in seed.iter().enumerate().take(shuffled.len()) {
                    let other = usize::from(*random) % shuffled.len();
                    shuffled.swap(at, other);
                }
                let found = fold(&shuffled, folding);
                prop_assert_eq!(&found, &wanted);
                prop_assert_eq!(KeyState::from_parts(found.deleted().copied(), found.puts().to_vec()), Some(found));
            }
        }
    }

    #[test]
    fn a_delete_beats_a_put_of_equal_time_and_hides_older_puts_only() {
        let mut state = KeyState::default();
        assert!(state.apply(counted(5, 1, 1, false), Folding::Merged));
        assert!(state.apply(counted(7, 2, 1, false), Folding::Merged));
        assert!(state.apply(counted(5, 3, 1, true), Folding::Merged));
        assert!(!state.apply(counted(5, 1, 1, false), Folding::Merged));
        assert_eq!(state.puts().len(), 1);
        assert_eq!(state.puts()[0].stamp.time.as_u64(), 7);
        assert_eq!(state.deleted().unwrap().stamp.time.as_u64(), 5);
    }

    #[test]
    fn a_state_that_cannot_have_come_about_is_not_read() {
        let (put, delete) = (counted(5, 1, 1, false), counted(6, 1, 2, true));
        assert!(KeyState::from_parts(Some(delete), vec![put]).is_none());
        assert!(KeyState::from_parts(Some(put), Vec::new()).is_none());
        assert!(KeyState::from_parts(None, vec![delete]).is_none());
        assert!(KeyState::from_parts(None, vec![put, put]).is_none());
    }
}

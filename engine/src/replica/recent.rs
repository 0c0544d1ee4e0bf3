use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::oplog::ItemSum;
use crate::oplog::identity::LogId;
use crate::profile::fold::KeyState;
use crate::tables::profile_rows::CommitRow;

/// What the commits since one checkpoint came to. Every checkpoint begins another.
///
/// Readers and the writer share it. A state of a key has in `since` the sequence number after the block of its commit;
/// a snapshot sees it if the blocks that it sees end there or later. So the writer can put states here before their commit
/// is in the database, and an older snapshot goes on seeing the older state (INV-READ-2).
#[derive(Debug, Default)]
pub(crate) struct Recent {
    keys: RwLock<BTreeMap<Box<[u8]>, Versions>>,
    commits: RwLock<BTreeMap<(u32, u64), CommitRow>>,
    /// Operations taken in, whether they counted or not.
    operations: AtomicUsize,
}

/// The states of one key, ascending by `since`.
#[derive(Debug)]
struct Versions {
    /// The sum of what the table has of the key; of nothing if the key is not in it.
    stored: ItemSum,
    newest: Version,
    older: Vec<Version>,
}

#[derive(Debug)]
struct Version {
    since: u64,
    state: KeyState,
}

impl Versions {
    fn at(&self, end: u64) -> Option<&KeyState> {
        if self.newest.since <= end {
            return Some(&self.newest.state);
        }
        let mut older = self.older.iter().rev();
        older
            .find(|version| version.since <= end)
            .map(|version| &version.state)
    }
}

/// One page of an ordered walk over keys.
pub(crate) type KeyPage = Vec<(Box<[u8]>, KeyState)>;

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Recent {
    /// The state of a key for a reader whose blocks end before `end`; `None` if the table has it.
    pub(crate) fn key<T>(
        &self,
        key: &[u8],
        end: u64,
        see: impl FnOnce(&KeyState) -> T,
    ) -> Option<T> {
        read(&self.keys).get(key)?.at(end).map(see)
    }

    /// The keys from a bound on that a reader finds here whose blocks end before `end`, in order, at most `len` of them; and whether that
    /// is all there are before `until`.
    pub(crate) fn page(
        &self,
        from: Bound<&[u8]>,
        until: Bound<&[u8]>,
        end: u64,
        len: usize,
    ) -> (KeyPage, bool) {
        let keys = read(&self.keys);
        let mut page = Vec::new();
        for (key, versions) in keys.range::<[u8], _>((from, until)) {
            if let Some(state) = versions.at(end) {
                if page.len() == len {
                    return (page, false);
                }
                page.push((key.clone(), state.clone()));
            }
        }
        (page, true)
    }

    /// Changes the state of a key from a commit on, and says whether `change` did. `load` gives the state of a key that
    /// is not here. `keep` says which older states somebody may still read: all of them, or only the newest of those
    /// whose commit is in the database.
    pub(crate) fn update<E>(
        &self,
        key: &[u8],
        since: u64,
        keep: Keep,
        load: impl FnOnce() -> Result<KeyState, E>,
        change: impl FnOnce(&mut KeyState) -> bool,
    ) -> Result<bool, E> {
        let mut keys = write(&self.keys);
        let Some(versions) = keys.get_mut(key) else {
            let mut state = load()?;
            let stored = state.sum();
            let changed = change(&mut state);
            if changed {
                let versions = Versions {
                    stored,
                    newest: Version { since, state },
                    older: Vec::new(),
                };
                keys.insert(key.into(), versions);
            }
            return Ok(changed);
        };
        let mut state = versions.newest.state.clone();
        if !change(&mut state) {
            return Ok(false);
        }
        // A value that lies in an older block now is the same value: who saw it goes on seeing it, and nobody else.
        let since = since.max(versions.newest.since);
        let version = Version { since, state };
        let before = core::mem::replace(&mut versions.newest, version);
        if before.since < since {
            versions.older.push(before);
        }
        if let Keep::From(committed) = keep {
            let seen = |version: &Version| version.since <= committed;
            let last_seen = versions.older.iter().rposition(seen).unwrap_or(0);
            versions.older.drain(..last_seen);
        }
        Ok(true)
    }

    /// Goes through the newest state of every key, in order.
    pub(crate) fn for_each<E>(
        &self,
        mut visit: impl FnMut(&[u8], &KeyState) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = read(&self.keys);
        keys.iter()
            .try_for_each(|(key, versions)| visit(key, &versions.newest.state))
    }

    /// Goes through the newest state of every key, in order, with the sum of what the table has of it.
    pub(crate) fn for_each_change<E>(
        &self,
        mut visit: impl FnMut(&[u8], &KeyState, &ItemSum) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = read(&self.keys);
        let mut all = keys.iter();
        all.try_for_each(|(key, versions)| visit(key, &versions.newest.state, &versions.stored))
    }

    /// The keys that start with a prefix of which a reader whose blocks end before `end` sees another sum than the table
    /// has, without the prefix, each with the sum of the differences up to it and including it.
    ///
    /// The differences are to the tables of the checkpoint that this began with. A reader that takes this and the tables while
    /// the writer commits may see those of the next checkpoint, in which the states here are already: for single keys that is
    /// the same, for differences it is not. So the view must be one that the writer opened between two commits.
    pub(crate) fn differences(&self, prefix: &[u8], end: u64) -> Vec<(Box<[u8]>, ItemSum)> {
        let keys = read(&self.keys);
        let mut all = Vec::new();
        let mut sum = ItemSum::default();
        for (key, versions) in keys.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)) {
            let Some(key) = key.strip_prefix(prefix) else {
                break;
            };
            let Some(state) = versions.at(end) else {
                continue;
            };
            let state = state.sum();
            if state != versions.stored {
                sum = sum.plus(&state).minus(&versions.stored);
                all.push((key.into(), sum));
            }
        }
        all
    }

    /// The commit of a log that has an operation, for a reader whose blocks end before `end`.
    pub(crate) fn commit_at(&self, log: u32, seq: u64, end: u64) -> Option<(u64, CommitRow)> {
        let commits = read(&self.commits);
        let (&(_, first_seq), row) = commits.range((log, 0)..=(log, seq)).next_back()?;
        (row.last_seq >= seq && row.block < end).then_some((first_seq, *row))
    }

    /// The commits of a log from a sequence number on, for a reader whose blocks end before `end`.
    pub(crate) fn commits_from(&self, log: u32, seq: u64, end: u64) -> Vec<(u64, CommitRow)> {
        let commits = read(&self.commits);
        commits
            .range((log, seq)..=(log, u64::MAX))
            .filter(|(_, row)| row.block < end)
            .map(|(&(_, first_seq), row)| (first_seq, *row))
            .collect()
    }

    pub(crate) fn add_commit(&self, log: u32, first_seq: u64, row: CommitRow, operations: usize) {
        write(&self.commits).insert((log, first_seq), row);
        self.operations.fetch_add(operations, Ordering::Relaxed);
    }

    /// Counts operations that are in no commit.
    pub(crate) fn add_operations(&self, operations: usize) {
        self.operations.fetch_add(operations, Ordering::Relaxed);
    }

    /// Every commit, by log and first sequence number.
    pub(crate) fn for_each_commit<E>(
        &self,
        mut visit: impl FnMut(u32, u64, &CommitRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let commits = read(&self.commits);
        commits
            .iter()
            .try_for_each(|(&(log, first_seq), row)| visit(log, first_seq, row))
    }

    /// How many operations opening would have to take in again.
    pub(crate) fn operations(&self) -> usize {
        self.operations.load(Ordering::Relaxed)
    }

    /// Whether there is nothing a checkpoint would write.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations() == 0
    }
}

/// Which older states of a key stay.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    /// All: a snapshot is open that may be older than any of them.
    All,
    /// The newest one of the commits whose blocks end here or before, and every later one.
    From(u64),
}

/// The logs by their numbers: what stands for a log in rows. Numbers are given out in order and never again.
#[derive(Debug, Default)]
pub(crate) struct LogNumbers {
    inner: RwLock<Numbered>,
}

#[derive(Debug, Default)]
struct Numbered {
    logs: Vec<(u32, LogId)>,
    numbers: HashMap<(u32, LogId), u32>,
}

impl LogNumbers {
    /// The log of a number.
    pub(crate) fn log(&self, number: u32) -> Option<LogId> {
        let inner = read(&self.inner);
        let log = inner.logs.get(usize::try_from(number).ok()?);
        log.map(|(_, log)| *log)
    }

    /// The number of a profile's log.
    pub(crate) fn number(&self, profile: u32, log: LogId) -> Option<u32> {
        read(&self.inner).numbers.get(&(profile, log)).copied()
    }

    /// Gives a log the next number, unless it has one.
    pub(crate) fn add(&self, profile: u32, log: LogId) -> u32 {
        let mut inner = write(&self.inner);
        let inner = &mut *inner;
        let next = u32::try_from(inner.logs.len()).unwrap_or(u32::MAX);
        let number = *inner.numbers.entry((profile, log)).or_insert(next);
        if number == next {
            inner.logs.push((profile, log));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::identity::{DeviceId, Epoch};
    use crate::oplog::{HybridTime, ItemHash, OpKind, Stamp};
    use crate::profile::envelope::EntryKind;
    use crate::profile::fold::{Counted, Folding, ValuePlace};

    fn state(seq: u64) -> KeyState {
        let mut state = KeyState::default();
        let log = LogId {
            device: DeviceId::unchecked([1; 32]),
            epoch: Epoch::from_u64(1),
        };
        let stamp = Stamp {
            time: HybridTime::from_u64(seq),
            is_delete: false,
            log,
            seq,
        };
        let place = ValuePlace {
            block: seq,
            start: 0,
            len: 0,
        };
        let counted = Counted {
            stamp,
            kind: OpKind::Put,
            entry: EntryKind::CacheIndex,
            place,
            hash: ItemHash([7; 32]),
        };
        assert!(state.apply(counted, Folding::LastWriter));
        state
    }

    fn set(recent: &Recent, key: &[u8], state: KeyState, since: u64, keep: Keep) {
        let load = || Ok::<_, ()>(KeyState::default());
        let change = |old: &mut KeyState| {
            *old = state;
            true
        };
        assert_eq!(recent.update(key, since, keep, load, change), Ok(true));
    }

    fn seen(recent: &Recent, block: u64) -> Option<u64> {
        recent.key(b"k", block, |state| state.puts()[0].stamp.seq)
    }

    #[test]
    fn a_reader_sees_the_state_of_its_own_time_while_anybody_may_need_it() {
        let recent = Recent::default();
        for since in [3, 5, 9] {
            set(&recent, b"k", state(since), since, Keep::All);
        }
        let all: Vec<_> = (2..=9).map(|block| seen(&recent, block)).collect();
        let three = Some(3);
        assert_eq!(
            all,
            [
                None,
                three,
                three,
                Some(5),
                Some(5),
                Some(5),
                Some(5),
                Some(9)
            ]
        );
        // The commits up to block 9 are in the database and nobody reads an older state: only 9 and later are needed.
        set(&recent, b"k", state(12), 12, Keep::From(9));
        assert_eq!(seen(&recent, 8), None);
        assert_eq!((seen(&recent, 11), seen(&recent, 12)), (Some(9), Some(12)));
        // Two changes in one commit: the later one is its outcome.
        set(&recent, b"k", state(13), 12, Keep::From(9));
        assert_eq!((seen(&recent, 11), seen(&recent, 12)), (Some(9), Some(13)));
    }

    #[test]
    fn a_page_ends_where_it_is_full_and_says_so() {
        let recent = Recent::default();
        for key in [b"a", b"b", b"c"] {
            set(&recent, key, state(1), 1, Keep::All);
        }
        set(&recent, b"d", state(7), 7, Keep::All);
        let page = |from, len| {
            let (page, all) = recent.page(from, Bound::Unbounded, 6, len);
            let keys: Vec<_> = page.into_iter().map(|(key, _)| key[0]).collect();
            (keys, all)
        };
        assert_eq!(page(Bound::Unbounded, 2), (b"ab".to_vec(), false));
        assert_eq!(page(Bound::Excluded(b"b"), 2), (b"c".to_vec(), true));
    }
}

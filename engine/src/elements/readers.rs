use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fingerprint::Fingerprint;
use super::locator::Locator;
use super::segment::Entry;

/// The open snapshots, the open imports, and where elements lay that are gone for new snapshots but not for old ones.
///
/// The locator knows only the newest place of an element. An element that is reclaimed while an older snapshot is
/// open is buried here before its entry leaves the locator, and stays until no snapshot older than its commit is
/// open (INV-READ-1).
#[derive(Debug, Default)]
pub(crate) struct Readers {
    inner: Mutex<Inner>,
    /// Number of graves, so that a reader need not lock to learn there are none.
    graves: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    /// Commits of this process so far.
    commit: u64,
    /// Snapshots by the commit they were opened at, and when the first of them was.
    snapshots: BTreeMap<u64, (usize, Duration)>,
    /// Imports by the sequence number from which they protect.
    imports: BTreeMap<u64, usize>,
    graveyard: HashMap<Fingerprint, Vec<u64>>,
    /// Ascending by commit.
    funerals: VecDeque<(u64, Fingerprint, u64)>,
}

impl Readers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a snapshot that is about to begin; it sees this commit or a later one.
    pub(crate) fn enter(&self, now: Duration) -> u64 {
        let mut inner = self.lock();
        let commit = inner.commit;
        inner.snapshots.entry(commit).or_insert((0, now)).0 += 1;
        commit
    }

    pub(crate) fn leave(&self, commit: u64) {
        let mut inner = self.lock();
        if let Some((open, _)) = inner.snapshots.get_mut(&commit) {
            *open -= 1;
            if *open == 0 {
                inner.snapshots.remove(&commit);
            }
        }
        self.purge(&mut inner);
    }

    /// Number of open snapshots.
    pub(crate) fn snapshots(&self) -> usize {
        self.lock().snapshots.values().map(|(open, _)| open).sum()
    }

    /// When the oldest commit that is still read was first read.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let inner = self.lock();
        inner.snapshots.values().next().map(|(_, since)| *since)
    }

    /// Registers an import that protects stray blocks from `seq` on.
    pub(crate) fn begin_import(&self, seq: u64) {
        *self.lock().imports.entry(seq).or_default() += 1;
    }

    pub(crate) fn end_import(&self, seq: u64) {
        decrement(&mut self.lock().imports, seq);
    }

    /// The first sequence number that an open import protects.
    pub(crate) fn protected_from(&self) -> Option<u64> {
        self.lock().imports.keys().next().copied()
    }

    /// Makes a commit the newest one: what it reclaimed leaves the locator.
    pub(crate) fn publish(&self, gone: &[(Fingerprint, u64)], locator: &Locator) {
        let mut inner = self.lock();
        inner.commit += 1;
        if !inner.snapshots.is_empty() {
            let commit = inner.commit;
            for &(fingerprint, seq) in gone {
                inner.graveyard.entry(fingerprint).or_default().push(seq);
                inner.funerals.push_back((commit, fingerprint, seq));
            }
            self.graves.fetch_add(gone.len(), Ordering::Release);
        }
        for &(fingerprint, seq) in gone {
            locator.remove(fingerprint.segment, Entry::new(fingerprint, seq));
        }
        self.purge(&mut inner);
    }

    /// Where an element lay before it was reclaimed, newest first.
    pub(crate) fn buried(&self, fingerprint: Fingerprint) -> Vec<u64> {
        if self.graves.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let inner = self.lock();
        let mut graves = inner
            .graveyard
            .get(&fingerprint)
            .cloned()
            .unwrap_or_default();
        graves.reverse();
        graves
    }

    fn purge(&self, inner: &mut Inner) {
        let oldest = inner.snapshots.keys().next().copied().unwrap_or(u64::MAX);
        while let Some(&(commit, fingerprint, seq)) = inner.funerals.front() {
            if commit > oldest {
                break;
            }
            inner.funerals.pop_front();
            self.graves.fetch_sub(1, Ordering::Release);
            if let Some(graves) = inner.graveyard.get_mut(&fingerprint) {
                graves.retain(|grave| *grave != seq);
                if graves.is_empty() {
                    inner.graveyard.remove(&fingerprint);
                }
            }
        }
    }
}

fn decrement(counts: &mut BTreeMap<u64, usize>, key: u64) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reclaimed_element_stays_findable_while_an_older_snapshot_is_open() {
        let (readers, locator) = (Readers::default(), Locator::new(1 << 20, true));
        let fingerprint = Fingerprint {
            high: 5,
            low: 6,
            segment: 7,
        };
        locator.insert(fingerprint, 3);
        let old = readers.enter(Duration::from_secs(1));
        readers.publish(&[(fingerprint, 3)], &locator);
        let new = readers.enter(Duration::from_secs(2));
        assert_eq!(readers.oldest(), Some(Duration::from_secs(1)));
        assert_eq!(readers.buried(fingerprint), [3]);
        readers.leave(old);
        assert!(readers.buried(fingerprint).is_empty());
        readers.publish(&[], &locator);
        readers.leave(new);
        assert_eq!(readers.snapshots(), 0);
    }

    #[test]
    fn the_oldest_import_decides_what_is_protected() {
        let readers = Readers::default();
        readers.begin_import(9);
        readers.begin_import(4);
        assert_eq!(readers.protected_from(), Some(4));
        readers.end_import(4);
        assert_eq!(readers.protected_from(), Some(9));
        readers.end_import(9);
        assert_eq!(readers.protected_from(), None);
    }
}

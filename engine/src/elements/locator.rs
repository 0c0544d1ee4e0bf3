use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::fingerprint::Fingerprint;
use super::index_runs::read_segment;
use super::segment::{Entry, Table};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::tables::schema::{Db, SEGMENTS};

/// Where each element lies: the hash index in memory, loaded segment by segment when first touched.
///
/// Written by the writer, read by everybody. Entries appear before the commit that writes their block, so a reader
/// may find a sequence number that its snapshot does not have: to it the element is absent. An entry may also point
/// at a block that is gone (an index run is not rewritten when blocks are reclaimed): the block's count says so to the
/// writer, the missing row to a reader.
#[derive(Debug)]
pub(crate) struct Locator {
    segments: Box<[RwLock<Segment>]>,
    /// Memory of all tables.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Where the search for a segment to evict goes on.
    hand: AtomicUsize,
}

#[derive(Debug, Default)]
struct Segment {
    /// Everything if `loaded`, else what is pending.
    table: Table,
    /// Entries that are in no run yet.
    pending: Vec<Entry>,
    loaded: bool,
    touched: AtomicBool,
}

impl Locator {
    /// A locator that keeps its tables within `bytes_max`, but for what is pending. `complete` says that there are
    /// no runs to load from.
    pub(crate) fn new(bytes_max: usize, complete: bool) -> Self {
        let segment = || {
            RwLock::new(Segment {
                loaded: complete,
                ..Segment::default()
            })
        };
        Self {
            segments: (0..SEGMENTS).map(|_| segment()).collect(),
            bytes: AtomicUsize::new(0),
            bytes_max,
            hand: AtomicUsize::new(0),
        }
    }

    fn read(&self, segment: u16) -> Option<RwLockReadGuard<'_, Segment>> {
        let lock = self.segments.get(usize::from(segment))?;
        Some(lock.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, segment: u16) -> Option<RwLockWriteGuard<'_, Segment>> {
        let lock = self.segments.get(usize::from(segment))?;
        Some(lock.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest sequence number of an element. It may be one that is gone, see above.
    pub(crate) fn find(
        &self,
        db: &Db,
        metrics: &Metrics,
        fingerprint: Fingerprint,
    ) -> Result<Option<u64>, Error> {
        {
            let Some(segment) = self.read(fingerprint.segment) else {
                return Ok(None);
            };
            let found = segment.table.find(fingerprint);
            if !segment.touched.load(Ordering::Relaxed) {
                segment.touched.store(true, Ordering::Relaxed);
            }
            if found.is_some() || segment.loaded {
                return Ok(found);
            }
        }
        let Some(mut segment) = self.write(fingerprint.segment) else {
            return Ok(None);
        };
        if !segment.loaded {
            // Read while the segment is locked: the writer clears what is pending only after the commit that put it
            // into a run, so an entry is in the run, or pending, or both.
            let entries = read_segment(db, fingerprint.segment)?;
            let mut table = Table::with_room(entries.len() + segment.pending.len());
            for entry in entries.iter().chain(&segment.pending) {
                table.insert(*entry);
            }
            self.resized(segment.table.bytes(), table.bytes());
            segment.table = table;
            segment.loaded = true;
            segment.touched = AtomicBool::new(true);
            metrics.index_segments_loaded(1);
        }
        let found = segment.table.find(fingerprint);
        drop(segment);
        self.trim(metrics);
        Ok(found)
    }

    /// Adds the entry of a new block.
    pub(crate) fn insert(&self, fingerprint: Fingerprint, seq: u64) {
        let Some(mut segment) = self.write(fingerprint.segment) else {
            return;
        };
        let entry = Entry::new(fingerprint, seq);
        let before = segment.table.bytes();
        segment.table.insert(entry);
        segment.pending.push(entry);
        self.resized(before, segment.table.bytes());
    }

    /// Removes the entry of a block that is gone.
    pub(crate) fn remove(&self, segment: u16, entry: Entry) {
        let Some(mut segment) = self.write(segment) else {
            return;
        };
        segment.table.remove(entry);
        segment.pending.retain(|pending| *pending != entry);
    }

    /// Shows the entries of a segment that are in no run yet.
    pub(crate) fn pending<T>(&self, segment: u16, look: impl FnOnce(&[Entry]) -> T) -> Option<T> {
        Some(look(&self.read(segment)?.pending))
    }

    /// Forgets what is pending, after the commit that wrote it to a run.
    pub(crate) fn clear_pending(&self) {
        for lock in &self.segments {
            let mut segment = lock.write().unwrap_or_else(PoisonError::into_inner);
            segment.pending.clear();
            if !segment.loaded {
                self.resized(segment.table.bytes(), 0);
                segment.table = Table::default();
            }
        }
    }

    /// Memory of the tables, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Evicts segments that were not touched lately until the tables fit.
    pub(crate) fn trim(&self, metrics: &Metrics) {
        // Two rounds clear every mark; what is left then is pending.
        for _ in 0..2 * self.segments.len() {
            if self.bytes() <= self.bytes_max {
                return;
            }
            let at = self.hand.fetch_add(1, Ordering::Relaxed) % self.segments.len();
            let Some(Ok(mut segment)) = self.segments.get(at).map(RwLock::try_write) else {
                continue;
            };
            if !segment.loaded || core::mem::take(segment.touched.get_mut()) {
                continue;
            }
            let mut table = Table::with_room(segment.pending.len());
            for entry in &segment.pending {
                table.insert(*entry);
            }
            self.resized(segment.table.bytes(), table.bytes());
            segment.table = table;
            segment.loaded = false;
            metrics.index_segments_evicted(1);
        }
    }

    fn resized(&self, before: usize, after: usize) {
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

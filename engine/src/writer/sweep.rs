use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use uxf_codec::ElementHash;
use uxf_codec::canonical::ElementView;

use super::Writer;
use super::transaction::Transaction;
use crate::elements::count::{Count, PAGE_LEN};
use crate::error::{During as _, Error};
use crate::oplog::{Commit, Segment};
use crate::options::Durability;
use crate::profile::change::{ReadCommit, ReadOperation, ReadSegment};
use crate::snapshot::Snapshot;
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::BLOCKS;

/// Blocks taken from the queue at once.
const CHUNK: usize = 2_048;

/// Two blocks this close are deleted in one pass over the table.
const SPAN_GAP: u64 = 64;

/// Blocks the queue holds in memory; beyond it they are found again by their counts.
const QUEUE_MAX: usize = 1 << 20;

/// Count pages searched in one go for blocks that the queue does not know.
const SCAN_PAGES: u64 = 1_024;

/// Share of a step that a commit may release and still reclaim at once: a few tokens, which often lie together.
const FEW_SHARE: u64 = 16;

/// Steps' worth of released blocks from which every commit reclaims. Until then those of a large one wait for a pause
/// or an explicit sweep: taken together and in order, blocks that share a page of the file cost one write of it.
const BACKLOG_STEPS: u64 = 16;

/// Most blocks that wait, however large the store is. Half of what the queue holds.
const BACKLOG_MAX: u64 = QUEUE_MAX as u64 / 2;

/// Steps that an explicit sweep puts into one commit.
const STEPS_PER_COMMIT: u64 = 4;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepOutcome {
    /// Elements reclaimed.
    pub elements: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Elements that can be reclaimed and are not yet, because the budget ended.
    pub remaining: u64,
}

/// Blocks whose last reference was released.
///
/// The queue is only a hint: the counts say which blocks are released, and a crash or an overflow is made up for by
/// searching the count pages. It gives the youngest block first, so that parents come before their children and a
/// token goes in one pass.
#[derive(Debug, Default)]
pub(super) struct SweepQueue {
    heap: BinaryHeap<u64>,
    /// Where the search of the count pages goes on, if one is needed.
    scan: Option<u64>,
    /// Blocks that an open import put and found there.
    guarded: HashSet<u64>,
    /// Whether blocks were passed over because an import is open.
    passed_over: bool,
}

/// What a sweep passes over because an import is open.
#[derive(Debug)]
pub(crate) struct Spared {
    from: u64,
    guarded: HashSet<u64>,
}

impl Spared {
    /// Whether a block is passed over.
    pub(crate) fn has(&self, seq: u64) -> bool {
        seq >= self.from || self.guarded.contains(&seq)
    }
}

impl SweepQueue {
    pub(super) fn after_open(released: bool) -> Self {
        Self {
            scan: released.then_some(0),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, seq: u64) {
        if self.heap.len() < QUEUE_MAX {
            self.heap.push(seq);
        } else {
            self.scan = Some(0);
        }
    }

    pub(super) fn guard(&mut self, seq: u64) {
        self.guarded.insert(seq);
    }
}

impl Writer {
    /// Whether there is something to sweep unasked.
    pub(super) fn sweep_is_due(&self) -> bool {
        !self.sweep.heap.is_empty()
            || self.sweep.scan.is_some()
            || (self.sweep.passed_over && self.shared.readers.protected_from().is_none())
    }

    /// Reclaims within a commit that releases few blocks, or when too many wait: in proportion to what the commit
    /// released, so that the queue cannot grow for ever and a small commit stays small.
    pub(super) fn sweep_in_commit(&mut self, tx: &mut Transaction) -> Result<(), Error> {
        let few = self.shared.options.sweep_elements as u64 / FEW_SHARE;
        let waits = tx.released > few && self.state.released <= self.backlog_max();
        if tx.released == 0 || waits {
            return Ok(());
        }
        let budget = tx.released.saturating_mul(4).saturating_add(64);
        self.sweep_step(tx, budget).map(drop)
    }

    /// How many released blocks may wait: some steps' worth, or half as many as there are others.
    fn backlog_max(&self) -> u64 {
        let steps = (self.shared.options.sweep_elements as u64).saturating_mul(BACKLOG_STEPS);
        let share = self.state.elements.saturating_sub(self.state.released) / 2;
        steps.max(share).min(BACKLOG_MAX)
    }

    /// A step of its own when nothing else waits.
    pub(super) fn sweep_idle(&mut self) -> Result<(), Error> {
        let budget = self.shared.options.sweep_elements as u64;
        let result = self.sweep_commit(budget, Durability::Buffered);
        self.sweeping = true;
        self.poison_on_error(result).map(drop)
    }

    /// Reclaims everything that is not referenced, strays included, up to a budget, in commits of bounded size.
    pub(super) fn sweep_all(&mut self, budget: u64) -> Result<SweepOutcome, Error> {
        let span = tracing::debug_span!("sweep", budget);
        let _entered = span.enter();
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        let result = self.try_sweep_all(budget);
        self.poison_on_error(result)
    }

    /// What is needed to tell what a sweep would do: between two commits both belong together.
    pub(super) fn sweep_preview(&mut self) -> Result<(Snapshot, Spared), Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        let from = self.protected_from();
        let guarded = self.sweep.guarded.clone();
        let snapshot = Snapshot::open(Arc::clone(&self.shared))?;
        Ok((snapshot, Spared { from, guarded }))
    }

    fn try_sweep_all(&mut self, budget: u64) -> Result<SweepOutcome, Error> {
        let mut outcome = SweepOutcome::default();
        let mut page = 0;
        loop {
            let left = budget.saturating_sub(outcome.elements);
            let commit = (self.shared.options.sweep_elements as u64) * STEPS_PER_COMMIT;
            let step = left.min(commit);
            if step == 0 {
                break;
            }
            // Durable where it is to be so in the end: only then the next commit can write where this one made room,
            // and the file need not grow by all that is rewritten.
            let swept = self.sweep_commit(step, self.shared.options.durability)?;
            outcome.elements += swept.elements;
            outcome.bytes += swept.bytes;
            if swept.elements == 0 && !self.sweep_is_due() && !self.release_strays(&mut page)? {
                break;
            }
        }
        if outcome.elements > 0 && self.shared.options.durability == Durability::Durable {
            self.make_durable(true)?;
        }
        outcome.remaining = self.state.released;
        Ok(outcome)
    }

    fn sweep_commit(&mut self, budget: u64, durability: Durability) -> Result<SweepOutcome, Error> {
        let mut tx = self.begin(durability)?;
        let outcome = self.sweep_step(&mut tx, budget)?;
        if outcome.elements == 0 && tx.changed.is_empty() {
            tx.txn.abort().during("giving up a sweep")?;
            return Ok(outcome);
        }
        self.conclude(&mut tx)?;
        self.commit_database(tx, false)?;
        Ok(outcome)
    }

    /// Turns strays into released blocks, some pages further each time. False when there are no pages left.
    fn release_strays(&mut self, page: &mut u64) -> Result<bool, Error> {
        let pages = self.state.next_seq.div_ceil(PAGE_LEN as u64);
        if *page >= pages {
            return Ok(false);
        }
        let mut tx = self.begin(Durability::Buffered)?;
        let protected = self.protected_from();
        let end = pages.min(*page + SCAN_PAGES);
        for number in *page..end {
            let strays = self.positions(number, Count::Stray)?;
            for seq in strays {
                if seq < protected && !self.sweep.guarded.contains(&seq) {
                    self.set_count(&mut tx, seq, Count::Stray, Count::Released)?;
                }
            }
        }
        *page = end;
        if tx.changed.is_empty() {
            tx.txn.abort().during("giving up a search for strays")?;
            return Ok(true);
        }
        self.conclude(&mut tx)?;
        self.commit_database(tx, false)?;
        Ok(true)
    }

    fn positions(&mut self, page: u64, count: Count) -> Result<Vec<u64>, Error> {
        let first = page * PAGE_LEN as u64;
        let counts = self.counts.page(&self.shared.db, page)?;
        Ok(counts
            .positions_of(count)
            .map(|position| first + u64::from(position))
            .collect())
    }

    fn protected_from(&mut self) -> u64 {
        let from = self.shared.readers.protected_from();
        if from.is_none() {
            self.sweep.guarded.clear();
        }
        from.unwrap_or(u64::MAX)
    }

    /// Reclaims up to `budget` released blocks and releases what they name.
    fn sweep_step(&mut self, tx: &mut Transaction, budget: u64) -> Result<SweepOutcome, Error> {
        let mut outcome = SweepOutcome::default();
        let protected = self.protected_from();
        if protected == u64::MAX && core::mem::take(&mut self.sweep.passed_over) {
            self.sweep.scan = Some(0);
        }
        while outcome.elements < budget {
            let room = usize::try_from(budget - outcome.elements).unwrap_or(CHUNK);
            let chunk = self.take_chunk(room.min(CHUNK), protected)?;
            if chunk.is_empty() {
                if !self.scan_pages()? {
                    break;
                }
                continue;
            }
            let links = self.reclaim(tx, &chunk, &mut outcome)?;
            for link in links {
                self.release_link(tx, &link)?;
            }
        }
        self.shared.metrics.elements_reclaimed(outcome.elements);
        self.shared.metrics.element_bytes_reclaimed(outcome.bytes);
        Ok(outcome)
    }

    /// The next blocks to reclaim, in ascending order.
    fn take_chunk(&mut self, len: usize, protected: u64) -> Result<Vec<u64>, Error> {
        let mut chunk = Vec::with_capacity(len);
        while chunk.len() < len {
            let Some(seq) = self.sweep.heap.pop() else {
                break;
            };
            // Brought back, reclaimed, or in the queue twice.
            if self.counts.get(&self.shared.db, seq)? != Count::Released
                || chunk.last() == Some(&seq)
            {
                continue;
            }
            if seq >= protected || self.sweep.guarded.contains(&seq) {
                self.sweep.passed_over = true;
                continue;
            }
            chunk.push(seq);
        }
        chunk.reverse();
        Ok(chunk)
    }

    /// Searches some count pages for released blocks. False when no search is under way.
    fn scan_pages(&mut self) -> Result<bool, Error> {
        let Some(first) = self.sweep.scan.take() else {
            return Ok(false);
        };
        let pages = self.state.next_seq.div_ceil(PAGE_LEN as u64);
        let end = pages.min(first + SCAN_PAGES);
        for page in first..end {
            let released = self.positions(page, Count::Released)?;
            self.sweep.heap.extend(released);
        }
        if end < pages {
            self.sweep.scan = Some(end);
        }
        Ok(true)
    }

    /// Deletes rows and gives what they named.
    fn reclaim(
        &mut self,
        tx: &mut Transaction,
        chunk: &[u64],
        outcome: &mut SweepOutcome,
    ) -> Result<Vec<ElementHash>, Error> {
        let mut reclaimed = Vec::with_capacity(chunk.len());
        let mut links = Vec::new();
        {
            let mut table = tx.txn.open_table(BLOCKS).during("opening blocks-1")?;
            let mut own_links = Vec::new();
            for span in chunk.chunk_by(|a, b| b - a <= SPAN_GAP) {
                let (Some(&first), Some(&last)) = (span.first(), span.last()) else {
                    continue;
                };
                let mut wanted = span.iter().copied().peekable();
                let mut failed = None;
                table
                    .retain_in(first..=last, |seq, row| {
                        if failed.is_some() || wanted.next_if_eq(&seq).is_none() {
                            return true;
                        }
                        match links_of(seq, row, &mut own_links) {
                            Ok(row) => {
                                links.extend_from_slice(&own_links);
                                reclaimed.push((seq, row.hash, row.kind, row.bytes.len()));
                                false
                            }
                            Err(error) => {
                                failed = Some(error);
                                true
                            }
                        }
                    })
                    .during("deleting blocks")?;
                if let Some(error) = failed {
                    return Err(error);
                }
                if let Some(seq) = wanted.next() {
                    return Err(Error::corrupted(
                        "blocks-1",
                        seq,
                        "INV-BLOCK-3: a counted block without a row",
                    ));
                }
            }
        }
        for (seq, hash, kind, bytes) in reclaimed {
            self.set_count(tx, seq, Count::Released, Count::Absent)?;
            self.state.remove_block(kind.id(), bytes);
            if seq < self.state.watermark {
                self.state.stale += 1;
            }
            tx.gone.push((self.shared.fingerprint(&hash), seq));
            outcome.elements += 1;
            outcome.bytes += bytes as u64;
        }
        Ok(links)
    }

    fn release_link(&mut self, tx: &mut Transaction, hash: &ElementHash) -> Result<(), Error> {
        match self.lookup(self.shared.fingerprint(hash))? {
            Some((seq, _)) => self.apply_change(tx, seq, -1, 0),
            None => Err(Error::corrupted(
                "blocks-1",
                hash,
                "INV-COUNT-1: an element that another one names is not stored",
            )),
        }
    }
}

/// Decodes a block's row and reads what it names.
pub(crate) fn links_of<'a>(
    seq: u64,
    row: &'a [u8],
    links: &mut Vec<ElementHash>,
) -> Result<BlockRow<'a>, Error> {
    let row = BlockRow::decode(seq, row)?;
    links.clear();
    let damaged = |reason: String| Error::corrupted("blocks-1", seq, reason);
    match row.kind {
        BlockKind::Opaque => {}
        BlockKind::Element(_) => {
            let view = ElementView::parse(row.bytes).map_err(|error| damaged(error.to_string()))?;
            view.distinct_links(links);
        }
        BlockKind::Commit => {
            let commit = Commit::decode(row.bytes).map_err(|error| damaged(error.to_string()))?;
            links.extend(ReadCommit::of(&commit).links());
        }
        BlockKind::Segment => {
            let segment = Segment::decode(row.bytes).map_err(|error| damaged(error.to_string()))?;
            links.extend(ReadSegment::of(&segment).links());
        }
        BlockKind::Operation => {
            let alone =
                ReadOperation::stored(row.bytes).map_err(|error| damaged(error.to_string()))?;
            links.extend(alone.link());
        }
    }
    Ok(row)
}

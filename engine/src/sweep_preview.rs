use std::collections::HashMap;

use crate::elements::count::Count;
use crate::engine::Engine;
use crate::error::{During as _, Error};
use crate::integrity::StoredCounts;
use crate::snapshot::Snapshot;
use crate::tables::schema::BLOCKS;
use crate::writer::{Command, Spared, SweepOutcome, links_of};

impl Engine {
    /// What [`sweep`](Self::sweep) without a budget would reclaim now, with all that would fall along; nothing is
    /// changed and writers are not held up. It reads the counts of the whole store and what would be reclaimed.
    ///
    /// ```
    /// use uxf_engine::{Engine, EngineOptions};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let mut batch = engine.begin();
    /// batch.put_opaque(b"needed by nobody").unwrap();
    /// batch.commit().unwrap();
    /// let preview = engine.sweep_preview().unwrap();
    /// assert_eq!((preview.elements, preview.bytes), (1, 16));
    /// assert_eq!(engine.sweep(u64::MAX).unwrap(), preview);
    /// ```
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn sweep_preview(&self) -> Result<SweepOutcome, Error> {
        let span = tracing::debug_span!("sweep_preview");
        let _entered = span.enter();
        let (snapshot, spared) = self.ask(Command::SweepPreview)?;
        preview(&snapshot, &spared)
    }
}

fn preview(snapshot: &Snapshot, spared: &Spared) -> Result<SweepOutcome, Error> {
    let stored = StoredCounts::read(snapshot.txn())?;
    let blocks = snapshot.txn().open_table(BLOCKS);
    let blocks = blocks.during("opening blocks-1")?;
    let mut queue: Vec<u64> = stored
        .counted()
        .filter(|(_, count)| matches!(count, Count::Released | Count::Stray))
        .map(|(seq, _)| seq)
        .collect();
    // References that blocks named by what falls would have left.
    let mut left: HashMap<u64, u32> = HashMap::new();
    let mut links = Vec::new();
    let mut outcome = SweepOutcome::default();
    while let Some(seq) = queue.pop() {
        if spared.has(seq) {
            // A stray that is spared stays a stray; anything else waits as released.
            outcome.remaining += u64::from(stored.get(seq) != Count::Stray);
            continue;
        }
        let row = blocks.get(seq).during("reading a block")?;
        let row = row.ok_or_else(|| {
            Error::corrupted(
                "blocks-1",
                seq,
                "INV-BLOCK-3: a counted block without a row",
            )
        })?;
        let block = links_of(seq, row.value(), &mut links)?;
        outcome.elements += 1;
        outcome.bytes += block.bytes.len() as u64;
        for link in &links {
            let child = snapshot.seq_of(link)?.ok_or_else(|| {
                Error::corrupted(
                    "blocks-1",
                    link,
                    "INV-COUNT-1: an element that another one names is not stored",
                )
            })?;
            let references = left
                .entry(child)
                .or_insert_with(|| stored.get(child).references());
            // Going below zero would count a block twice.
            *references = references.checked_sub(1).ok_or_else(|| {
                Error::corrupted(
                    "counts-1",
                    child,
                    "INV-COUNT-1: named more often than counted",
                )
            })?;
            if *references == 0 {
                queue.push(child);
            }
        }
    }
    Ok(outcome)
}

use std::collections::{HashMap, HashSet};

use redb::{ReadOnlyTable, ReadableTable as _, ReadableTableMetadata as _};
use uxf_codec::canonical::ElementView;
use uxf_codec::{ElementHash, ElementType};

use super::index::OwnIndex;
use super::stored::StoredCounts;
use super::{IntegrityProgress, IntegrityReport};
use crate::elements::count::{Count, PAGE_LEN};
use crate::elements::count_pages::split;
use crate::error::{During as _, Error};
use crate::oplog::Commit;
use crate::snapshot::Snapshot;
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::{BLOCKS, INVENTORIES, TOKENS};
use crate::tables::state::State;
use crate::writer::links_of;

/// Rows between two calls of the progress function.
const STEP: u64 = 4_096;

/// A check under way.
pub(super) struct Check<'a> {
    pub(super) snapshot: &'a Snapshot,
    progress: &'a mut dyn FnMut(IntegrityProgress),
    pub(super) report: IntegrityReport,
    pub(super) own: OwnIndex,
    recount: Recount,
    /// What the rows add up to.
    totals: State,
}

/// References found, by sequence number, in pages that exist where there are blocks.
#[derive(Default)]
struct Recount(HashMap<u64, Box<[u32; PAGE_LEN]>>);

impl Recount {
    fn add(&mut self, seq: u64) {
        let (page, position) = split(seq);
        let page = self
            .0
            .entry(page)
            .or_insert_with(|| Box::new([0; PAGE_LEN]));
        if let Some(count) = page.get_mut(usize::from(position)) {
            *count = count.saturating_add(1);
        }
    }

    fn get(&self, seq: u64) -> u32 {
        let (page, position) = split(seq);
        let page = self.0.get(&page);
        page.and_then(|page| page.get(usize::from(position)).copied())
            .unwrap_or(0)
    }
}

impl<'a> Check<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        progress: &'a mut dyn FnMut(IntegrityProgress),
    ) -> Self {
        Self {
            snapshot,
            progress,
            report: IntegrityReport::default(),
            own: OwnIndex::default(),
            recount: Recount::default(),
            totals: State::default(),
        }
    }

    /// Runs the phases. Damage that keeps a phase from going on cuts the report short: later phases would report
    /// what follows from it.
    pub(super) fn run(mut self, memory: Option<&State>) -> Result<IntegrityReport, Error> {
        let span = tracing::info_span!("check_integrity");
        let _entered = span.enter();
        if let Err(error) = self.phases(memory) {
            self.report.absorb(error)?;
            self.report.is_cut_short = true;
        }
        tracing::info!(
            elements = self.report.elements,
            problems = self.report.problems.len(),
            "checked"
        );
        Ok(self.report)
    }

    fn phases(&mut self, memory: Option<&State>) -> Result<(), Error> {
        self.at("counts", 0, 1);
        let stored = StoredCounts::read(self.snapshot.txn())?;
        let blocks = self
            .snapshot
            .txn()
            .open_table(BLOCKS)
            .during("opening blocks-1")?;
        self.elements(&blocks, &stored)?;
        self.links(&blocks)?;
        self.tokens(&blocks, &stored.state)?;
        self.wallets()?;
        self.profiles(&blocks)?;
        self.references(&stored);
        self.compare_totals(&stored, memory);
        self.index(&stored)
    }

    pub(super) fn at(&mut self, phase: &'static str, done: u64, total: u64) {
        if done.is_multiple_of(STEP) || done == total {
            (self.progress)(IntegrityProgress { phase, done, total });
        }
    }

    /// Hashes and parses every element.
    fn elements(
        &mut self,
        blocks: &ReadOnlyTable<u64, &'static [u8]>,
        stored: &StoredCounts,
    ) -> Result<(), Error> {
        let total = blocks.len().during("counting blocks")?;
        for row in blocks.iter().during("reading blocks")? {
            let (seq, row) = row.during("reading blocks")?;
            let seq = seq.value();
            self.report.elements += 1;
            self.at("elements", self.report.elements, total);
            let row = match BlockRow::decode(seq, row.value()) {
                Ok(row) => row,
                Err(error) => {
                    self.report.absorb(error)?;
                    continue;
                }
            };
            self.report.bytes += row.bytes.len() as u64;
            self.totals.add_block(row.kind.id(), row.bytes.len());
            self.element(seq, &row);
            if stored.get(seq) == Count::Absent {
                let what = "INV-BLOCK-3: a block that is not counted";
                self.report.add("blocks-1", seq, what);
            }
        }
        Ok(())
    }

    fn element(&mut self, seq: u64, row: &BlockRow<'_>) {
        let found = row.kind.hash(row.bytes);
        if found != row.hash {
            let what = format!("the bytes of element {} have the hash {found}", row.hash);
            self.report.add("blocks-1", seq, what);
        }
        if let BlockKind::Commit = row.kind
            && let Err(error) = Commit::decode(row.bytes)
        {
            self.report.add("blocks-1", seq, error.to_string());
        }
        if let BlockKind::Element(element_type) = row.kind {
            match ElementView::parse(row.bytes) {
                Ok(view) if view.element_type() != element_type => {
                    let what = format!(
                        "a row for {} with an element of type {}",
                        element_type.name(),
                        view.element_type().name()
                    );
                    self.report.add("blocks-1", seq, what);
                }
                Ok(_) => {}
                Err(error) => self.report.add("blocks-1", seq, error.to_string()),
            }
        }
        let fingerprint = self.snapshot.shared().fingerprint(&row.hash);
        if let Some(other) = self.own.insert(fingerprint, seq) {
            let what = format!("element {} is also at {other}", row.hash);
            self.report.add("blocks-1", seq, what);
        }
    }

    /// Counts what elements name. A second pass, because a child may come after its parent.
    fn links(&mut self, blocks: &ReadOnlyTable<u64, &'static [u8]>) -> Result<(), Error> {
        let mut links = Vec::new();
        let mut done = 0;
        let total = self.report.elements;
        for row in blocks.iter().during("reading blocks")? {
            let (seq, row) = row.during("reading blocks")?;
            done += 1;
            self.at("links", done, total);
            let seq = seq.value();
            // What cannot be read is reported already.
            if links_of(seq, row.value(), &mut links).is_ok() {
                self.refer("blocks-1", seq, &links);
            }
        }
        Ok(())
    }

    /// Counts what something names.
    pub(super) fn refer(&mut self, table: &'static str, key: u64, links: &[ElementHash]) {
        for link in links {
            if let Some(child) = self.own.find(self.snapshot.shared().fingerprint(link)) {
                self.recount.add(child);
            } else {
                let what = format!("INV-COUNT-1: it names {link}, which is not stored");
                self.report.add(table, key, what);
            }
        }
    }

    /// Counts the reference that a log makes to the block of a commit.
    pub(super) fn hold(&mut self, block: u64) {
        self.recount.add(block);
    }

    fn tokens(
        &mut self,
        blocks: &ReadOnlyTable<u64, &'static [u8]>,
        state: &State,
    ) -> Result<(), Error> {
        let txn = self.snapshot.txn();
        let inventories = self.inventories(state)?;
        let table = txn.open_table(TOKENS).during("opening tokens-1")?;
        let total = table.len().during("counting tokens")?;
        for row in table.iter().during("reading tokens")? {
            let (key, row) = row.during("reading tokens")?;
            self.report.tokens += 1;
            self.at("tokens", self.report.tokens, total);
            let name = token_name(key.value());
            let inventory = key.value().first_chunk::<4>().copied();
            match inventory.map(u32::from_be_bytes) {
                Some(id) if inventories.contains(&id) => {}
                _ => self
                    .report
                    .add("tokens-1", &name, "a token of an unknown inventory"),
            }
            if core::str::from_utf8(key.value().get(4..).unwrap_or_default()).is_err() {
                self.report.add("tokens-1", &name, "an id that is no text");
            }
            let (digests, tail) = row.value().as_chunks::<32>();
            if digests.is_empty() || !tail.is_empty() {
                let what = "a row that is no list of hashes";
                self.report.add("tokens-1", &name, what);
            }
            for (position, digest) in digests.iter().enumerate() {
                self.root(blocks, &name, position, &ElementHash::from_bytes(*digest))?;
            }
        }
        Ok(())
    }

    /// Checks and counts what a token keeps: its root first, then pinned instances of any type.
    fn root(
        &mut self,
        blocks: &ReadOnlyTable<u64, &'static [u8]>,
        token: &str,
        position: usize,
        hash: &ElementHash,
    ) -> Result<(), Error> {
        let Some(seq) = self.own.find(self.snapshot.shared().fingerprint(hash)) else {
            let what = format!("element {hash} is not stored");
            self.report.add("tokens-1", token, what);
            return Ok(());
        };
        self.recount.add(seq);
        if position > 0 {
            return Ok(());
        }
        let row = blocks.get(seq).during("reading a block")?;
        let kind = row.and_then(|row| Some(BlockRow::decode(seq, row.value()).ok()?.kind));
        if kind != Some(BlockKind::Element(ElementType::TokenRoot)) {
            let what = format!("its root {hash} is no token-root");
            self.report.add("tokens-1", token, what);
        }
        Ok(())
    }

    fn inventories(&mut self, state: &State) -> Result<HashSet<u32>, Error> {
        let txn = self.snapshot.txn();
        let table = txn
            .open_table(INVENTORIES)
            .during("opening inventories-1")?;
        let mut ids = HashSet::new();
        for row in table.iter().during("reading inventories")? {
            let (name, id) = row.during("reading inventories")?;
            let name = String::from_utf8_lossy(name.value()).into_owned();
            if !ids.insert(id.value()) {
                let what = format!("its id {} is also that of another", id.value());
                self.report.add("inventories-1", &name, what);
            }
            if id.value() >= state.next_inventory {
                let what = format!("its id {} was never given out", id.value());
                self.report.add("inventories-1", &name, what);
            }
        }
        Ok(ids)
    }

    /// Compares the recount with the stored counts. Pins are not stored by element: only their sum is.
    fn references(&mut self, stored: &StoredCounts) {
        self.totals.next_seq = stored.state.next_seq;
        let total = self.report.elements;
        for (done, (seq, count)) in (1_u64..).zip(stored.counted()) {
            self.at("references", done, total);
            if !self.own.is_live(seq) {
                let what = "INV-BLOCK-3: a counted block without a row";
                self.report.add("counts-1", seq, what);
                continue;
            }
            if count == Count::Released {
                self.totals.released += 1;
            }
            let (found, said) = (self.recount.get(seq), count.references());
            match said.checked_sub(found) {
                Some(pins) => self.totals.pins += u64::from(pins),
                None => self.report.add(
                    "counts-1",
                    seq,
                    format!("INV-COUNT-1: {said} references counted, {found} found"),
                ),
            }
        }
    }

    fn compare_totals(&mut self, stored: &StoredCounts, memory: Option<&State>) {
        let (state, found) = (stored.state, self.totals);
        let pairs = [
            ("elements", state.elements, found.elements),
            ("bytes", state.bytes, found.bytes),
            ("released", state.released, found.released),
            (
                "pins (references that neither an element nor a token makes)",
                state.pins,
                found.pins,
            ),
            (
                "journal entries",
                state.journal_entries,
                stored.journal_entries,
            ),
        ];
        for (what, said, found) in pairs {
            if said != found {
                self.report
                    .add("meta-1", "state", format!("{what}: {said}, found {found}"));
            }
        }
        if (state.kinds, state.kind_bytes) != (found.kinds, found.kind_bytes) {
            let what = "the totals by type are not those of the blocks";
            self.report.add("meta-1", "state", what);
        }
        if let Some(last) = self.own.last().filter(|last| *last >= state.next_seq) {
            let what = format!(
                "INV-BLOCK-1: block {last} is beyond the next, {}",
                state.next_seq
            );
            self.report.add("meta-1", "state", what);
        }
        if let Some(memory) = memory.filter(|memory| **memory != state) {
            let what = format!("{memory:?} where the file says {state:?}");
            self.report.add("memory", "state", what);
        }
    }
}

fn token_name(key: &[u8]) -> String {
    String::from_utf8_lossy(key.get(4..).unwrap_or(key)).into_owned()
}

use std::collections::BTreeMap;

use redb::ReadableTable as _;

use super::check::Check;
use super::stored::StoredCounts;
use crate::elements::count::PAGE_LEN;
use crate::elements::count_pages::split;
use crate::elements::fingerprint::Fingerprint;
use crate::elements::index_runs::decode_row;
use crate::elements::segment::{Entry, Table};
use crate::error::{During as _, Error};
use crate::tables::run_directory::RunDirectory;
use crate::tables::schema::{INDEX, MetaKey, SEGMENTS, read_meta};

/// Where each block lies, made from the rows alone.
#[derive(Default)]
pub(super) struct OwnIndex {
    segments: Vec<Table>,
    live: Bits,
    last: Option<u64>,
}

/// A set of sequence numbers.
#[derive(Default)]
struct Bits(BTreeMap<u64, Box<[u64; PAGE_LEN / 64]>>);

impl Bits {
    fn set(&mut self, seq: u64) {
        let (page, position) = split(seq);
        let page = self
            .0
            .entry(page)
            .or_insert_with(|| Box::new([0; PAGE_LEN / 64]));
        if let Some(word) = page.get_mut(usize::from(position / 64)) {
            *word |= 1 << (position % 64);
        }
    }

    fn has(&self, seq: u64) -> bool {
        let (page, position) = split(seq);
        let word = self
            .0
            .get(&page)
            .and_then(|page| page.get(usize::from(position / 64)));
        word.is_some_and(|word| word & (1 << (position % 64)) != 0)
    }
}

impl OwnIndex {
    /// Adds a block; gives the one that is there already under this fingerprint.
    pub(super) fn insert(&mut self, fingerprint: Fingerprint, seq: u64) -> Option<u64> {
        self.live.set(seq);
        self.last = self.last.max(Some(seq));
        if self.segments.is_empty() {
            self.segments
                .resize_with(usize::from(SEGMENTS), Table::default);
        }
        let table = self.segments.get_mut(usize::from(fingerprint.segment))?;
        let other = table.find(fingerprint);
        table.insert(Entry::new(fingerprint, seq));
        other
    }

    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<u64> {
        let table = self.segments.get(usize::from(fingerprint.segment))?;
        table.find(fingerprint)
    }

    pub(super) fn is_live(&self, seq: u64) -> bool {
        self.live.has(seq)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    fn entries(&self, segment: u16) -> impl Iterator<Item = Entry> + '_ {
        self.segments
            .get(usize::from(segment))
            .into_iter()
            .flat_map(Table::entries)
    }
}

impl Check<'_> {
    /// Compares the index with the blocks: every entry of a block that is there is that block's, and every block is
    /// found, in the rows of the index and through the open store.
    pub(super) fn index(&mut self, stored: &StoredCounts) -> Result<(), Error> {
        let directory = match read_meta(self.snapshot.txn(), MetaKey::Runs)? {
            Some(row) => RunDirectory::decode(&row)?,
            None => RunDirectory::default(),
        };
        let indexed = self.index_rows(stored, &directory)?;
        let mut done = 0;
        let total = self.report.elements;
        for segment in 0..SEGMENTS {
            let entries: Vec<Entry> = self.own.entries(segment).collect();
            for entry in entries {
                done += 1;
                self.at("index", done, total);
                let seq = entry.seq();
                if seq < stored.state.watermark && !indexed.has(seq) {
                    let what = "INV-INDEX-1: a block that no run of the index has";
                    self.report.add("index-1", seq, what);
                }
                let located = self.snapshot.locates(entry.fingerprint(segment), seq);
                match located {
                    Ok(true) => {}
                    Ok(false) => {
                        let what = "the open store does not find this block";
                        self.report.add("memory", seq, what);
                    }
                    Err(error) => {
                        // The row is damaged: it is the same for the rest of the segment.
                        self.report.absorb(error)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks the rows of the index and gives the blocks they know.
    fn index_rows(
        &mut self,
        stored: &StoredCounts,
        directory: &RunDirectory,
    ) -> Result<Bits, Error> {
        let txn = self.snapshot.txn();
        let table = txn.open_table(INDEX).during("opening index-1")?;
        let mut indexed = Bits::default();
        let mut stale = 0;
        let mut entries = Vec::new();
        for row in table.iter().during("reading index-1")? {
            let (key, row) = row.during("reading index-1")?;
            let key = key.value();
            let (run, segment) = (key >> 16, (key & 0xffff) as u16);
            let name = format!("run {run}, segment {segment}");
            let is_known = directory
                .runs
                .iter()
                .any(|known| u64::from(known.id) == run);
            if !is_known || segment >= SEGMENTS {
                let what = "INV-INDEX-1: a row of a run that the directory does not list";
                self.report.add("index-1", &name, what);
                continue;
            }
            entries.clear();
            if let Err(error) = decode_row(key, row.value(), &mut entries) {
                self.report.absorb(error)?;
                continue;
            }
            for entry in &entries {
                let seq = entry.seq();
                if self.own.find(entry.fingerprint(segment)) == Some(seq) {
                    indexed.set(seq);
                } else if self.own.is_live(seq) {
                    let what = format!("an entry for block {seq}, which is another element");
                    self.report.add("index-1", &name, what);
                } else if seq < stored.state.next_seq {
                    stale += 1;
                } else {
                    let what = format!("an entry for block {seq}, which was never written");
                    self.report.add("index-1", &name, what);
                }
            }
        }
        if stale < stored.state.stale {
            let what = format!("{} stale index entries, found {stale}", stored.state.stale);
            self.report.add("meta-1", "state", what);
        }
        Ok(indexed)
    }
}

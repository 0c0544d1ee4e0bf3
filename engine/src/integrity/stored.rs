use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable as _};

use crate::elements::count::{Count, CountPage};
use crate::elements::count_pages::split;
use crate::error::{During as _, Error};
use crate::tables::journal;
use crate::tables::row::BlockRow;
use crate::tables::schema::{BLOCKS, COUNTS, JOURNAL, MetaKey, read_meta};
use crate::tables::state::State;

/// The counts and totals that a snapshot's tables say, read without the writer's help.
#[derive(Debug, Default)]
pub(crate) struct StoredCounts {
    pages: BTreeMap<u64, CountPage>,
    pub(crate) state: State,
    /// Changes found in the journal.
    pub(crate) journal_entries: u64,
}

impl StoredCounts {
    pub(crate) fn read(txn: &ReadTransaction) -> Result<Self, Error> {
        let mut stored = Self::default();
        let table = txn.open_table(COUNTS).during("opening counts-1")?;
        for row in table.iter().during("reading counts-1")? {
            let (number, row) = row.during("reading counts-1")?;
            let page = CountPage::decode(row.value()).ok_or_else(|| {
                Error::corrupted("counts-1", number.value(), "a page that cannot be read")
            })?;
            stored.pages.insert(number.value(), page);
        }
        if let Some(row) = read_meta(txn, MetaKey::State)? {
            stored.state = State::decode("meta-1", &row)?.0;
        }
        let journal = txn.open_table(JOURNAL).during("opening journal-1")?;
        if let Some((_, row)) = journal.last().during("reading the journal")? {
            let (newer, _) = State::decode("journal-1", row.value())?;
            if newer.number > stored.state.number {
                stored.state = newer;
            }
        }
        stored.replay_blocks(txn)?;
        for row in journal.iter().during("reading the journal")? {
            let (number, row) = row.during("reading the journal")?;
            let state = journal::decode(number.value(), row.value(), |seq, count| {
                stored.journal_entries += 1;
                stored.set(seq, count);
                Ok(())
            })?;
            if state.number != number.value() {
                return Err(Error::corrupted(
                    "journal-1",
                    number.value(),
                    format!("a row that says it is number {}", state.number),
                ));
            }
        }
        Ok(stored)
    }

    /// Rows carry the counts of blocks that no page has yet; rows after the last written state, its totals too.
    fn replay_blocks(&mut self, txn: &ReadTransaction) -> Result<(), Error> {
        let table = txn.open_table(BLOCKS).during("opening blocks-1")?;
        for row in table
            .range(self.state.watermark..)
            .during("reading blocks")?
        {
            let (seq, row) = row.during("reading blocks")?;
            let seq = seq.value();
            let row = BlockRow::decode(seq, row.value())?;
            self.set(seq, Count::at_insert(row.count));
            if seq >= self.state.next_seq {
                self.state.next_seq = seq + 1;
                self.state.pins += u64::from(row.pins);
                self.state.add_block(row.kind.id(), row.bytes.len());
            }
        }
        Ok(())
    }

    fn set(&mut self, seq: u64, count: Count) {
        let (page, position) = split(seq);
        self.pages
            .entry(page)
            .or_insert_with(CountPage::empty)
            .set(position, count);
    }

    pub(crate) fn get(&self, seq: u64) -> Count {
        let (page, position) = split(seq);
        self.pages
            .get(&page)
            .map_or(Count::Absent, |page| page.get(position))
    }

    /// The blocks that are counted, in ascending order.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (u64, Count)> + '_ {
        self.pages.iter().flat_map(|(number, page)| {
            let first = number.saturating_mul(crate::elements::count::PAGE_LEN as u64);
            (0..1_024_u16)
                .map(move |position| (first + u64::from(position), page.get(position)))
                .filter(|(_, count)| *count != Count::Absent)
        })
    }
}

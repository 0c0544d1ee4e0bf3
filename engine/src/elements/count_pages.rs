use redb::WriteTransaction;

use super::count::{Count, CountPage, PAGE_LEN};
use crate::error::{During as _, Error};
use crate::tables::schema::{COUNTS, Db};

/// The counts of all blocks, in pages that are read when first touched. Belongs to the writer alone.
///
/// A page that is not loaded equals its row: a page that differs is dirty and stays until it is written.
#[derive(Debug, Default)]
pub(crate) struct CountPages {
    pages: Vec<Option<CountPage>>,
    loaded: usize,
}

/// Memory of a loaded page, in bytes.
const PAGE_BYTES: usize = PAGE_LEN + 64;

impl CountPages {
    /// The count of a block.
    pub(crate) fn get(&mut self, db: &Db, seq: u64) -> Result<Count, Error> {
        let (page, position) = split(seq);
        Ok(self.page(db, page)?.get(position))
    }

    pub(crate) fn set(&mut self, db: &Db, seq: u64, count: Count) -> Result<(), Error> {
        let (page, position) = split(seq);
        self.page(db, page)?.set(position, count);
        Ok(())
    }

    /// A page, read from the last committed state unless it is there.
    pub(crate) fn page(&mut self, db: &Db, page: u64) -> Result<&mut CountPage, Error> {
        let index = usize::try_from(page).unwrap_or(usize::MAX);
        if index >= self.pages.len() {
            self.pages.resize_with(index.saturating_add(1), || None);
        }
        let slot = self.pages.get_mut(index).ok_or(Error::LimitExceeded {
            what: "count pages",
            limit: usize::MAX as u64,
            found: page,
        })?;
        if slot.is_none() {
            self.loaded += 1;
        }
        match slot {
            Some(page) => Ok(page),
            empty => Ok(empty.insert(read_page(db, page)?)),
        }
    }

    /// Writes the dirty pages from `first` on.
    pub(crate) fn write_from(&mut self, txn: &WriteTransaction, first: u64) -> Result<(), Error> {
        let mut table = txn.open_table(COUNTS).during("opening counts-1")?;
        let mut row = Vec::new();
        let skip = usize::try_from(first).unwrap_or(usize::MAX);
        for (number, page) in (0_u64..).zip(&mut self.pages).skip(skip) {
            let Some(page) = page.as_mut().filter(|page| page.dirty) else {
                continue;
            };
            if page.is_empty() {
                table.remove(number).during("removing a count page")?;
            } else {
                page.encode(&mut row);
                table
                    .insert(number, row.as_slice())
                    .during("writing a count page")?;
            }
            page.dirty = false;
        }
        Ok(())
    }

    /// Drops clean pages if all together take more than `bytes`.
    pub(crate) fn trim(&mut self, bytes: usize) {
        if self.loaded * PAGE_BYTES <= bytes {
            return;
        }
        for slot in &mut self.pages {
            if slot.as_ref().is_some_and(|page| !page.dirty) {
                *slot = None;
                self.loaded -= 1;
            }
        }
    }
}

/// The page of a block and its position there.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a position is below PAGE_LEN"
)]
pub(crate) const fn split(seq: u64) -> (u64, u16) {
    let len = PAGE_LEN as u64;
    (seq / len, (seq % len) as u16)
}

fn read_page(db: &Db, number: u64) -> Result<CountPage, Error> {
    let txn = db.begin_read()?;
    let table = txn.open_table(COUNTS).during("opening counts-1")?;
    match table.get(number).during("reading a count page")? {
        Some(row) => CountPage::decode(row.value())
            .ok_or_else(|| Error::corrupted("counts-1", number, "a page that cannot be read")),
        None => Ok(CountPage::empty()),
    }
}

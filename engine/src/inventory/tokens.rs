use core::fmt;

use redb::{Range, ReadOnlyTable};
use uxf_codec::ElementHash;

use super::Inventory;
use crate::error::{During as _, Error};
use crate::snapshot::Snapshot;
use crate::tables::schema::{INVENTORIES, TOKENS, token_key, token_pins, token_root};

/// The tokens of an inventory: id and root, in the order of the ids. An error ends the iteration.
pub struct Tokens {
    rows: Range<'static, &'static [u8], &'static [u8]>,
    failed: bool,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Iterator for Tokens {
    type Item = Result<(String, ElementHash), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self
            .rows
            .next()?
            .during("reading tokens")
            .and_then(|(key, row)| {
                let id = key.value().get(4..).unwrap_or_default();
                let id = core::str::from_utf8(id).map_err(|_| {
                    Error::corrupted("tokens-1", "a token", "an id that is no text")
                })?;
                Ok((id.to_owned(), token_root(row.value())?))
            });
        self.failed = row.is_err();
        Some(row)
    }
}

impl Snapshot {
    /// The root of a token, if the inventory had it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn root(&self, inventory: &Inventory, id: &str) -> Result<Option<ElementHash>, Error> {
        let key = token_key(inventory.id(), id);
        match self
            .token_table()?
            .get(key.as_slice())
            .during("reading a token")?
        {
            Some(row) => token_root(row.value()).map(Some),
            None => Ok(None),
        }
    }

    /// The newer instances a token pinned; none if the inventory did not have it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn instances(&self, inventory: &Inventory, id: &str) -> Result<Vec<ElementHash>, Error> {
        let key = token_key(inventory.id(), id);
        match self
            .token_table()?
            .get(key.as_slice())
            .during("reading a token")?
        {
            Some(row) => token_pins(row.value()).map(|(_, instances)| instances.collect()),
            None => Ok(Vec::new()),
        }
    }

    /// The tokens the inventory had, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn tokens(&self, inventory: &Inventory) -> Result<Tokens, Error> {
        let first = token_key(inventory.id(), "");
        let table = self.token_table()?;
        let rows = match inventory.id().checked_add(1) {
            Some(next) => table.range(first.as_slice()..token_key(next, "").as_slice()),
            None => table.range(first.as_slice()..),
        };
        Ok(Tokens {
            rows: rows.during("reading tokens")?,
            failed: false,
        })
    }

    /// The names of the inventories, in their order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn inventories(&self) -> Result<Vec<String>, Error> {
        let table = self
            .txn()
            .open_table(INVENTORIES)
            .during("opening inventories-1")?;
        let rows = table.range::<&[u8]>(..).during("reading inventories")?;
        rows.map(|row| {
            let (name, _) = row.during("reading inventories")?;
            String::from_utf8(name.value().to_vec())
                .map_err(|_| Error::corrupted("inventories-1", "a name", "a name that is no text"))
        })
        .collect()
    }

    /// The id of an inventory, if there is one of that name.
    pub(crate) fn inventory_id(&self, name: &str) -> Result<Option<u32>, Error> {
        let table = self
            .txn()
            .open_table(INVENTORIES)
            .during("opening inventories-1")?;
        let row = table.get(name.as_bytes()).during("reading an inventory")?;
        Ok(row.map(|id| id.value()))
    }

    fn token_table(&self) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, Error> {
        self.txn().open_table(TOKENS).during("opening tokens-1")
    }
}

//! One redb table, one insert a transaction: the floor under durable single puts. It counts nothing and finds no
//! duplicates.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};

use super::CACHE_BYTES;
use crate::Outcome;
use crate::rival::{Arriving, Hash, Rival, missing};

const ELEMENTS: TableDefinition<'_, Hash, &[u8]> = TableDefinition::new("elements");

pub(super) struct BareRedb {
    database: Database,
}

impl BareRedb {
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(dir.join("bare.redb"))?;
        let write = database.begin_write()?;
        write.open_table(ELEMENTS)?;
        write.commit()?;
        Ok(Self { database })
    }
}

impl Rival for BareRedb {
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()> {
        let write = self.database.begin_write()?;
        {
            let mut elements = write.open_table(ELEMENTS)?;
            for arriving in batch {
                elements.insert(arriving.hash, arriving.bytes)?;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, hashes: &[Hash], visit: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let elements = self.database.begin_read()?.open_table(ELEMENTS)?;
        for hash in hashes {
            let guard = elements.get(hash)?.ok_or_else(|| missing(hash))?;
            visit(guard.value());
        }
        Ok(())
    }

    fn has_references(&self, hash: &Hash, _: u32) -> Outcome<bool> {
        let elements = self.database.begin_read()?.open_table(ELEMENTS)?;
        Ok(elements.get(hash)?.is_some())
    }

    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()> {
        let write = self.database.begin_write()?;
        {
            let mut elements = write.open_table(ELEMENTS)?;
            for (hash, _) in batch {
                elements.remove(hash)?;
            }
        }
        Ok(write.commit()?)
    }

    fn elements(&self) -> Outcome<u64> {
        Ok(self.database.begin_read()?.open_table(ELEMENTS)?.len()?)
    }
}

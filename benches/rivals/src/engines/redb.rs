//! The layout one thinks of first: `elements` from hash to bytes, `references` from hash to count.

use std::path::Path;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition,
};

use super::CACHE_BYTES;
use crate::Outcome;
use crate::rival::{Arriving, Hash, Rival, aggregate, missing};

const ELEMENTS: TableDefinition<'_, Hash, &[u8]> = TableDefinition::new("elements");
const REFERENCES: TableDefinition<'_, Hash, u32> = TableDefinition::new("references");

pub(super) struct ObviousRedb {
    database: Database,
}

impl ObviousRedb {
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(dir.join("obvious.redb"))?;
        let write = database.begin_write()?;
        write.open_table(ELEMENTS)?;
        write.open_table(REFERENCES)?;
        write.commit()?;
        Ok(Self { database })
    }
}

impl Rival for ObviousRedb {
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()> {
        let write = self.database.begin_write()?;
        {
            let mut elements = write.open_table(ELEMENTS)?;
            let mut references = write.open_table(REFERENCES)?;
            for (hash, bytes, count) in aggregate(batch) {
                let before = references.get(hash)?.map(|guard| guard.value());
                references.insert(hash, before.unwrap_or(0) + count)?;
                if before.is_none() {
                    elements.insert(hash, bytes)?;
                }
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

    fn has_references(&self, hash: &Hash, count: u32) -> Outcome<bool> {
        let references = self.database.begin_read()?.open_table(REFERENCES)?;
        Ok(references.get(hash)?.map(|guard| guard.value()) == Some(count))
    }

    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()> {
        let mut sorted = batch.to_vec();
        sorted.sort_unstable();
        let write = self.database.begin_write()?;
        {
            let mut elements = write.open_table(ELEMENTS)?;
            let mut references = write.open_table(REFERENCES)?;
            for (hash, count) in sorted {
                let before = references.remove(hash)?.map_or(0, |guard| guard.value());
                if before > count {
                    references.insert(hash, before - count)?;
                } else {
                    elements.remove(hash)?;
                }
            }
        }
        Ok(write.commit()?)
    }

    fn elements(&self) -> Outcome<u64> {
        Ok(self.database.begin_read()?.open_table(ELEMENTS)?.len()?)
    }
}

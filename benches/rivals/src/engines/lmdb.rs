//! LMDB: two databases in one environment, synced on every commit, which is its default.

use std::path::Path;

use lmdb::{
    Database, DatabaseFlags, Environment, Error, RwTransaction, Transaction as _, WriteFlags,
};

use crate::Outcome;
use crate::rival::{Arriving, Hash, Rival, aggregate, missing};

/// Address space for the file: 64 GiB, more than any of the works needs.
const MAP_BYTES: usize = 64 << 30;

pub(super) struct Lmdb {
    environment: Environment,
    elements: Database,
    references: Database,
}

impl Lmdb {
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let dir = dir.join("lmdb");
        std::fs::create_dir_all(&dir)?;
        let environment = Environment::new()
            .set_max_dbs(2)
            .set_map_size(MAP_BYTES)
            .open(&dir)?;
        Ok(Self {
            elements: environment.create_db(Some("elements"), DatabaseFlags::empty())?,
            references: environment.create_db(Some("references"), DatabaseFlags::empty())?,
            environment,
        })
    }

    fn count(&self, write: &RwTransaction<'_>, hash: &Hash) -> Outcome<Option<u32>> {
        Ok(match absent_is_none(write.get(self.references, hash))? {
            Some(bytes) => Some(u32::from_be_bytes(bytes.try_into()?)),
            None => None,
        })
    }
}

fn absent_is_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Rival for Lmdb {
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()> {
        let mut write = self.environment.begin_rw_txn()?;
        for (hash, bytes, count) in aggregate(batch) {
            let before = self.count(&write, &hash)?;
            let after = (before.unwrap_or(0) + count).to_be_bytes();
            write.put(self.references, &hash, &after, WriteFlags::empty())?;
            if before.is_none() {
                write.put(self.elements, &hash, &bytes, WriteFlags::empty())?;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, hashes: &[Hash], visit: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let read = self.environment.begin_ro_txn()?;
        for hash in hashes {
            let found = absent_is_none(read.get(self.elements, hash))?;
            visit(found.ok_or_else(|| missing(hash))?);
        }
        Ok(read.commit()?)
    }

    fn has_references(&self, hash: &Hash, count: u32) -> Outcome<bool> {
        let read = self.environment.begin_ro_txn()?;
        let found = absent_is_none(read.get(self.references, hash))?;
        Ok(found == Some(&count.to_be_bytes()[..]))
    }

    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()> {
        let mut sorted = batch.to_vec();
        sorted.sort_unstable();
        let mut write = self.environment.begin_rw_txn()?;
        for (hash, count) in sorted {
            let before = self.count(&write, &hash)?.ok_or_else(|| missing(&hash))?;
            if before > count {
                let after = (before - count).to_be_bytes();
                write.put(self.references, &hash, &after, WriteFlags::empty())?;
            } else {
                write.del(self.references, &hash, None)?;
                write.del(self.elements, &hash, None)?;
            }
        }
        Ok(write.commit()?)
    }

    fn elements(&self) -> Outcome<u64> {
        let read = self.environment.begin_ro_txn()?;
        // lmdb-rkv counts only the main database; a walk over the keys is exact.
        let mut cursor = read.open_ro_cursor(self.elements)?;
        let count = lmdb::Cursor::iter(&mut cursor).count() as u64;
        Ok(count)
    }
}

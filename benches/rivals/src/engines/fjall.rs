//! fjall: two keyspaces, one atomic batch a commit, synced before it returns.

use std::path::Path;
use std::sync::Mutex;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::CACHE_BYTES;
use crate::Outcome;
use crate::rival::{Arriving, Hash, Rival, aggregate, missing};

pub(super) struct Fjall {
    database: Database,
    elements: Keyspace,
    references: Keyspace,
    /// Counting is read and write; fjall's plain batches do not isolate that.
    writing: Mutex<()>,
}

impl Fjall {
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let database = Database::builder(dir.join("fjall"))
            .cache_size(CACHE_BYTES as u64)
            .open()?;
        Ok(Self {
            elements: database.keyspace("elements", KeyspaceCreateOptions::default)?,
            references: database.keyspace("references", KeyspaceCreateOptions::default)?,
            database,
            writing: Mutex::new(()),
        })
    }

    fn count(&self, hash: &Hash) -> Outcome<Option<u32>> {
        let Some(bytes) = self.references.get(hash)? else {
            return Ok(None);
        };
        Ok(Some(u32::from_be_bytes((*bytes).try_into()?)))
    }
}

impl Rival for Fjall {
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()> {
        let _writing = self.writing.lock().map_err(|_| "a writer has panicked")?;
        let mut write = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for (hash, bytes, count) in aggregate(batch) {
            let before = self.count(&hash)?;
            let after = before.unwrap_or(0) + count;
            write.insert(&self.references, hash, after.to_be_bytes());
            if before.is_none() {
                write.insert(&self.elements, hash, bytes);
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, hashes: &[Hash], visit: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        let snapshot = self.database.snapshot();
        for hash in hashes {
            let found = snapshot.get(&self.elements, hash)?;
            visit(&found.ok_or_else(|| missing(hash))?);
        }
        Ok(())
    }

    fn has_references(&self, hash: &Hash, count: u32) -> Outcome<bool> {
        Ok(self.count(hash)? == Some(count))
    }

    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()> {
        let _writing = self.writing.lock().map_err(|_| "a writer has panicked")?;
        let mut sorted = batch.to_vec();
        sorted.sort_unstable();
        let mut write = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for (hash, count) in sorted {
            let before = self.count(&hash)?.ok_or_else(|| missing(&hash))?;
            if before > count {
                write.insert(&self.references, hash, (before - count).to_be_bytes());
            } else {
                write.remove(&self.references, hash);
                write.remove(&self.elements, hash);
            }
        }
        Ok(write.commit()?)
    }

    fn elements(&self) -> Outcome<u64> {
        Ok(self.elements.len()? as u64)
    }
}

//! One redb table, one row per key and one insert per put: neither signed nor sealed, no history, nothing to merge.

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::{CACHE_BYTES, Place, Replica};
use crate::Outcome;
use crate::oplog::workload::Put;

const VALUES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");

pub(super) struct BareRedb {
    database: Database,
}

impl BareRedb {
    pub(super) fn open(place: Place<'_>) -> Outcome<Self> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = match place {
            Place::Memory => builder.create_with_backend(InMemoryBackend::new())?,
            Place::Directory(dir) => {
                let path = dir.join("bare.redb");
                if path.exists() {
                    return Ok(Self {
                        database: builder.open(path)?,
                    });
                }
                builder.create(path)?
            }
        };
        let write = database.begin_write()?;
        write.open_table(VALUES)?;
        write.commit()?;
        Ok(Self { database })
    }
}

impl Replica for BareRedb {
    fn commit(&self, puts: &[Put<'_>]) -> Outcome<()> {
        let write = self.database.begin_write()?;
        {
            let mut values = write.open_table(VALUES)?;
            for put in puts {
                values.insert(put.key, put.value)?;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, keys: &[&str], visit: &mut dyn FnMut(Option<&[u8]>)) -> Outcome<()> {
        let values = self.database.begin_read()?.open_table(VALUES)?;
        for key in keys {
            let guard = values.get(key)?;
            visit(guard.as_ref().map(redb::AccessGuard::value));
        }
        Ok(())
    }

    fn compact(&mut self) -> Outcome<()> {
        self.database.compact()?;
        Ok(())
    }
}

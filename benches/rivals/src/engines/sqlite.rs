//! SQLite: one table in arrival order with a unique index on the hash; write-ahead log, synced on every commit.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::CACHE_BYTES;
use crate::Outcome;
use crate::rival::{Arriving, Hash, Rival, aggregate, missing};

const SCHEMA: &str = "\
create table if not exists elements (
    id integer primary key, count integer not null, hash blob not null unique, bytes blob not null
)";
const INGEST: &str = "\
insert into elements (count, hash, bytes) values (?1, ?2, ?3)
on conflict (hash) do update set count = count + excluded.count";

pub(super) struct Sqlite {
    file: PathBuf,
    writer: Mutex<Connection>,
    /// Connections for reading that nobody uses now.
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let file = dir.join("sqlite.db");
        let writer = connect(&file)?;
        writer.execute(SCHEMA, [])?;
        Ok(Self {
            file,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        })
    }

    fn writer(&self) -> Outcome<MutexGuard<'_, Connection>> {
        Ok(self.writer.lock().map_err(|_| "a writer has panicked")?)
    }

    fn reading<T>(&self, act: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let idle = self
            .readers
            .lock()
            .map_err(|_| "a reader has panicked")?
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.file)?,
        };
        let result = act(&connection)?;
        self.readers
            .lock()
            .map_err(|_| "a reader has panicked")?
            .push(connection);
        Ok(result)
    }
}

fn connect(file: &Path) -> Outcome<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 16_384)?;
    connection.pragma_update(None, "cache_size", -(i64::try_from(CACHE_BYTES)? / 1024))?;
    Ok(connection)
}

impl Rival for Sqlite {
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()> {
        let mut writer = self.writer()?;
        let write = writer.transaction()?;
        {
            let mut ingest = write.prepare_cached(INGEST)?;
            for (hash, bytes, count) in aggregate(batch) {
                ingest.execute(params![count, hash, bytes])?;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, hashes: &[Hash], visit: &mut dyn FnMut(&[u8])) -> Outcome<()> {
        self.reading(|connection| {
            let read = connection.unchecked_transaction()?;
            let mut select = read.prepare_cached("select bytes from elements where hash = ?1")?;
            for hash in hashes {
                let mut rows = select.query([hash])?;
                let row = rows.next()?.ok_or_else(|| missing(hash))?;
                visit(row.get_ref(0)?.as_blob()?);
            }
            Ok(())
        })
    }

    fn has_references(&self, hash: &Hash, count: u32) -> Outcome<bool> {
        self.reading(|connection| {
            let mut select =
                connection.prepare_cached("select count from elements where hash = ?1")?;
            let found: Option<u32> = select.query_row([hash], |row| row.get(0)).optional()?;
            Ok(found == Some(count))
        })
    }

    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()> {
        let mut sorted = batch.to_vec();
        sorted.sort_unstable();
        let mut writer = self.writer()?;
        let write = writer.transaction()?;
        {
            let mut delete =
                write.prepare_cached("delete from elements where hash = ?1 and count <= ?2")?;
            let mut decrease =
                write.prepare_cached("update elements set count = count - ?2 where hash = ?1")?;
            for (hash, count) in sorted {
                if delete.execute(params![hash, count])? == 0 {
                    decrease.execute(params![hash, count])?;
                }
            }
        }
        Ok(write.commit()?)
    }

    fn elements(&self) -> Outcome<u64> {
        self.reading(|connection| {
            let count: u32 =
                connection.query_row("select count(*) from elements", [], |row| row.get(0))?;
            Ok(count.into())
        })
    }
}

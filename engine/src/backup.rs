use std::path::Path;

use redb::{
    Key, ReadTransaction, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, Value,
};

use crate::engine::{DATABASE_FILE, Engine, ReadOnlyEngine};
use crate::error::{During as _, Error};
use crate::integrity::StoredCounts;
use crate::new_file::NewFile;
use crate::snapshot::Snapshot;
use crate::tables::schema::{
    ALONE, BLOCKS, CHECKPOINTS, COMMITS, COUNTS, INDEX, INVENTORIES, JOURNAL, KEYS, LOCAL, LOGS,
    META, PARKED, PROFILES, STATEMENTS, SUMS, TOKENS, WALLETS, wallets,
};

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupOutcome {
    /// Elements.
    pub elements: u64,
    /// Their bytes, without any overhead.
    pub element_bytes: u64,
}

/// Rows copied in one commit.
const COMMIT_ROWS: usize = 65_536;

impl Engine {
    /// Copies the store as it is now into a new store in another directory, while reading and writing go on. The copy
    /// is durable, and was read again and compared row by row, before it appears under its name. It has the same
    /// [`store_id`](Self::store_id): it is this store at an earlier time.
    ///
    /// Space that is reclaimed meanwhile is not used again before the copy is done. A copy that was cut short leaves
    /// a file that the next one overwrites.
    ///
    /// ```
    /// use uxf_engine::{Engine, EngineOptions};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let mut batch = engine.begin();
    /// let hash = batch.put_opaque(b"kept twice").unwrap();
    /// batch.pin(&hash).unwrap();
    /// batch.commit().unwrap();
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let outcome = engine.backup_to(directory.path()).unwrap();
    /// assert_eq!((outcome.elements, outcome.element_bytes), (1, 10));
    /// let copy = Engine::open(directory.path(), EngineOptions::new()).unwrap();
    /// assert!(copy.snapshot().unwrap().contains(&hash).unwrap());
    /// ```
    ///
    /// # Errors
    /// [`Error::StoreExists`] if there is a store already; [`Error::Locked`] while another one is being made there;
    /// [`Error::BackupDiffers`]; [`Error::Io`], [`Error::Corrupted`].
    pub fn backup_to(&self, directory: impl AsRef<Path>) -> Result<BackupOutcome, Error> {
        backup(&self.snapshot()?, directory.as_ref())
    }
}

impl ReadOnlyEngine {
    /// Copies the store into a new store in another directory, see [`Engine::backup_to`].
    ///
    /// # Errors
    /// Those of [`Engine::backup_to`].
    pub fn backup_to(&self, directory: impl AsRef<Path>) -> Result<BackupOutcome, Error> {
        backup(&self.snapshot()?, directory.as_ref())
    }
}

fn backup(snapshot: &Snapshot, directory: &Path) -> Result<BackupOutcome, Error> {
    let span = tracing::info_span!("backup", directory = %directory.display());
    let _entered = span.enter();
    refuse_existing(&directory.join(DATABASE_FILE))?;
    std::fs::create_dir_all(directory).map_err(|source| Error::Io {
        during: "making the backup's directory",
        source,
    })?;
    let file = NewFile::begin(directory)?;
    // Somebody else may have been done in between.
    refuse_existing(&file.path())?;
    let to = file.database(&snapshot.shared().options)?;
    let from = snapshot.txn();
    copy_table(from, &to, META)?;
    copy_table(from, &to, COUNTS)?;
    copy_table(from, &to, JOURNAL)?;
    copy_table(from, &to, INVENTORIES)?;
    copy_table(from, &to, TOKENS)?;
    copy_table(from, &to, PROFILES)?;
    copy_table(from, &to, LOGS)?;
    copy_table(from, &to, COMMITS)?;
    copy_table(from, &to, CHECKPOINTS)?;
    copy_table(from, &to, KEYS)?;
    copy_table(from, &to, SUMS)?;
    copy_table(from, &to, ALONE)?;
    copy_table(from, &to, STATEMENTS)?;
    copy_table(from, &to, PARKED)?;
    copy_table(from, &to, LOCAL)?;
    if wallets(from)?.is_some() {
        copy_table(from, &to, WALLETS)?;
    }
    copy_table(from, &to, INDEX)?;
    copy_table(from, &to, BLOCKS)?;
    make_durable(&to)?;
    let outcome = verify(from, &to)?;
    file.put_in_place(to)?;
    tracing::info!(elements = outcome.elements, "backed up");
    Ok(outcome)
}

fn refuse_existing(path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::StoreExists {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Copies a table in ascending order, which fills its pages one after the other.
fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &redb::Database,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), Error> {
    let during = "copying a table";
    let table = from.open_table(definition).during(during)?;
    let mut rows = table.iter().during(during)?.peekable();
    loop {
        let mut txn = to.begin_write().during(during)?;
        // The last commit of the backup makes all of them durable.
        txn.set_durability(redb::Durability::None).during(during)?;
        {
            let mut copy = txn.open_table(definition).during(during)?;
            for row in rows.by_ref().take(COMMIT_ROWS) {
                let (key, value) = row.during(during)?;
                copy.insert(key.value(), value.value()).during(during)?;
            }
        }
        txn.commit().during(during)?;
        if rows.peek().is_none() {
            return Ok(());
        }
    }
}

fn make_durable(db: &redb::Database) -> Result<(), Error> {
    let mut txn = db.begin_write().during("finishing the backup")?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    txn.commit().during("finishing the backup")
}

/// Compares every row of each table and gives the totals of the copy.
fn verify(from: &ReadTransaction, to: &redb::Database) -> Result<BackupOutcome, Error> {
    let to = to.begin_read().during("reading the backup")?;
    same_rows(from, &to, "meta-1", META)?;
    same_rows(from, &to, "counts-1", COUNTS)?;
    same_rows(from, &to, "journal-1", JOURNAL)?;
    same_rows(from, &to, "inventories-1", INVENTORIES)?;
    same_rows(from, &to, "tokens-1", TOKENS)?;
    same_rows(from, &to, "profiles-1", PROFILES)?;
    same_rows(from, &to, "logs-1", LOGS)?;
    same_rows(from, &to, "commits-1", COMMITS)?;
    same_rows(from, &to, "checkpoints-1", CHECKPOINTS)?;
    same_rows(from, &to, "keys-2", KEYS)?;
    same_rows(from, &to, "sums-1", SUMS)?;
    same_rows(from, &to, "alone-1", ALONE)?;
    same_rows(from, &to, "statements-1", STATEMENTS)?;
    same_rows(from, &to, "parked-1", PARKED)?;
    same_rows(from, &to, "local-1", LOCAL)?;
    if wallets(from)?.is_some() {
        same_rows(from, &to, "wallets-1", WALLETS)?;
    }
    same_rows(from, &to, "index-1", INDEX)?;
    same_rows(from, &to, "blocks-1", BLOCKS)?;
    let state = StoredCounts::read(&to)?.state;
    Ok(BackupOutcome {
        elements: state.elements,
        element_bytes: state.bytes,
    })
}

fn same_rows<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &ReadTransaction,
    table: &'static str,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), Error> {
    let during = "comparing the backup";
    let expected = from.open_table(definition).during(during)?;
    let found = to.open_table(definition).during(during)?;
    let mut copies = found.iter().during(during)?;
    let mut same = 0;
    for row in expected.iter().during(during)? {
        let (key, value) = row.during(during)?;
        let Some(copy) = copies.next() else { break };
        let (copied_key, copied_value) = copy.during(during)?;
        let same_key =
            K::as_bytes(&key.value()).as_ref() == K::as_bytes(&copied_key.value()).as_ref();
        let same_value =
            V::as_bytes(&value.value()).as_ref() == V::as_bytes(&copied_value.value()).as_ref();
        if !(same_key && same_value) {
            break;
        }
        same += 1;
    }
    let (rows, copied) = (expected.len().during(during)?, found.len().during(during)?);
    if (same, copied) == (rows, rows) {
        return Ok(());
    }
    Err(Error::BackupDiffers {
        table,
        expected: rows,
        found: copied,
        same,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows<'a> = &'a [(u64, &'a [u8])];

    fn database(rows: Rows<'_>) -> redb::Database {
        let db = redb::Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .unwrap();
        let txn = db.begin_write().unwrap();
        {
            let mut table = txn.open_table(BLOCKS).unwrap();
            for (seq, row) in rows {
                table.insert(seq, row).unwrap();
            }
        }
        txn.commit().unwrap();
        db
    }

    #[test]
    fn a_copy_with_a_row_missing_added_or_changed_is_no_backup() {
        let original: Rows<'_> = &[(1, b"one"), (2, b"two")];
        let compare = |rows: Rows<'_>| {
            let (from, to) = (database(original), database(rows));
            let (from, to) = (from.begin_read().unwrap(), to.begin_read().unwrap());
            same_rows(&from, &to, "blocks-1", BLOCKS)
        };
        assert!(compare(original).is_ok());
        let differing: [(Rows<'_>, u64); 4] = [
            (&[(1, b"one")], 1),
            (&[(1, b"one"), (2, b"two"), (3, b"three")], 2),
            (&[(1, b"one"), (2, b"twO")], 1),
            (&[(1, b"one"), (4, b"two")], 1),
        ];
        for (rows, expected_same) in differing {
            let error = compare(rows).unwrap_err();
            assert_eq!(error.code(), "BACKUP_DIFFERS");
            assert!(
                matches!(error, Error::BackupDiffers { expected: 2, same, .. } if same == expected_same),
                "{error:?}"
            );
        }
    }
}

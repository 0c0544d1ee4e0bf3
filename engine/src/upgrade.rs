//! Stores of earlier versions: what they lack is made when they are opened for writing, in one commit.

use std::collections::HashMap;

use redb::{
    ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};

use crate::error::{During as _, Error};
use crate::oplog::ItemHash;
use crate::oplog::identity::LogId;
use crate::profile::fold::Counted;
use crate::replica::{Levels, compute_sums};
use crate::tables::profile_rows::{LogRow, decode_key_1, encode_key};
use crate::tables::schema::{
    ALONE, BLOCKS, Header, KEYS, KEYS_1, LOGS, META, MetaKey, PROFILES, SUMS, WALLETS, sum_key,
};

type Bytes = &'static [u8];

const DURING: &str = "bringing a store of an earlier version up to date";

/// Makes what a store was made without: `wallets-1` and `alone-1`, empty; `keys-2` out of `keys-1`; `sums-1` out of `keys-2`.
pub(crate) fn upgrade(db: &redb::Database) -> Result<(), Error> {
    let txn = db.begin_read().during("beginning to read")?;
    let has_sums = has(&txn, SUMS)?;
    if has(&txn, WALLETS)? && has(&txn, ALONE)? && has_sums {
        return Ok(());
    }
    drop(txn);
    let span = tracing::info_span!("upgrade");
    let _entered = span.enter();
    let mut txn = db.begin_write().during("beginning to write")?;
    txn.set_two_phase_commit(true);
    drop(txn.open_table(WALLETS).during(DURING)?);
    drop(txn.open_table(ALONE).during(DURING)?);
    if !has_sums {
        hash_keys(&txn)?;
        sum_up(&txn)?;
        txn.delete_table(KEYS_1).during(DURING)?;
    }
    txn.commit().during(DURING)
}

/// A store of an earlier version cannot be read before it was opened for writing.
pub(crate) fn refuse_earlier(txn: &ReadTransaction) -> Result<(), Error> {
    if has(txn, SUMS)? && has(txn, ALONE)? {
        return Ok(());
    }
    let reason = "it is of an earlier version and has to be opened for writing once";
    Err(Error::Io {
        during: "opening it for reading only",
        source: std::io::Error::new(std::io::ErrorKind::Unsupported, reason),
    })
}

fn has(txn: &ReadTransaction, table: TableDefinition<'_, Bytes, Bytes>) -> Result<bool, Error> {
    match txn.open_table(table) {
        Ok(_) => Ok(true),
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(Error::storage("opening a table", error)),
    }
}

/// Writes the rows of `keys-1` to `keys-2`, with the hash of each operation.
fn hash_keys(txn: &WriteTransaction) -> Result<(), Error> {
    let logs = read_logs(txn)?;
    let numbers: HashMap<(u32, LogId), u32> = (0..)
        .zip(&logs)
        .map(|(number, log)| ((log.profile, log.head.log), number))
        .collect();
    let blocks = txn.open_table(BLOCKS).during(DURING)?;
    let from = txn.open_table(KEYS_1).during(DURING)?;
    let mut to = txn.open_table(KEYS).during(DURING)?;
    let mut out = Vec::new();
    for row in from.iter().during(DURING)? {
        let (stored, row) = row.during(DURING)?;
        let stored = stored.value();
        let log_of = |number| {
            let log = logs.get(usize::try_from(number).ok()?)?;
            Some(log.head.log)
        };
        let mut state = decode_key_1(stored, row.value(), log_of)?;
        let damaged = || Error::corrupted("keys-1", const_hex::encode(stored), "no key");
        let (profile, name) = stored.split_first_chunk::<4>().ok_or_else(damaged)?;
        let profile = u32::from_be_bytes(*profile);
        let name = core::str::from_utf8(name).map_err(|_| damaged())?;
        state.rehash(|counted| hash(&blocks, name, counted))?;
        encode_key(&state, &mut out, |log| {
            numbers.get(&(profile, log)).copied()
        })?;
        to.insert(stored, out.as_slice()).during(DURING)?;
    }
    Ok(())
}

fn hash(
    blocks: &impl ReadableTable<u64, Bytes>,
    name: &str,
    counted: &Counted,
) -> Result<ItemHash, Error> {
    let place = &counted.place;
    let damaged = || {
        let reason = "INV-KEY-1: a value that is not stored";
        Error::corrupted("blocks-1", place.block, reason)
    };
    let row = blocks.get(place.block).during(DURING)?;
    let row = row.ok_or_else(damaged)?;
    let value = counted.value_in(row.value()).ok_or_else(damaged)?;
    Ok(ItemHash::of_parts(
        &counted.stamp,
        counted.kind,
        name,
        value,
    ))
}

fn read_logs(txn: &WriteTransaction) -> Result<Vec<LogRow>, Error> {
    let table = txn.open_table(LOGS).during(DURING)?;
    let rows = table.iter().during(DURING)?;
    rows.map(|row| {
        let (number, row) = row.during(DURING)?;
        LogRow::decode(number.value(), row.value())
    })
    .collect()
}

/// Writes `sums-1`.
fn sum_up(txn: &WriteTransaction) -> Result<(), Error> {
    let levels = {
        let meta = txn.open_table(META).during(DURING)?;
        let header = meta.get(MetaKey::Header as u8).during(DURING)?;
        let header = header.ok_or_else(|| Error::corrupted("meta-1", "header", "missing"))?;
        Levels::new(&Header::decode(header.value())?.index_key)
    };
    let profiles = txn.open_table(PROFILES).during(DURING)?;
    let keys = txn.open_table(KEYS).during(DURING)?;
    let mut sums = txn.open_table(SUMS).during(DURING)?;
    for row in profiles.iter().during(DURING)? {
        let (profile, _) = row.during(DURING)?;
        let profile = profile.value();
        compute_sums(&keys, &levels, profile, |level, first, sum| {
            let key = sum_key(profile, level, first);
            let row = sum.encode();
            let done = sums.insert(key.as_slice(), row.as_slice());
            done.during(DURING).map(drop)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::sealed::WalletSecret;
    use crate::profile::{LiveBound, Profile};
    use crate::tables::profile_rows::{decode_key, encode_key_1};
    use crate::{Engine, EngineOptions, ErrorKind, ReadOnlyEngine};

    /// Takes away what stores had not before.
    fn downgrade(path: &std::path::Path) {
        let db = redb::Database::open(path).unwrap();
        let txn = db.begin_write().unwrap();
        let logs = read_logs(&txn).unwrap();
        {
            let keys = txn.open_table(KEYS).unwrap();
            let mut old = txn.open_table(KEYS_1).unwrap();
            let mut row = Vec::new();
            for one in keys.iter().unwrap() {
                let (stored, found) = one.unwrap();
                let log_of = |number: u32| Some(logs[number as usize].head.log);
                let state = decode_key(stored.value(), found.value(), log_of).unwrap();
                let number_of = |log| (0..).zip(&logs).find(|(_, row)| row.head.log == log);
                encode_key_1(&state, &mut row, |log| {
                    number_of(log).map(|(number, _)| number)
                })
                .unwrap();
                old.insert(stored.value(), row.as_slice()).unwrap();
            }
            assert!(old.iter().unwrap().count() > 1_000);
        }
        txn.delete_table(KEYS).unwrap();
        txn.delete_table(SUMS).unwrap();
        txn.delete_table(WALLETS).unwrap();
        txn.delete_table(ALONE).unwrap();
        txn.commit().unwrap();
    }

    #[test]
    fn a_store_without_hashes_and_sums_gets_them_when_it_is_opened_for_writing() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Engine::open(directory.path(), EngineOptions::new()).unwrap();
        let secret = || WalletSecret::take(&mut [7; 32]);
        let whole = |profile: &Profile| {
            let live = profile.live_operations().unwrap();
            live.sum(LiveBound::START, LiveBound::End).unwrap()
        };
        let engine = open();
        let profile = engine.profile(&secret(), "phone").unwrap();
        let mut batch = engine.begin();
        for key in 0..1_500 {
            batch
                .put_value(&profile, &format!("app.{key}"), b"value")
                .unwrap();
        }
        batch.commit().unwrap();
        profile.compact().unwrap();
        profile.put("app.7", b"after the compaction").unwrap();
        profile.delete("app.8").unwrap();
        let before = whole(&profile);
        drop((profile, engine));
        let path = directory.path().join(crate::DATABASE_FILE);
        downgrade(&path);

        let refused = ReadOnlyEngine::open(directory.path(), EngineOptions::new()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Operator, "{refused}");
        let engine = open();
        let profile = engine.open_profile(&secret()).unwrap();
        assert_eq!(whole(&profile), before);
        assert_eq!(
            profile.get("app.7").unwrap().unwrap(),
            b"after the compaction"
        );
        let report = engine.check_integrity(&mut |_| ()).unwrap();
        assert!(report.is_clean(), "{:#?}", report.problems);
        drop((profile, engine));
        let db = redb::Database::open(&path).unwrap();
        assert!(!has(&db.begin_read().unwrap(), KEYS_1).unwrap());
    }
}

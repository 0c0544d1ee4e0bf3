//! What `check_integrity` finds when rows of the database are changed behind the store's back.

use redb::{Database, ReadableTable as _, TableDefinition};
use uxf_codec::ElementHash;
use uxf_engine::{Engine, EngineOptions, Error, IntegrityReport};

use crate::basics::parent;

const META: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("meta-1");
const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks-1");
const INDEX: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("index-1");
const COUNTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("counts-1");
const TOKENS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("tokens-1");

/// Elements of the store: block 0 is named by the token-root alone, the root is block 1, the others are pinned.
const ELEMENTS: u64 = 62;

fn options() -> EngineOptions {
    EngineOptions::new()
        .checkpoint_elements(16)
        .journal_entries(16)
}

/// A store with index runs and count pages.
fn fill(engine: &Engine) {
    let wallet = engine.inventory("wallet").unwrap();
    let mut batch = engine.begin();
    let child = batch.put_opaque(b"child").unwrap();
    let root = batch.put(&parent(1, &[child])).unwrap();
    batch.set_token(&wallet, "token", &root).unwrap();
    batch.commit().unwrap();
    for number in 0..60_u32 {
        let mut batch = engine.begin();
        let hash = batch.put_opaque(&number.to_be_bytes()).unwrap();
        batch.pin(&hash).unwrap();
        batch.commit().unwrap();
    }
}

fn check(engine: &Engine) -> IntegrityReport {
    engine.check_integrity(&mut |_| ()).unwrap()
}

/// The problems found after a row was changed.
fn problems_after(damage: impl FnOnce(&redb::WriteTransaction)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), options()).unwrap();
    fill(&engine);
    drop(engine);
    let db = Database::open(directory.path().join("uxf.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    damage(&txn);
    txn.commit().unwrap();
    drop(db);
    let report = check(&Engine::open(directory.path(), options()).unwrap());
    assert!(!report.is_clean());
    let texts: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

fn assert_found(found: &str, expected: &str) {
    assert!(found.contains(expected), "{expected:?} not in:\n{found}");
}

#[test]
fn a_sound_store_is_clean_before_and_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), options()).unwrap();
    fill(&engine);
    let mut phases = Vec::new();
    let report = engine
        .check_integrity(&mut |progress| phases.push(progress.phase))
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.elements, report.tokens), (ELEMENTS, 1));
    phases.dedup();
    assert_eq!(
        phases,
        [
            "counts",
            "elements",
            "links",
            "tokens",
            "references",
            "index"
        ]
    );
    let wallet = engine.inventory("wallet").unwrap();
    assert!(wallet.remove("token").unwrap());
    engine.sweep(u64::MAX).unwrap();
    let swept = check(&engine);
    assert!(swept.is_clean(), "{swept:?}");
    assert_eq!((swept.elements, swept.tokens), (ELEMENTS - 2, 0));
    drop((wallet, engine));
    let report = check(&Engine::open(directory.path(), options()).unwrap());
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_flipped_byte_of_an_element_is_found() {
    let found = problems_after(|txn| {
        let mut table = txn.open_table(BLOCKS).unwrap();
        let mut row = table.get(5).unwrap().unwrap().value().to_vec();
        *row.last_mut().unwrap() ^= 1;
        table.insert(5, row.as_slice()).unwrap();
    });
    assert_found(&found, "blocks-1 at 5: the bytes of element");
}

#[test]
fn a_missing_block_is_found_where_it_is_counted_and_where_it_is_named() {
    let found = problems_after(|txn| {
        let mut table = txn.open_table(BLOCKS).unwrap();
        table.remove(0).unwrap();
    });
    assert_found(&found, "counts-1 at 0: INV-BLOCK-3");
    assert_found(&found, "blocks-1 at 1: INV-COUNT-1: it names");
    assert_found(&found, "elements: 62, found 61");
}

#[test]
fn a_missing_index_row_is_found_on_disk_and_in_memory() {
    let found = problems_after(|txn| {
        let mut table = txn.open_table(INDEX).unwrap();
        table.pop_first().unwrap().unwrap();
    });
    assert_found(&found, "INV-INDEX-1");
    assert_found(&found, "the open store does not find this block");
}

#[test]
fn a_damaged_index_row_is_found() {
    let found = problems_after(|txn| {
        let mut table = txn.open_table(INDEX).unwrap();
        let (key, mut row) = {
            let (key, row) = table.first().unwrap().unwrap();
            (key.value(), row.value().to_vec())
        };
        row[12] ^= 1;
        table.insert(key, row.as_slice()).unwrap();
    });
    assert_found(&found, "checksum");
}

#[test]
fn counts_that_are_too_low_or_too_high_are_found() {
    for (position, code, expected) in [
        (
            0,
            2,
            "counts-1 at 0: INV-COUNT-1: 0 references counted, 1 found",
        ),
        (
            0,
            9,
            "pins (references that neither an element nor a token makes): 60, found 66",
        ),
        (3, 1, "released: 0, found 1"),
    ] {
        let found = problems_after(|txn| {
            let mut table = txn.open_table(COUNTS).unwrap();
            let mut row = table.get(0).unwrap().unwrap().value().to_vec();
            row[2 + position] = code;
            table.insert(0, row.as_slice()).unwrap();
        });
        assert_found(&found, expected);
    }
}

#[test]
fn wrong_totals_are_found() {
    let found = problems_after(|txn| {
        let mut table = txn.open_table(META).unwrap();
        let mut row = table.get(1).unwrap().unwrap().value().to_vec();
        // Bytes of elements of the first kind.
        let at = row.len() - 16 * 8 + 7;
        row[at] ^= 1;
        table.insert(1, row.as_slice()).unwrap();
    });
    assert_found(&found, "the totals by type");
}

#[test]
fn a_token_without_root_or_inventory_or_with_a_root_of_another_type_is_found() {
    for (inventory, root, expected) in [
        (0, ElementHash::of(b"nowhere"), "is not stored"),
        (0, ElementHash::of(b"child"), "is no token-root"),
        (
            7,
            ElementHash::of(&parent(1, &[ElementHash::of(b"child")])),
            "unknown inventory",
        ),
    ] {
        let found = problems_after(|txn| {
            let mut table = txn.open_table(TOKENS).unwrap();
            let key = [&[0, 0, 0, inventory][..], b"other"].concat();
            table
                .insert(key.as_slice(), root.as_bytes().as_slice())
                .unwrap();
        });
        assert_found(&found, "tokens-1 at other");
        assert_found(&found, expected);
    }
}

#[test]
fn compacting_waits_for_nobody_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), options()).unwrap();
    fill(&engine);
    let snapshot = engine.snapshot().unwrap();
    assert!(matches!(
        engine.compact().unwrap_err(),
        Error::SnapshotsOpen
    ));
    drop(snapshot);
    let outcome = engine.compact().unwrap();
    assert!(
        outcome.file_bytes_after < outcome.file_bytes_before,
        "{outcome:?}"
    );
    assert_eq!(
        engine.stats().unwrap().file_bytes,
        Some(outcome.file_bytes_after)
    );
    fill(&engine);
    assert!(check(&engine).is_clean());
}

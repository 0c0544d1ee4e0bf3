//! Backups of a store that is in use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use uxf_engine::{Durability, Engine, EngineOptions, Error, ErrorKind, Inventory, ReadOnlyEngine};
use uxf_testkit::Wallet;

fn options() -> EngineOptions {
    EngineOptions::new()
        .checkpoint_elements(64)
        .journal_entries(64)
}

fn tokens(wallet: &Inventory) -> Vec<(String, Vec<u8>)> {
    let ids = wallet.tokens().unwrap().map(|token| token.unwrap().0);
    ids.map(|id| (id.clone(), wallet.assemble(&id).unwrap()))
        .collect()
}

fn assert_clean(engine: &Engine) {
    let report = engine.check_integrity(&mut |_| ()).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Writes, replaces and removes until told to stop, and counts the rounds.
fn churn(engine: &Engine, stop: &AtomicBool, rounds: &AtomicU64) {
    let other = engine.inventory("other").unwrap();
    let texts: Vec<_> = Wallet::new(20).map(String::into_bytes).collect();
    while !stop.load(Ordering::Relaxed) {
        let mut batch = engine.begin().durability(Durability::Buffered);
        let ids: Vec<_> = texts
            .iter()
            .map(|text| batch.ingest(&other, text).unwrap().token_id)
            .collect();
        batch.commit().unwrap();
        let mut batch = engine.begin().durability(Durability::Buffered);
        for id in &ids {
            batch.remove_token(&other, id.as_str()).unwrap();
        }
        batch.commit().unwrap();
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_backup_made_while_the_store_is_written_is_whole_and_has_the_same_tokens() {
    let (original, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::open(original.path(), options()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    for text in Wallet::new(40).skip(10) {
        wallet.ingest(text.as_bytes()).unwrap();
    }
    let expected = tokens(&wallet);
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let made = std::thread::scope(|scope| {
        let writer = scope.spawn(|| churn(&engine, &stop, &rounds));
        let mut made = Vec::new();
        // Each in another of the other thread's rounds, however the two are scheduled.
        for round in 0..4 {
            while rounds.load(Ordering::Relaxed) < round && !writer.is_finished() {
                std::thread::yield_now();
            }
            let to = copies.path().join(round.to_string());
            made.push((to.clone(), engine.backup_to(&to)));
        }
        stop.store(true, Ordering::Relaxed);
        made
    });
    assert!(rounds.load(Ordering::Relaxed) > 0);
    assert_clean(&engine);
    for (directory, outcome) in made {
        let outcome = outcome.unwrap();
        let copy = Engine::open(&directory, options()).unwrap();
        let stats = copy.stats().unwrap();
        assert_eq!(
            (outcome.elements, outcome.element_bytes),
            (stats.elements, stats.element_bytes)
        );
        assert_clean(&copy);
        assert_eq!(copy.store_id(), engine.store_id());
        let wallet = copy.inventory("wallet").unwrap();
        assert!(tokens(&wallet) == expected);
        // The copy is a store like any other, and not tied to the first.
        assert!(wallet.remove(&expected[0].0).unwrap());
        copy.sweep(u64::MAX).unwrap();
        assert_clean(&copy);
        assert!(!directory.join("uxf.redb.unfinished").exists());
    }
    assert!(tokens(&wallet) == expected);
}

#[test]
fn a_backup_never_overwrites_a_store() {
    let (original, taken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::open(original.path(), options()).unwrap();
    drop(Engine::open(taken.path(), options()).unwrap());
    let before = std::fs::read(taken.path().join("uxf.redb")).unwrap();
    for directory in [original.path(), taken.path()] {
        let error = engine.backup_to(directory).unwrap_err();
        assert!(matches!(&error, Error::StoreExists { path } if path.starts_with(directory)));
        assert_eq!(error.kind(), ErrorKind::Caller);
        assert!(!directory.join("uxf.redb.unfinished").exists());
    }
    let after = std::fs::read(taken.path().join("uxf.redb")).unwrap();
    assert!(before == after);
}

#[test]
fn a_backup_overwrites_what_one_that_was_cut_short_left() {
    let to = tempfile::tempdir().unwrap();
    std::fs::write(to.path().join("uxf.redb.unfinished"), vec![7; 100_000]).unwrap();
    let engine = Engine::in_memory(options()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    for text in Wallet::new(3) {
        wallet.ingest(text.as_bytes()).unwrap();
    }
    let outcome = engine.backup_to(to.path()).unwrap();
    assert_eq!(outcome.elements, engine.stats().unwrap().elements);
    let again = tempfile::tempdir().unwrap();
    let copy = ReadOnlyEngine::open(to.path(), options()).unwrap();
    assert_eq!(copy.backup_to(again.path()).unwrap(), outcome);
    let copy = Engine::open(again.path(), options()).unwrap();
    assert!(tokens(&copy.inventory("wallet").unwrap()) == tokens(&wallet));
    assert_clean(&copy);
}

//! Tokens of the golden vectors through the engine.

use std::path::Path;

use uxf_engine::{Engine, EngineOptions, Error, ReadOnlyEngine};

fn token(name: &str) -> Vec<u8> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/uxf/tokens");
    std::fs::read(vectors.join(format!("{name}.json"))).unwrap_or_default()
}

fn store() -> Option<Engine> {
    Engine::in_memory(EngineOptions::new()).ok()
}

/// Sweeps until nothing is left to reclaim.
fn sweep_all(engine: &Engine) -> Result<(), Error> {
    while engine.sweep(1_000)?.elements > 0 {}
    Ok(())
}

#[test]
fn a_token_that_comes_twice_is_stored_once() {
    let engine = store().unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let first = wallet.ingest(&token("mock-b")).unwrap();
    let before = engine.stats().unwrap();
    let second = wallet.ingest(&token("mock-b")).unwrap();
    assert_eq!(first, second);
    sweep_all(&engine).unwrap();
    assert_eq!(engine.stats().unwrap().elements, before.elements);
    assert_eq!(wallet.tokens().unwrap().count(), 1);
}

#[test]
fn inventories_share_elements_and_removing_from_one_leaves_the_other_whole() {
    let engine = store().unwrap();
    let alice = engine.inventory("alice").unwrap();
    let bob = engine.inventory("bob").unwrap();
    let id = alice.ingest(&token("real-with-nametag")).unwrap().token_id;
    let alone = engine.stats().unwrap().elements;
    bob.ingest(&token("real-with-nametag")).unwrap();
    assert_eq!(
        engine.stats().unwrap().elements,
        alone,
        "the second inventory stores nothing again"
    );
    let before = bob.assemble(id.as_str()).unwrap();
    assert!(alice.remove(id.as_str()).unwrap());
    sweep_all(&engine).unwrap();
    assert_eq!(bob.assemble(id.as_str()).unwrap(), before);
    assert!(alice.assemble(id.as_str()).is_err());
    assert_eq!(engine.stats().unwrap().elements, alone);
}

#[test]
fn a_bad_token_leaves_nothing_behind() {
    let engine = store().unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let whole = String::from_utf8(token("mock-b")).unwrap();
    let at = whole.rfind("\"predicate\":\"").unwrap() + "\"predicate\":\"".len();
    // Everything up to the last state is good and has been taken apart when the fault shows.
    let bad = format!(
        "{}zz{}",
        whole.get(..at).unwrap(),
        whole.get(at + 2..).unwrap()
    );
    assert!(matches!(
        wallet.ingest(bad.as_bytes()),
        Err(Error::Codec(_))
    ));
    assert_eq!(engine.stats().unwrap().elements, 0);
    assert_eq!(wallet.tokens().unwrap().count(), 0);
    wallet.ingest(whole.as_bytes()).unwrap();
}

#[test]
fn removing_a_token_frees_exactly_what_no_other_names() {
    let engine = store().unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let names = ["mock-a", "mock-b", "mock-c", "mock-d", "mock-e", "mock-f"];
    let (last, others) = names.split_last().unwrap();
    for name in others {
        wallet.ingest(&token(name)).unwrap();
    }
    sweep_all(&engine).unwrap();
    let without = engine.stats().unwrap();
    let id = wallet.ingest(&token(last)).unwrap().token_id;
    assert!(engine.stats().unwrap().elements > without.elements);
    assert!(wallet.remove(id.as_str()).unwrap());
    assert!(!wallet.remove(id.as_str()).unwrap());
    sweep_all(&engine).unwrap();
    assert_eq!(engine.stats().unwrap().elements, without.elements);
    assert_eq!(engine.stats().unwrap().element_bytes, without.element_bytes);
    for row in wallet.tokens().unwrap() {
        let (id, _) = row.unwrap();
        wallet.assemble(&id).unwrap();
    }
}

/// The reference's collector deletes name-tags that only a transaction names.
#[test]
fn a_nametag_that_only_a_transaction_names_survives_a_sweep() {
    let engine = store().unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let id = wallet
        .ingest(&token("real-nametag-in-tx"))
        .unwrap()
        .token_id;
    let before = wallet.assemble(id.as_str()).unwrap();
    sweep_all(&engine).unwrap();
    assert_eq!(wallet.assemble(id.as_str()).unwrap(), before);
}

#[test]
fn a_snapshot_reads_what_was_removed_and_swept_after_it_was_taken() {
    let engine = store().unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let id = wallet.ingest(&token("rand-06")).unwrap().token_id;
    let before = wallet.assemble(id.as_str()).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (engine, wallet, id) = (engine.clone(), wallet.clone(), id.clone());
            let before = before.clone();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    // Either it is there whole or it is gone, never anything between.
                    if let Ok(found) = wallet.assemble(id.as_str()) {
                        assert_eq!(found, before);
                    }
                    engine.snapshot().unwrap();
                }
            })
        })
        .collect();
    wallet.remove(id.as_str()).unwrap();
    engine.sweep(1_000).unwrap();
    let options = uxf_codec::token::AssembleOptions::default();
    assert_eq!(
        snapshot.assemble(&wallet, id.as_str(), &options).unwrap(),
        before
    );
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn a_store_that_is_closed_and_opened_again_holds_the_same_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(folder.path(), EngineOptions::new()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let id = wallet.ingest(&token("real-split-0")).unwrap().token_id;
    let (before, stats) = (
        wallet.assemble(id.as_str()).unwrap(),
        engine.stats().unwrap(),
    );
    engine.close().unwrap();
    assert!(matches!(
        wallet.ingest(&token("mock-a")),
        Err(Error::Closed)
    ));
    drop((engine, wallet));
    let engine = Engine::open(folder.path(), EngineOptions::new()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    assert_eq!(wallet.assemble(id.as_str()).unwrap(), before);
    assert_eq!(engine.stats().unwrap().elements, stats.elements);
}

#[test]
fn a_store_in_use_is_refused_to_others_and_can_be_read_once_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let options = EngineOptions::new;
    let engine = Engine::open(folder.path(), options()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let root = wallet.ingest(&token("mock-a")).unwrap().root;
    assert!(matches!(
        Engine::open(folder.path(), options()),
        Err(Error::Locked { .. })
    ));
    assert!(matches!(
        ReadOnlyEngine::open(folder.path(), options()),
        Err(Error::Locked { .. })
    ));
    engine.close().unwrap();
    drop((engine, wallet));
    let reader = ReadOnlyEngine::open(folder.path(), options()).unwrap();
    let second = ReadOnlyEngine::open(folder.path(), options()).unwrap();
    assert!(reader.snapshot().unwrap().contains(&root).unwrap());
    assert!(second.snapshot().unwrap().contains(&root).unwrap());
    assert!(matches!(
        Engine::open(folder.path(), options()),
        Err(Error::Locked { .. })
    ));
}

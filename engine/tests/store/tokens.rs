//! Tokens in inventories.

use uxf_codec::token::StateIndex;
use uxf_engine::{Engine, EngineOptions, Error, ErrorKind, ReadOnlyEngine};
use uxf_testkit::Wallet;

#[test]
fn a_wallet_goes_in_is_stored_once_and_comes_out_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let tokens: Vec<Vec<u8>> = Wallet::new(50).map(String::into_bytes).collect();
    let open = || Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let engine = open();
    let wallet = engine.inventory("wallet").unwrap();
    let mut batch = engine.begin();
    let ids: Vec<String> = tokens
        .iter()
        .map(|token| batch.ingest(&wallet, token).unwrap().token_id.to_string())
        .collect();
    let outcome = batch.commit().unwrap();
    assert_eq!(outcome.stored, engine.stats().unwrap().elements);
    drop((wallet, engine));

    let engine = open();
    let wallet = engine.inventory("wallet").unwrap();
    let elements = engine.stats().unwrap().elements;
    let copy = engine.inventory("copy").unwrap();
    for id in &ids {
        // The wallet's own texts have another order of keys; what comes out goes in again as the same elements.
        let json = wallet.assemble(id).unwrap();
        copy.ingest(&json).unwrap();
        assert_eq!(copy.root(id).unwrap(), wallet.root(id).unwrap());
        assert!(copy.assemble(id).unwrap() == json);
        assert!(wallet.assemble_at(id, StateIndex::At(0)).is_ok());
    }
    assert_eq!(engine.stats().unwrap().elements, elements);
    assert_eq!(wallet.tokens().unwrap().count(), 50);
    assert_eq!(
        engine.snapshot().unwrap().inventories().unwrap(),
        ["copy", "wallet"]
    );
}

#[test]
fn a_token_in_two_inventories_is_stored_once_and_goes_with_the_last() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let token = Wallet::new(1).next().unwrap().into_bytes();
    let (first, second) = (
        engine.inventory("a").unwrap(),
        engine.inventory("b").unwrap(),
    );
    let id = first.ingest(&token).unwrap().token_id.to_string();
    let elements = engine.stats().unwrap().elements;
    second.ingest(&token).unwrap();
    second.ingest(&token).unwrap();
    assert_eq!(engine.stats().unwrap().elements, elements);
    assert!(first.remove(&id).unwrap());
    assert!(!first.remove(&id).unwrap());
    let gone = first.assemble(&id).unwrap_err();
    assert!(matches!(gone, Error::Codec(_)));
    assert_eq!(gone.kind(), ErrorKind::Caller);
    assert!(second.assemble(&id).is_ok());
    assert!(second.remove(&id).unwrap());
    engine.sweep(u64::MAX).unwrap();
    assert_eq!(engine.stats().unwrap().elements, 0);
}

#[test]
fn a_bad_token_leaves_the_good_ones_of_its_batch_alone() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let tokens: Vec<Vec<u8>> = Wallet::new(2).map(String::into_bytes).collect();
    let mut batch = engine.begin();
    batch.ingest(&wallet, &tokens[0]).unwrap();
    let elements = batch.len();
    let cut = &tokens[1][..tokens[1].len() / 2];
    assert!(matches!(batch.ingest(&wallet, cut), Err(Error::Codec(_))));
    assert_eq!(batch.len(), elements);
    batch.commit().unwrap();
    assert_eq!(wallet.tokens().unwrap().count(), 1);
}

#[test]
fn a_store_opened_for_reading_shows_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let mut batch = engine.begin();
    let hash = batch.put_opaque(b"read only").unwrap();
    batch.pin(&hash).unwrap();
    batch.commit().unwrap();
    let locked = ReadOnlyEngine::open(directory.path(), EngineOptions::new()).unwrap_err();
    assert!(matches!(locked, Error::Locked { .. }));
    drop(engine);
    let store = ReadOnlyEngine::open(directory.path(), EngineOptions::new()).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.get(&hash).unwrap().unwrap().as_ref(), b"read only");
}

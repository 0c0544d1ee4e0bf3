//! Tokens in inventories.

use uxf_codec::token::StateIndex;
use uxf_engine::{Engine, EngineOptions, Error, ErrorKind, ReadOnlyEngine};
use uxf_testkit::Wallet;

use crate::basics::parent;

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

/// Put without what it names, the root made a token that came later incomplete although its commit was acknowledged.
#[test]
fn an_element_cannot_be_put_as_opaque_bytes() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let token = Wallet::new(1).next().unwrap().into_bytes();
    let elsewhere = Engine::in_memory(EngineOptions::new()).unwrap();
    let other = elsewhere.inventory("wallet").unwrap();
    let root = other.ingest(&token).unwrap().root;
    let snapshot = elsewhere.snapshot().unwrap();
    let bytes = snapshot.get(&root).unwrap().unwrap();

    let mut batch = engine.begin();
    let refused = batch.put_opaque(bytes.as_ref()).unwrap_err();
    assert!(matches!(refused, Error::NotOpaque { hash } if hash == root));
    assert_eq!(refused.kind(), ErrorKind::Caller);
    assert!(batch.is_empty());
    let summary = wallet.ingest(&token).unwrap();
    assert!(wallet.assemble(summary.token_id.as_str()).is_ok());
}

#[test]
fn a_token_whose_root_is_no_token_root_is_refused_with_its_batch() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let mut batch = engine.begin();
    let stored = batch.put_opaque(b"stored").unwrap();
    let root = batch.put(&parent(1, &[stored])).unwrap();
    batch.pin(&root).unwrap();
    batch.commit().unwrap();
    let before = engine.stats().unwrap();

    for put_again in [false, true] {
        let mut batch = engine.begin();
        batch.put_opaque(b"other").unwrap();
        if put_again {
            batch.put_opaque(b"stored").unwrap();
        }
        batch.set_token(&wallet, "token", &stored).unwrap();
        let refused = batch.commit().unwrap_err();
        assert!(
            matches!(&refused, Error::NotATokenRoot { token_id, hash }
                if token_id == "token" && *hash == stored),
            "{refused}"
        );
        assert_eq!(refused.kind(), ErrorKind::Caller);
    }
    let mut batch = engine.begin();
    let new = batch.put_opaque(b"new").unwrap();
    batch.set_token(&wallet, "token", &new).unwrap();
    assert!(matches!(batch.commit(), Err(Error::NotATokenRoot { .. })));
    let after = engine.stats().unwrap();
    assert_eq!((after.elements, after.tokens), (before.elements, 0));

    // A root that is stored needs no bytes, and a newer instance may be of any type.
    let mut batch = engine.begin();
    batch
        .set_token_with(&wallet, "token", &root, &[stored])
        .unwrap();
    batch.commit().unwrap();
    assert_eq!(wallet.root("token").unwrap(), Some(root));
    assert!(engine.check_integrity(&mut |_| ()).unwrap().is_clean());
}

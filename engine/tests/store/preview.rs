//! What a preview of a sweep says.

use uxf_codec::ElementHash;
use uxf_engine::{Engine, EngineOptions};

use crate::basics::parent;

/// A stray family: the parent names two children, and the second is named by another parent that is pinned.
fn fill(engine: &Engine) -> (ElementHash, ElementHash) {
    let mut batch = engine.begin();
    let own = batch.put_opaque(b"own").unwrap();
    let common = batch.put_opaque(b"common").unwrap();
    let stray = batch.put(&parent(1, &[own, common])).unwrap();
    let kept = batch.put(&parent(2, &[common])).unwrap();
    batch.pin(&kept).unwrap();
    batch.commit().unwrap();
    (stray, kept)
}

#[test]
fn a_preview_says_what_a_sweep_then_does_and_changes_nothing() {
    let options = EngineOptions::new()
        .checkpoint_elements(16)
        .journal_entries(16);
    let engine = Engine::in_memory(options).unwrap();
    let (stray, kept) = fill(&engine);
    for number in 0..100_u32 {
        let mut batch = engine.begin();
        let child = batch.put_opaque(&number.to_be_bytes()).unwrap();
        let root = batch.put(&parent(10 + number, &[child])).unwrap();
        if number % 2 == 0 {
            batch.pin(&root).unwrap();
        }
        batch.commit().unwrap();
    }
    let before = engine.stats().unwrap().elements;
    let preview = engine.sweep_preview().unwrap();
    assert_eq!(engine.sweep_preview().unwrap(), preview);
    assert_eq!(engine.stats().unwrap().elements, before);
    // The stray and its own child, and fifty roots with a child each.
    assert_eq!((preview.elements, preview.remaining), (102, 0));
    assert_eq!(engine.sweep(u64::MAX).unwrap(), preview);
    assert_eq!(engine.stats().unwrap().elements, before - 102);
    let snapshot = engine.snapshot().unwrap();
    assert!(!snapshot.contains(&stray).unwrap());
    assert!(snapshot.contains(&kept).unwrap());
    assert_eq!(engine.sweep_preview().unwrap().elements, 0);
}

#[test]
fn a_preview_spares_what_an_open_import_put_or_found_there() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    fill(&engine);
    let mut batch = engine.begin();
    batch.put_opaque(b"forgotten").unwrap();
    batch.commit().unwrap();
    let import = engine.begin_import();
    let mut batch = engine.begin();
    batch.put_opaque(b"put by the import").unwrap();
    let (own, common) = (ElementHash::of(b"own"), ElementHash::of(b"common"));
    batch.put(&parent(1, &[own, common])).unwrap();
    batch.commit().unwrap();
    let preview = engine.sweep_preview().unwrap();
    assert_eq!((preview.elements, preview.bytes), (1, 9));
    assert_eq!(engine.sweep(u64::MAX).unwrap(), preview);
    drop(import);
    let preview = engine.sweep_preview().unwrap();
    assert_eq!(preview.elements, 3);
    assert_eq!(engine.sweep(u64::MAX).unwrap(), preview);
}

#[test]
fn a_preview_of_a_closed_store_fails_as_its_sweep_does() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    engine.close().unwrap();
    assert!(matches!(
        engine.sweep_preview(),
        Err(uxf_engine::Error::Closed)
    ));
}

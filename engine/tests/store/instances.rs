use uxf_codec::ElementHash;
use uxf_engine::{Engine, EngineOptions, WriteBatch};

use crate::basics::parent;

/// A newer instance of an element: nothing names it, and it names the older one.
fn newer(batch: &mut WriteBatch, number: u32, older: ElementHash) -> ElementHash {
    let bytes = parent(number, &[older]);
    batch.put(&bytes).unwrap()
}

#[test]
fn a_token_keeps_the_newer_instances_it_pins_and_lets_go_of_them_with_its_row() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = engine.inventory("wallet").unwrap();
    let mut batch = engine.begin();
    let root = batch.put(&parent(1, &[])).unwrap();
    let first = newer(&mut batch, 2, root);
    let second = newer(&mut batch, 3, first);
    batch
        .set_token_with(&wallet, "token", &root, &[second, root, second])
        .unwrap();
    batch.commit().unwrap();

    assert_eq!(engine.sweep(u64::MAX).unwrap().elements, 0);
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(snapshot.instances(&wallet, "token").unwrap(), [second]);
    drop(snapshot);

    let mut batch = engine.begin();
    batch.set_token(&wallet, "token", &root).unwrap();
    batch.commit().unwrap();
    engine.sweep(u64::MAX).unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert!(snapshot.contains(&root).unwrap());
    assert!(!snapshot.contains(&first).unwrap());
    assert!(!snapshot.contains(&second).unwrap());
    drop(snapshot);

    assert!(wallet.remove("token").unwrap());
    engine.sweep(u64::MAX).unwrap();
    assert!(!engine.snapshot().unwrap().contains(&root).unwrap());
}

//! Readers, writers and the sweep at the same time.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};

use uxf_codec::ElementHash;
use uxf_engine::{Durability, Engine, EngineOptions, Error};

use crate::basics::parent;

fn child(number: u32) -> Vec<u8> {
    format!("child {number}").into_bytes()
}

fn family(number: u32) -> (Vec<u8>, Vec<ElementHash>) {
    let children: Vec<_> = (number..number + 4)
        .map(|n| ElementHash::of(&child(n)))
        .collect();
    (parent(number, &children), children)
}

/// Stores and releases overlapping families for ever.
fn churn(engine: &Engine, first: u32, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for number in first..first + 12 {
            let mut batch = engine.begin().durability(Durability::Buffered);
            for n in number..number + 4 {
                batch.put_opaque(&child(n)).unwrap();
            }
            let root = batch.put(&family(number).0).unwrap();
            batch.pin(&root).unwrap();
            batch.commit().unwrap();
        }
        for number in first..first + 12 {
            let mut batch = engine.begin().durability(Durability::Buffered);
            batch.unpin(&ElementHash::of(&family(number).0)).unwrap();
            batch.commit().unwrap();
        }
    }
}

#[test]
fn a_snapshot_that_has_a_root_has_all_below_it_and_does_not_change() {
    let options = EngineOptions::new()
        .index_bytes(1 << 20)
        .checkpoint_elements(64)
        .journal_entries(256)
        .sweep_elements(4);
    let engine = Engine::in_memory(options).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for first in [0, 6] {
            let (engine, stop) = (&engine, &stop);
            scope.spawn(move || churn(engine, first, stop));
        }
        let (mut whole, mut reads) = (0, 0);
        while whole < 2_000 && reads < 400_000 {
            let snapshot = engine.snapshot().unwrap();
            for number in 0..18 {
                let (root, children) = family(number);
                let root = ElementHash::of(&root);
                reads += 1;
                let there = snapshot.contains(&root).unwrap();
                if there {
                    whole += 1;
                    for child in &children {
                        assert!(snapshot.contains(child).unwrap(), "family {number} is torn");
                    }
                }
                assert_eq!(snapshot.contains(&root).unwrap(), there);
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(whole > 0);
    });
    for number in 0..18 {
        let root = ElementHash::of(&family(number).0);
        let mut batch = engine.begin();
        batch.unpin(&root).unwrap();
        drop(batch.commit());
    }
    engine.sweep(u64::MAX).unwrap();
    assert_eq!(
        (
            engine.stats().unwrap().elements,
            engine.stats().unwrap().pins
        ),
        (0, 0)
    );
}

#[test]
fn many_writers_commit_in_groups_and_a_bad_batch_spoils_no_other() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8_u32 {
            let engine = &engine;
            scope.spawn(move || {
                for number in 0..50_u32 {
                    let mut batch = engine.begin();
                    let hash = batch
                        .put_opaque(format!("{writer} {number}").as_bytes())
                        .unwrap();
                    batch.pin(&hash).unwrap();
                    if number % 5 == 4 {
                        batch.pin(&ElementHash::of(b"nowhere")).unwrap();
                        assert!(batch.commit().is_err());
                    } else {
                        batch.commit().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(
        (
            engine.stats().unwrap().elements,
            engine.stats().unwrap().pins
        ),
        (320, 320)
    );
    let metrics = engine.metrics();
    assert_eq!(
        (metrics.batches_total, metrics.batches_refused_total),
        (320, 80)
    );
}

#[test]
fn closing_leaves_no_writer_waiting_for_an_answer() {
    for _ in 0..200 {
        let engine = Engine::in_memory(EngineOptions::new().queue_length(4)).unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        for thread in 0_u32..4 {
            let (engine, done) = (engine.clone(), done.clone());
            std::thread::spawn(move || {
                for number in 0_u32.. {
                    let mut batch = engine.begin().durability(Durability::Buffered);
                    batch
                        .put_opaque(&[thread.to_le_bytes(), number.to_le_bytes()].concat())
                        .unwrap();
                    match batch.commit() {
                        Ok(_) => {}
                        Err(error) => return done.send(error).unwrap(),
                    }
                }
            });
        }
        engine.close().unwrap();
        for _ in 0..4 {
            let error = ended
                .recv_timeout(Duration::from_secs(60))
                .expect("a writer waits for ever");
            assert!(matches!(error, Error::Closed), "{error}");
        }
    }
}

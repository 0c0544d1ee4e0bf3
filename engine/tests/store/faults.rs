//! Failing disks: a typed error, a poisoned handle, and every acknowledged commit there after reopening.

use core::time::Duration;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uxf_codec::ElementHash;
use uxf_engine::{Clock, Durability, Engine, EngineOptions, Error};
use uxf_testkit::disk::{DiskCall, Fault, FaultyDisk, MemoryDisk};

fn small() -> EngineOptions {
    EngineOptions::new()
        .checkpoint_elements(16)
        .journal_entries(48)
}

/// Puts and pins ten elements, releases half of them later.
fn commit(engine: &Engine, step: u32, earlier: &[ElementHash]) -> Result<Vec<ElementHash>, Error> {
    let mut batch = engine.begin();
    let mut hashes = Vec::new();
    for number in 0..10 {
        let hash = batch.put_opaque(format!("step {step}, element {number}").as_bytes())?;
        batch.pin(&hash)?;
        hashes.push(hash);
    }
    for hash in earlier.iter().take(5) {
        batch.unpin(hash)?;
    }
    batch.commit()?;
    Ok(hashes)
}

fn fail_at(call: DiskCall, after: u64) -> bool {
    let memory = MemoryDisk::new(Vec::new());
    let disk = FaultyDisk::new(memory.clone());
    let switch = disk.switch();
    let engine = Engine::open_with_backend(disk, small()).unwrap();
    let mut steps: Vec<Vec<ElementHash>> = vec![commit(&engine, 0, &[]).unwrap()];
    switch.arm(Fault {
        call,
        after,
        error: ErrorKind::StorageFull,
        keeps_failing: false,
    });
    let mut failed = None;
    for step in 1..12 {
        let earlier = steps.last().cloned().unwrap_or_default();
        match commit(&engine, step, &earlier) {
            Ok(hashes) => steps.push(hashes),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    if let Some(error) = &failed {
        assert!(
            matches!(error, Error::Io { .. } | Error::Poisoned),
            "{error:?}"
        );
        let refused = commit(&engine, 99, &[]).unwrap_err();
        assert!(matches!(refused, Error::Poisoned), "{refused:?}");
        assert!(matches!(engine.flush().unwrap_err(), Error::Poisoned));
    }
    switch.disarm();
    drop(engine);

    let engine = Engine::open_with_backend(memory, small()).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let last = steps.last().unwrap();
    // Whether the commit that failed is there is unknown, and it would have released some of the last one.
    assert!(
        last.iter()
            .skip(5)
            .all(|hash| snapshot.contains(hash).unwrap())
    );
    for step in &steps {
        assert!(
            step.iter()
                .skip(5)
                .all(|hash| snapshot.contains(hash).unwrap())
        );
    }
    commit(&engine, 100, &[]).unwrap();
    failed.is_some()
}

#[test]
fn a_failing_call_poisons_the_store_and_reopening_finds_every_acknowledged_commit() {
    for call in [DiskCall::Write, DiskCall::Sync, DiskCall::SetLen] {
        let failures = (0..40).filter(|after| fail_at(call, *after)).count();
        assert!(failures > 0, "{call:?} never failed");
    }
}

/// A clock that panics once it is told to: the only code of a caller that runs on the writer's thread.
#[derive(Debug, Default)]
struct FaultyClock(AtomicBool);

impl Clock for FaultyClock {
    fn monotonic(&self) -> Duration {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        0
    }
}

#[test]
fn a_panic_of_the_writer_poisons_the_store_and_leaves_nobody_waiting() {
    let clock = Arc::new(FaultyClock::default());
    let options = EngineOptions::new().clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let engine = Engine::in_memory(options).unwrap();
    let mut batch = engine.begin();
    let kept = batch.put_opaque(b"kept").unwrap();
    batch.pin(&kept).unwrap();
    batch.commit().unwrap();

    clock.0.store(true, Ordering::SeqCst);
    let mut batch = engine.begin().durability(Durability::Buffered);
    batch.put_opaque(b"more").unwrap();
    assert!(matches!(batch.commit(), Err(Error::Poisoned)));
    let mut batch = engine.begin();
    batch.put_opaque(b"still more").unwrap();
    assert!(matches!(batch.commit(), Err(Error::Poisoned)));
    assert!(matches!(engine.flush(), Err(Error::Poisoned)));
    clock.0.store(false, Ordering::SeqCst);
    assert!(engine.snapshot().unwrap().contains(&kept).unwrap());
}

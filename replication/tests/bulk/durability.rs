use core::time::Duration;
use std::cell::Cell;

use uxf_engine::{Engine, EngineOptions};
use uxf_replication::bulk::{
    BulkError, BulkStore, LocalBlocks, ObjectBlocks, ReleaseError, await_durable, check_durable,
    release_local,
};

use crate::samples::{Fault, Odd, Sample, elsewhere, patience};

#[test]
fn only_what_was_read_back_from_elsewhere_and_is_pinned_counts_as_durable() {
    let sample = Sample::new();
    let bundle = sample.bundle();
    let store = elsewhere();
    let check = || check_durable(&store, &bundle);
    assert!(matches!(check(), Err(BulkError::NotFound { .. })));
    store.put_bundle(&bundle).unwrap();
    let durable = check().unwrap();
    assert_eq!(
        (durable.root(), durable.blocks()),
        (&sample.root, sample.blocks().len())
    );
    store.unpin(&sample.root).unwrap();
    assert!(matches!(check(), Err(BulkError::NotPinned { .. })));
}

#[test]
fn nothing_is_given_up_for_a_store_that_lost_or_damaged_one_block() {
    let sample = Sample::new();
    let bundle = sample.bundle();
    let given_up = Cell::new(0);
    let give_up = |store: &dyn BulkStore| {
        release_local(store, &bundle, |_| {
            given_up.set(given_up.get() + 1);
            Ok::<(), BulkError>(())
        })
    };
    for (index, (cid, bytes)) in sample.blocks().into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let store = ObjectBlocks::directory(directory.path())
            .unwrap()
            .elsewhere(true);
        store.put_bundle(&bundle).unwrap();
        let file = directory.path().join("blocks").join(cid.to_string());
        if index % 2 == 0 {
            std::fs::remove_file(file).unwrap();
        } else {
            let mut damaged = bytes;
            damaged[0] ^= 1;
            std::fs::write(file, damaged).unwrap();
        }
        assert!(
            matches!(give_up(&store), Err(ReleaseError::NotDurable(_))),
            "{cid}"
        );
        if index == 2 {
            break;
        }
    }
    assert_eq!(given_up.get(), 0);
    let store = elsewhere();
    store.put_bundle(&bundle).unwrap();
    give_up(&store).unwrap();
    assert_eq!(given_up.get(), 1);
}

#[test]
fn what_is_on_this_device_is_no_proof_for_giving_up_what_is_on_this_device() {
    let sample = Sample::new();
    let bundle = sample.bundle();
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let here: [&dyn BulkStore; 3] = [
        &LocalBlocks::new(&engine),
        &ObjectBlocks::in_memory().unwrap(),
        &ObjectBlocks::directory(directory.path()).unwrap(),
    ];
    for store in here {
        store.put_bundle(&bundle).unwrap();
        assert!(matches!(
            check_durable(store, &bundle),
            Err(BulkError::Unsupported { .. })
        ));
    }
}

#[test]
fn a_store_that_is_slow_to_see_what_it_got_is_waited_for_and_not_for_ever() {
    let sample = Sample::new();
    let bundle = sample.bundle();
    let slow = |times| {
        let store = elsewhere();
        store.put_bundle(&bundle).unwrap();
        Odd::new(store, Fault::Fails { times, status: 502 })
    };
    let (patience, waits) = patience();
    await_durable(&slow(3), &bundle, &patience, Duration::from_secs(60)).unwrap();
    assert_eq!(waits.list(), [500, 1_000, 2_000].map(Duration::from_millis));

    let (patience, waits) = crate::samples::patience();
    let error = await_durable(&slow(99), &bundle, &patience, Duration::from_secs(20)).unwrap_err();
    assert!(
        matches!(error, BulkError::Refused { status: 502, .. }),
        "{error}"
    );
    assert_eq!(
        waits.list(),
        [500, 1_000, 2_000, 4_000, 5_000, 5_000].map(Duration::from_millis)
    );

    let (patience, waits) = crate::samples::patience();
    let liar = Odd::new(slow(0).inner, Fault::Lies);
    let error = await_durable(&liar, &bundle, &patience, Duration::from_secs(20)).unwrap_err();
    assert!(matches!(error, BulkError::Content(_)), "{error}");
    assert!(waits.list().is_empty());
}

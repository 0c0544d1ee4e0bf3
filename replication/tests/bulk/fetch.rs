use core::time::Duration;

use uxf_engine::{Engine, EngineOptions};
use uxf_replication::bulk::{
    BulkError, BulkLimits, BulkStore as _, FetchOptions, LocalBlocks, ObjectBlocks, Stage,
    fetch_bundle,
};

use crate::samples::{Fault, Odd, Sample, car_of, cid_of, elsewhere, patience};

fn honest(sample: &Sample) -> ObjectBlocks {
    let store = elsewhere();
    store.put_bundle(&sample.bundle()).unwrap();
    store
}

#[test]
fn a_liar_is_skipped_remembered_and_named() {
    let sample = Sample::new();
    let liar = Odd::new(honest(&sample), Fault::Lies);
    let honest = honest(&sample);
    let fetched = fetch_bundle(&sample.root, &[&liar, &honest], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    assert_eq!(liar.asked(), 1);
    assert!(matches!(fetched.failed[0].error, BulkError::Content(_)));
    assert_eq!(fetched.failed[0].store, "odd");
}

#[test]
fn when_all_of_them_lie_nothing_is_fetched_and_the_error_says_how_each_did() {
    let sample = Sample::new();
    let liars = [0, 1].map(|_| Odd::new(honest(&sample), Fault::Lies));
    let error = fetch_bundle(&sample.root, &[&liars[0], &liars[1]], &FetchOptions::new());
    let error = error.map(drop).unwrap_err();
    let BulkError::Nobody { tried, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        tried
            .iter()
            .filter(|tried| matches!(tried.error, BulkError::Content(_)))
            .count(),
        2
    );
    assert_eq!(error.code(), "BUNDLE_NOT_FOUND");
    assert!(!error.retry_class().is_transient());
}

#[test]
fn what_one_store_lacks_another_one_gives() {
    let sample = Sample::new();
    let blocks = sample.blocks();
    let lacking = |index: usize| Odd::new(honest(&sample), Fault::Lacks(blocks[index].0));
    let (first, second) = (lacking(5), lacking(9));
    let fetched = fetch_bundle(&sample.root, &[&first, &second], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), blocks.len());

    let both = [lacking(5), lacking(5)];
    let (patience, waits) = patience();
    let options = FetchOptions::new().patience(patience);
    let error = fetch_bundle(&sample.root, &[&both[0], &both[1]], &options)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, BulkError::Nobody { .. }), "{error}");
    assert!(waits.list().is_empty(), "what is lacking will be so again");
}

#[test]
fn a_store_that_fails_for_the_moment_is_asked_again_after_each_delay() {
    let sample = Sample::new();
    let fault = Fault::Fails {
        times: 3,
        status: 503,
    };
    let store = Odd::new(honest(&sample), fault);
    let (patience, waits) = patience();
    let options = FetchOptions::new().patience(patience);
    let fetched = fetch_bundle(&sample.root, &[&store], &options).unwrap();
    assert_eq!(fetched.failed.len(), 3);
    assert_eq!(waits.list(), [100, 500, 2_000].map(Duration::from_millis));

    let fault = Fault::Fails {
        times: 4,
        status: 503,
    };
    let store = Odd::new(honest(&sample), fault);
    let error = fetch_bundle(&sample.root, &[&store], &options)
        .map(drop)
        .unwrap_err();
    assert!(error.retry_class().is_transient(), "{error}");
    assert_eq!(store.asked(), 4);
}

#[test]
fn a_fetch_ends_when_its_time_is_over() {
    let sample = Sample::new();
    let store = Odd::new(
        honest(&sample),
        Fault::Fails {
            times: 9,
            status: 500,
        },
    );
    let (patience, waits) = patience();
    let limits = BulkLimits {
        fetch_time_total: Duration::from_millis(550),
        ..BulkLimits::REFERENCE
    };
    let options = FetchOptions::new().patience(patience).limits(limits);
    let error = fetch_bundle(&sample.root, &[&store], &options)
        .map(drop)
        .unwrap_err();
    let BulkError::Nobody { tried, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        tried
            .iter()
            .any(|tried| matches!(tried.error, BulkError::TimedOut { limit_ms: 550, .. }))
    );
    assert_eq!((store.asked(), waits.list().len()), (2, 2));
}

#[test]
fn what_is_here_is_not_fetched_and_what_is_damaged_here_is() {
    let sample = Sample::new();
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let local = LocalBlocks::new(&engine);
    let far = Odd::new(
        honest(&sample),
        Fault::Fails {
            times: 0,
            status: 0,
        },
    );
    let fetch = || fetch_bundle(&sample.root, &[&local, &far], &FetchOptions::new()).unwrap();
    assert_eq!(fetch().bundle.blocks().len(), sample.blocks().len());
    assert_eq!(far.asked(), 1);
    local.put_bundle(&sample.bundle()).unwrap();
    fetch();
    assert_eq!(far.asked(), 1, "nobody else was asked");
}

#[test]
fn blocks_that_nothing_names_are_not_part_of_the_bundle_unless_asked_for() {
    let sample = Sample::new();
    let added = b"an element that somebody slipped in".to_vec();
    let added_cid = cid::Cid::new_v1(0x55, *cid_of(&added).hash());
    let mut blocks = sample.blocks();
    blocks.insert(1, (added_cid, added.clone()));
    blocks.push(blocks[4].clone());
    let car = car_of(&sample.root, &blocks);
    let mut stage = Stage::new(&sample.root, BulkLimits::REFERENCE).unwrap();
    stage.offer_car("somebody", car.as_slice()).unwrap();
    let bundle = stage.finish().unwrap();
    assert_eq!(bundle.blocks().len(), blocks.len() - 2);
    assert_eq!(bundle.block(&added_cid), None);

    let mut stage = Stage::new(&sample.root, BulkLimits::REFERENCE).unwrap();
    stage.want(&added_cid).unwrap();
    stage.offer_car("somebody", sample.car.as_slice()).unwrap();
    assert_eq!(stage.missing().collect::<Vec<_>>(), [&added_cid]);
    stage.offer(&added_cid, &added).unwrap();
    assert_eq!(
        stage.finish().unwrap().block(&added_cid),
        Some(added.as_slice())
    );
}

#[test]
fn a_stage_holds_no_more_than_its_limits_whatever_is_offered() {
    let sample = Sample::new();
    let limits = BulkLimits {
        blocks_max: 3,
        bundle_bytes_max: 40,
        ..BulkLimits::REFERENCE
    };
    let mut stage = Stage::new(&sample.root, limits).unwrap();
    let mut offer = |bytes: &[u8]| stage.offer(&cid_of(bytes), bytes);
    offer(&[1; 30]).unwrap();
    assert!(matches!(
        offer(&[2; 11]),
        Err(BulkError::TooLarge { limit: 40, .. })
    ));
    offer(&[3; 4]).unwrap();
    offer(&[4; 4]).unwrap();
    assert!(matches!(
        offer(&[5]),
        Err(BulkError::TooLarge { limit: 3, .. })
    ));
    offer(&[3; 4]).unwrap();
    assert!(matches!(
        stage.finish(),
        Err(BulkError::Incomplete { missing: 1, .. })
    ));
}

use uxf_engine::bundles::{ContentError, parse_cid};
use uxf_engine::{Engine, EngineOptions};
use uxf_replication::bulk::{
    BulkError, BulkErrorKind, BulkLimits, BulkStore as _, Bundle, FetchOptions, LocalBlocks,
    ObjectBlocks, PinState, fetch_bundle,
};

use crate::samples::{Sample, car_of, cid_of, elsewhere};

#[test]
fn a_bundle_comes_back_from_a_directory_as_it_was_put_after_it_was_opened_again() {
    let sample = Sample::new();
    let directory = tempfile::tempdir().unwrap();
    ObjectBlocks::directory(directory.path())
        .unwrap()
        .put_bundle(&sample.bundle())
        .unwrap();
    let store = ObjectBlocks::directory(directory.path()).unwrap();
    let fetched = fetch_bundle(&sample.root, &[&store], &FetchOptions::new()).unwrap();
    assert!(fetched.failed.is_empty());
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    let car = fetched.bundle.to_car().unwrap();
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = engine.inventory("w").unwrap();
    let report = wallet
        .import_car(
            car.as_slice(),
            uxf_codec::carriage::car::CarLimits::REFERENCE,
            &uxf_engine::ImportOptions::new(),
        )
        .unwrap();
    assert_eq!((report.added, report.rejected.len()), (7, 0));
    assert!(engine.check_integrity(&mut |_| ()).unwrap().is_clean());
}

#[test]
fn what_is_put_is_pinned_until_it_is_unpinned_and_stays_readable() {
    let sample = Sample::new();
    let store = elsewhere();
    let pin = |cid| store.presence(cid).unwrap().pin;
    assert!(!store.presence(&sample.root).unwrap().stored);
    store.put_bundle(&sample.bundle()).unwrap();
    assert_eq!(pin(&sample.root), Some(PinState::Recursive));
    store.unpin(&sample.root).unwrap();
    store.unpin(&sample.root).unwrap();
    assert_eq!(pin(&sample.root), Some(PinState::Unpinned));
    assert!(store.presence(&sample.root).unwrap().stored);
    store.pin(&sample.root).unwrap();
    assert_eq!(pin(&sample.root), Some(PinState::Recursive));
}

#[test]
fn what_is_not_whole_is_not_pinned() {
    let store = elsewhere();
    let sample = Sample::new();
    let (root, bytes) = &sample.blocks()[0];
    store.put_block(root, bytes).unwrap();
    assert!(matches!(store.pin(root), Err(BulkError::NotFound { .. })));
    assert_eq!(store.presence(root).unwrap().pin, Some(PinState::Unpinned));
}

#[test]
fn a_bundle_that_lies_or_is_not_whole_is_refused_before_a_byte_of_it_is_stored() {
    let sample = Sample::new();
    let blocks = sample.blocks();
    let read = |car: &Vec<u8>| Bundle::read(&sample.root, car, BulkLimits::REFERENCE).map(drop);

    let mut lying = blocks.clone();
    lying[3].1[0] ^= 1;
    let refused = read(&car_of(&sample.root, &lying)).unwrap_err();
    assert!(matches!(
        refused,
        BulkError::Content(ContentError::DigestMismatch { .. })
    ));

    let (without, lost) = (&blocks[..blocks.len() - 1], blocks.last().unwrap().0);
    match read(&car_of(&sample.root, without)).unwrap_err() {
        BulkError::Incomplete {
            root,
            missing: 1,
            first,
        } => {
            assert_eq!((*root, *first), (sample.root, lost));
        }
        other => panic!("{other}"),
    }

    let refused = read(&car_of(&lost, &blocks)).unwrap_err();
    assert!(
        matches!(refused, BulkError::OtherRoot { found: 1, .. }),
        "{refused}"
    );
    let refused = read(&car_of(&sample.root, &[])).unwrap_err();
    assert!(
        matches!(refused, BulkError::Incomplete { missing: 1, .. }),
        "{refused}"
    );
    let refused = read(&sample.car[..sample.car.len() - 1].to_vec()).unwrap_err();
    assert!(matches!(refused, BulkError::Archive { .. }), "{refused}");
    let refused = read(&b"<html>".to_vec()).unwrap_err();
    assert!(matches!(refused, BulkError::Archive { .. }), "{refused}");
}

#[test]
fn a_bundle_over_a_cap_is_refused_with_the_cap() {
    let sample = Sample::new();
    let read = |limits| {
        Bundle::read(&sample.root, &sample.car, limits)
            .map(drop)
            .unwrap_err()
    };
    let limits = BulkLimits::REFERENCE;
    let over = [
        BulkLimits {
            blocks_max: 5,
            ..limits
        },
        BulkLimits {
            block_bytes_max: 64,
            ..limits
        },
        BulkLimits {
            bundle_bytes_max: 1_000,
            ..limits
        },
        BulkLimits {
            linked_block_bytes_max: 64,
            ..limits
        },
    ];
    // Twice as many may be named as may be there.
    for (limits, cap) in over.into_iter().zip([10, 64, 1_000, 64]) {
        let refused = read(limits);
        assert!(
            matches!(refused, BulkError::TooLarge { limit, .. } if limit == cap),
            "{refused}"
        );
        assert_eq!(refused.kind(), BulkErrorKind::Peer);
    }
}

#[test]
fn a_block_is_stored_only_under_the_id_it_has() {
    let store = elsewhere();
    let cid = cid_of(b"a");
    let refused = store.put_block(&cid, b"b").unwrap_err();
    assert!(matches!(refused, BulkError::Content(_)));
    assert!(matches!(
        store.get_block(&cid),
        Err(BulkError::NotFound { .. })
    ));
    store.put_block(&cid, b"a").unwrap();
    assert_eq!(store.get_block(&cid).unwrap(), b"a");
}

#[test]
fn a_file_that_was_damaged_is_refused_and_can_be_put_right() {
    let sample = Sample::new();
    let directory = tempfile::tempdir().unwrap();
    let store = ObjectBlocks::directory(directory.path()).unwrap();
    store.put_bundle(&sample.bundle()).unwrap();
    let (cid, bytes) = &sample.blocks()[2];
    let file = directory.path().join("blocks").join(cid.to_string());
    let mut damaged = bytes.clone();
    damaged[0] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    let refused = store.get_block(cid).unwrap_err();
    assert!(matches!(
        refused,
        BulkError::Content(ContentError::DigestMismatch { .. })
    ));
    assert!(fetch_bundle(&sample.root, &[&store], &FetchOptions::new()).is_err());
    store.put_block(cid, bytes).unwrap();
    fetch_bundle(&sample.root, &[&store], &FetchOptions::new()).unwrap();
}

#[test]
fn a_file_that_grew_beyond_the_cap_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let limits = BulkLimits {
        block_bytes_max: 10,
        ..BulkLimits::REFERENCE
    };
    let store = ObjectBlocks::directory(directory.path())
        .unwrap()
        .limits(limits);
    let cid = cid_of(b"a");
    store.put_block(&cid, b"a").unwrap();
    std::fs::write(
        directory.path().join("blocks").join(cid.to_string()),
        [0; 11],
    )
    .unwrap();
    let refused = store.get_block(&cid).unwrap_err();
    assert!(
        matches!(refused, BulkError::TooLarge { limit: 10, .. }),
        "{refused}"
    );
}

#[test]
fn an_object_store_works_inside_a_runtime_too() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = elsewhere();
        let cid = cid_of(b"a");
        store.put_block(&cid, b"a").unwrap();
        assert_eq!(store.get_block(&cid).unwrap(), b"a");
    });
}

#[test]
fn a_bundle_can_be_put_into_the_store_of_this_device_and_found_there() {
    let sample = Sample::new();
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let local = LocalBlocks::new(&engine);
    local.put_bundle(&sample.bundle()).unwrap();
    let fetched = fetch_bundle(&sample.root, &[&local], &FetchOptions::new()).unwrap();
    assert_eq!(fetched.bundle.blocks().len(), sample.blocks().len());
    assert!(matches!(
        local.pin(&sample.root),
        Err(BulkError::Unsupported { .. })
    ));
    engine.sweep(u64::MAX).unwrap();
    assert!(
        local.presence(&sample.root).unwrap().stored,
        "held while it is in use"
    );
}

#[test]
fn ids_by_which_nothing_can_be_checked_are_refused_at_once() {
    let store = elsewhere();
    // dag-pb, and a BLAKE3 digest.
    let other_codec = parse_cid("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG").unwrap();
    let digest = cid::multihash::Multihash::<64>::wrap(0x1e, &[0; 32]).unwrap();
    let other_hash = cid::Cid::new_v1(0x71, digest);
    let fetch = |cid| {
        fetch_bundle(cid, &[&store], &FetchOptions::new())
            .map(drop)
            .unwrap_err()
    };
    assert!(matches!(
        fetch(&other_codec),
        BulkError::Codec { codec: 0x70, .. }
    ));
    let refused = fetch(&other_hash);
    assert!(matches!(
        refused,
        BulkError::Content(ContentError::UnknownMultihash { found: 0x1e, .. })
    ));
    assert_eq!(refused.kind(), BulkErrorKind::Caller);
}

use uxf_codec::ElementHash;
use uxf_engine::{DATABASE_FILE, Engine, EngineOptions, Error, ErrorKind};

fn in_memory() -> Engine {
    Engine::in_memory(EngineOptions::new()).unwrap()
}

/// A token-root whose children are the given elements, so that it names each of them.
pub(crate) fn parent(number: u32, children: &[ElementHash]) -> Vec<u8> {
    let mut bytes =
        b"\xa4\x64type\x01\x66header\x84\x01\x01\x67default\xf6\x67content\xa1\x67version\x1a"
            .to_vec();
    bytes.extend_from_slice(&(number | 0x8000_0000).to_be_bytes());
    bytes.extend_from_slice(b"\x68children\xa1\x68nametags");
    match u8::try_from(children.len()).unwrap() {
        few @ 0..24 => bytes.push(0x80 | few),
        many => bytes.extend_from_slice(&[0x98, many]),
    }
    for child in children {
        bytes.extend_from_slice(b"\xd8\x2a\x58\x25\x00");
        bytes.extend_from_slice(&child.to_cid_bytes());
    }
    bytes
}

#[test]
fn what_was_put_and_pinned_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let engine = open();
    let mut batch = engine.begin();
    let hashes: Vec<_> = (0..100_u32)
        .map(|number| {
            let hash = batch.put_opaque(&number.to_be_bytes()).unwrap();
            batch.pin(&hash).unwrap();
            hash
        })
        .collect();
    let outcome = batch.commit().unwrap();
    assert_eq!((outcome.stored, outcome.stored_bytes), (100, 400));
    drop(engine);

    let engine = open();
    let snapshot = engine.snapshot().unwrap();
    for (number, hash) in (0..100_u32).zip(&hashes) {
        assert_eq!(
            snapshot.get(hash).unwrap().unwrap().as_ref(),
            number.to_be_bytes()
        );
    }
    assert_eq!(
        (
            engine.stats().unwrap().elements,
            engine.stats().unwrap().pins
        ),
        (100, 100)
    );
}

#[test]
fn an_element_put_twice_is_stored_once() {
    let engine = in_memory();
    for expected in [1, 0] {
        let mut batch = engine.begin();
        let hash = batch.put_opaque(b"twice").unwrap();
        batch.put_opaque(b"twice").unwrap();
        batch.pin(&hash).unwrap();
        let outcome = batch.commit().unwrap();
        assert_eq!((outcome.stored, outcome.known), (expected, 1 - expected));
    }
    assert_eq!(
        (
            engine.stats().unwrap().elements,
            engine.stats().unwrap().pins
        ),
        (1, 2)
    );
}

#[test]
fn a_second_handle_of_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let refused = Engine::open(directory.path(), EngineOptions::new()).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }));
    assert_eq!(refused.kind(), ErrorKind::Transient);
    drop(engine);
    assert!(Engine::open(directory.path(), EngineOptions::new()).is_ok());
}

#[test]
fn a_batch_that_names_a_missing_element_changes_nothing() {
    let engine = in_memory();
    let missing = ElementHash::of(b"missing");
    let mut batch = engine.begin();
    let stored = batch.put_opaque(b"stored?").unwrap();
    batch.pin(&missing).unwrap();
    let error = batch.commit().unwrap_err();
    assert!(matches!(error, Error::MissingElement { hash, .. } if hash == missing));

    let mut batch = engine.begin();
    batch.put(&parent(1, &[missing])).unwrap();
    let error = batch.commit().unwrap_err();
    assert!(matches!(error, Error::MissingElement { hash, .. } if hash == missing));
    assert!(!engine.snapshot().unwrap().contains(&stored).unwrap());
    assert_eq!(engine.stats().unwrap().elements, 0);
}

#[test]
fn releasing_a_root_reclaims_what_only_it_named_and_keeps_what_is_shared() {
    let engine = in_memory();
    let mut batch = engine.begin();
    let own = batch.put_opaque(b"own").unwrap();
    let shared = batch.put_opaque(b"shared").unwrap();
    let first = batch.put(&parent(1, &[own, shared])).unwrap();
    let second = batch.put(&parent(2, &[shared])).unwrap();
    batch.pin(&first).unwrap();
    batch.pin(&second).unwrap();
    batch.commit().unwrap();

    let before = engine.snapshot().unwrap();
    let mut batch = engine.begin();
    batch.unpin(&first).unwrap();
    batch.commit().unwrap();
    let after = engine.snapshot().unwrap();
    for (hash, stays) in [(own, false), (first, false), (shared, true), (second, true)] {
        assert_eq!(after.contains(&hash).unwrap(), stays);
        assert!(before.contains(&hash).unwrap());
    }
    assert_eq!(engine.stats().unwrap().elements, 2);
}

#[test]
fn what_a_crash_leaves_after_a_commit_of_some_size_needs_no_repair() {
    let (original, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::open(original.path(), EngineOptions::new()).unwrap();
    let mut batch = engine.begin();
    let hash = batch.put_opaque(&vec![7; 20 << 10]).unwrap();
    batch.commit().unwrap();
    // The file as it is while the store is open is what a killed process leaves.
    let file = crashed.path().join(DATABASE_FILE);
    std::fs::copy(original.path().join(DATABASE_FILE), &file).unwrap();
    let mut builder = redb::Database::builder();
    builder.set_repair_callback(redb::RepairSession::abort);
    drop(builder.open(&file).unwrap());
    let found = Engine::open(crashed.path(), EngineOptions::new()).unwrap();
    assert!(found.snapshot().unwrap().contains(&hash).unwrap());
}

#[test]
fn a_commit_that_releases_much_reclaims_at_once_only_when_too_much_waits() {
    // A step of 2: a commit reclaims by itself what is little (none) or goes beyond 16 steps and half of the rest.
    let engine = Engine::in_memory(EngineOptions::new().sweep_elements(2)).unwrap();
    let mut batch = engine.begin();
    let hashes: Vec<_> = (0..200)
        .map(|number| {
            batch
                .put_opaque(format!("element {number}").as_bytes())
                .unwrap()
        })
        .collect();
    for hash in &hashes {
        batch.pin(hash).unwrap();
    }
    batch.commit().unwrap();
    let mut batch = engine.begin();
    for hash in hashes.iter().skip(50) {
        batch.unpin(hash).unwrap();
    }
    batch.commit().unwrap();
    let stats = engine.stats().unwrap();
    assert_eq!((stats.elements, stats.released), (50, 0));

    let mut batch = engine.begin();
    for hash in hashes.iter().take(20) {
        batch.unpin(hash).unwrap();
    }
    batch.commit().unwrap();
    // However far the sweep has come by itself, an explicit one finishes.
    assert_eq!(engine.sweep(u64::MAX).unwrap().remaining, 0);
    assert_eq!(engine.stats().unwrap().elements, 30);
    for (number, hash) in hashes.iter().enumerate() {
        let there = engine.snapshot().unwrap().contains(hash).unwrap();
        assert_eq!(there, (20..50).contains(&number));
    }
}

#[test]
fn an_old_snapshot_reads_an_element_that_was_reclaimed_and_put_again() {
    let engine = in_memory();
    let put = |pinned: bool| {
        let mut batch = engine.begin();
        let hash = batch.put_opaque(b"again").unwrap();
        if pinned {
            batch.pin(&hash).unwrap();
        }
        batch.commit().unwrap();
        hash
    };
    let hash = put(true);
    let old = engine.snapshot().unwrap();
    let mut batch = engine.begin();
    batch.unpin(&hash).unwrap();
    batch.commit().unwrap();
    let between = engine.snapshot().unwrap();
    put(true);
    assert!(old.contains(&hash).unwrap());
    assert!(!between.contains(&hash).unwrap());
    assert!(engine.snapshot().unwrap().contains(&hash).unwrap());
    assert_eq!(engine.stats().unwrap().stored_ever, 2);
}

#[test]
fn releasing_more_than_there_is_is_refused_and_changes_nothing() {
    let engine = in_memory();
    let mut batch = engine.begin();
    let child = batch.put_opaque(b"child").unwrap();
    let root = batch.put(&parent(1, &[child])).unwrap();
    batch.pin(&root).unwrap();
    batch.commit().unwrap();

    let mut batch = engine.begin();
    batch.unpin(&root).unwrap();
    batch.unpin(&root).unwrap();
    assert!(matches!(
        batch.commit().unwrap_err(),
        Error::OverReleased { .. }
    ));
    assert!(engine.snapshot().unwrap().contains(&root).unwrap());
    assert_eq!(engine.stats().unwrap().pins, 1);
}

#[test]
fn a_stray_stays_until_it_is_swept_and_an_open_import_protects_it() {
    let engine = in_memory();
    let put = |bytes: &[u8]| {
        let mut batch = engine.begin();
        let hash = batch.put_opaque(bytes).unwrap();
        batch.commit().unwrap();
        hash
    };
    let there = |hash| engine.snapshot().unwrap().contains(&hash).unwrap();
    let before = put(b"before");
    let again = put(b"again");
    let import = engine.begin_import();
    let during = put(b"during");
    assert_eq!(put(b"again"), again);
    assert_eq!(engine.sweep(u64::MAX).unwrap().elements, 1);
    assert_eq!([before, again, during].map(there), [false, true, true]);
    drop(import);
    assert_eq!(engine.sweep(u64::MAX).unwrap().elements, 2);
    assert_eq!([before, again, during].map(there), [false, false, false]);
}

#[test]
fn children_may_come_after_their_parents_and_pins_before_what_they_pin() {
    let engine = in_memory();
    let child = ElementHash::of(b"late child");
    let bytes = parent(1, &[child]);
    let root = ElementHash::of(&bytes);
    let mut batch = engine.begin();
    batch.pin(&root).unwrap();
    batch.put(&bytes).unwrap();
    batch.put_opaque(b"late child").unwrap();
    assert_eq!(batch.commit().unwrap().stored, 2);
    let mut batch = engine.begin();
    batch.unpin(&root).unwrap();
    batch.commit().unwrap();
    engine.sweep(0).unwrap();
    assert_eq!(engine.sweep(u64::MAX).unwrap().remaining, 0);
    assert_eq!(engine.stats().unwrap().elements, 0);
}

#[test]
fn a_closed_engine_reads_and_does_not_write() {
    let engine = in_memory();
    let mut batch = engine.begin();
    let hash = batch.put_opaque(b"x").unwrap();
    batch.commit().unwrap();
    engine.close().unwrap();
    assert!(engine.snapshot().unwrap().contains(&hash).unwrap());
    let mut batch = engine.begin();
    batch.put_opaque(b"y").unwrap();
    assert!(matches!(batch.commit().unwrap_err(), Error::Closed));
}

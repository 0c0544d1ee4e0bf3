//! What counts, summed up range by range.

#![expect(
    clippy::indexing_slicing,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

use std::collections::BTreeMap;

use uxf_engine::oplog::{
    CheckpointProof, ItemHash, ItemSum, LoneOperation, OPERATION_ID_BYTES, OperationId,
};
use uxf_engine::profile::{LiveBound, LiveItem, Profile};
use uxf_engine::{Engine, EngineOptions};
use uxf_testkit::Rng;

use super::{give, secret};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

/// A device whose tables are written every few operations, so that what counts is in memory and in tables.
fn device(name: &str) -> Profile {
    let engine = Engine::in_memory(EngineOptions::new().checkpoint_elements(64)).unwrap();
    engine.profile(&secret(), name).unwrap()
}

/// An operation as its own proof tells it.
fn told(proof: &[u8]) -> LiveItem {
    let read =
        |stamp: uxf_engine::oplog::Stamp, operation: uxf_engine::oplog::Operation<'_>| LiveItem {
            key: operation.key.to_owned(),
            operation: OperationId::new(&stamp.log, stamp.seq),
            hash: ItemHash::of(&stamp, &operation),
        };
    if let Ok(alone) = LoneOperation::decode(proof) {
        let (stamp, operation) = alone.verify().unwrap();
        return read(stamp, operation);
    }
    let alone = CheckpointProof::decode(proof).unwrap();
    let (stamp, operation) = alone.verify().unwrap();
    read(stamp, operation)
}

/// What counts, found key by key with nothing but proofs.
fn by_proofs(profile: &Profile, keys: &[String]) -> Vec<LiveItem> {
    let mut all = BTreeMap::new();
    for key in keys {
        for proof in profile.prove(key).unwrap() {
            let item = told(&proof);
            all.insert((item.key.clone(), item.operation), item);
        }
    }
    all.into_values().collect()
}

fn sum_of(items: &[LiveItem]) -> ItemSum {
    let sums = items.iter().map(|item| ItemSum::of(&item.hash));
    sums.fold(ItemSum::default(), |sum, one| sum.plus(&one))
}

/// A place as somebody else may ask for it: at an operation, within its id, within its key, or behind everything.
fn place(rng: &mut Rng, items: &[LiveItem]) -> (Option<Vec<u8>>, Vec<u8>) {
    let item = &items[rng.index(items.len())];
    let (key, id) = (item.key.as_bytes().to_vec(), item.operation.as_bytes());
    match rng.index(5) {
        0 => (None, Vec::new()),
        1 => (Some(key), Vec::new()),
        2 => (Some(key), id.to_vec()),
        3 => (Some(key), id[..rng.index(OPERATION_ID_BYTES)].to_vec()),
        _ => (Some(key[..rng.index(key.len() + 1)].to_vec()), Vec::new()),
    }
}

fn bound(place: &(Option<Vec<u8>>, Vec<u8>)) -> LiveBound<'_> {
    match place {
        (None, _) => LiveBound::End,
        (Some(key), operation) => LiveBound::Before { key, operation },
    }
}

fn is_before(item: &LiveItem, place: &(Option<Vec<u8>>, Vec<u8>)) -> bool {
    let at = (item.key.as_bytes(), &item.operation.as_bytes()[..]);
    let (key, operation) = place;
    key.as_ref()
        .is_none_or(|key| at < (key.as_slice(), operation.as_slice()))
}

/// Compares sums, lists and cuts of random ranges with a list of everything.
fn judge(profile: &Profile, expected: &[LiveItem], rng: &mut Rng) {
    let live = profile.live_operations().unwrap();
    let all = live
        .items(LiveBound::START, LiveBound::End, usize::MAX)
        .unwrap();
    assert_eq!(all, expected);
    for _ in 0..20 {
        let (mut from, mut to) = (place(rng, expected), place(rng, expected));
        let behind = |a: &LiveItem| is_before(a, &from) && !is_before(a, &to);
        if expected.iter().any(behind) || from.0.is_none() {
            core::mem::swap(&mut from, &mut to);
        }
        let inside = |item: &&LiveItem| is_before(item, &to) && !is_before(item, &from);
        let inside: Vec<LiveItem> = expected.iter().filter(inside).cloned().collect();
        let (from, to) = (bound(&from), bound(&to));
        assert_eq!(
            live.sum(from, to).unwrap(),
            sum_of(&inside),
            "{from:?} {to:?}"
        );
        let most = rng.index(inside.len() + 2);
        let listed = live.items(from, to, most).unwrap();
        assert_eq!(listed, inside[..most.min(inside.len())]);
        let cuts = live.split(from, to, 16).unwrap();
        assert_eq!(cuts.len(), inside.len().clamp(1, 16) - 1);
        let mut last = 0;
        for (before, behind) in cuts {
            let at = inside.iter().position(|item| *item == behind).unwrap();
            assert_eq!(inside[at - 1], before);
            let part = at - last;
            assert!(
                (inside.len() / 16..=inside.len() / 16 + 1).contains(&part) || inside.len() < 16
            );
            last = at;
        }
    }
}

#[test]
fn sums_lists_and_cuts_of_any_range_are_those_of_the_operations_that_prove_themselves() {
    let mut rng = Rng::new(11);
    let (phone, laptop) = (device("phone"), device("laptop"));
    let mut keys: Vec<String> = (0..900).map(|key| format!("app.{key:03}")).collect();
    keys.push(SET.to_owned());
    for round in 0..8_u8 {
        for device in [&phone, &laptop] {
            let mut batch = device.engine().begin();
            for _ in 0..150 {
                let key = &keys[rng.index(900)];
                if rng.index(5) == 0 {
                    batch.delete_value(device, key).unwrap();
                } else {
                    batch.put_value(device, key, &[round; 30]).unwrap();
                }
            }
            batch.commit().unwrap();
            device
                .put(SET, format!(r#"["{round}"]"#).as_bytes())
                .unwrap();
        }
        if round % 3 == 1 {
            give(&phone, &laptop);
        }
        if round % 4 == 2 {
            phone.compact().unwrap();
        }
        if round % 4 != 3 {
            continue;
        }
        for device in [&phone, &laptop] {
            judge(device, &by_proofs(device, &keys), &mut rng);
            let report = device.engine().check_integrity(&mut |_| {}).unwrap();
            assert!(report.is_clean(), "{:#?}", report.problems);
        }
    }
    give(&phone, &laptop);
    give(&laptop, &phone);
    let sums = [&phone, &laptop].map(|device| {
        let live = device.live_operations().unwrap();
        live.sum(LiveBound::START, LiveBound::End).unwrap()
    });
    assert_eq!(sums[0], sums[1]);
    // Each device's set is an operation of its own.
    assert!(sums[0].count() > 800);
}

#[test]
fn what_counts_is_the_same_after_a_restart_and_in_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let options = || EngineOptions::new().checkpoint_elements(256);
    let engine = Engine::open(directory.path(), options()).unwrap();
    let profile = engine.profile(&secret(), "phone").unwrap();
    let whole = |profile: &Profile| {
        let live = profile.live_operations().unwrap();
        live.sum(LiveBound::START, LiveBound::End).unwrap()
    };
    for key in 0..700 {
        profile
            .put(&format!("app.{}", key * 37 % 500), b"value")
            .unwrap();
    }
    let expected = whole(&profile);
    assert_eq!(expected.count(), 500);
    let copy = tempfile::tempdir().unwrap();
    engine.backup_to(copy.path()).unwrap();
    drop((profile, engine));
    for directory in [directory.path(), copy.path()] {
        let engine = Engine::open(directory, options()).unwrap();
        assert_eq!(whole(&engine.open_profile(&secret()).unwrap()), expected);
        let report = engine.check_integrity(&mut |_| {}).unwrap();
        assert!(report.is_clean(), "{:#?}", report.problems);
    }
}

#[test]
fn many_operations_are_proven_at_once_and_none_that_does_not_count() {
    let phone = device("phone");
    for key in 0..40 {
        phone.put(&format!("app.{key}"), b"first").unwrap();
    }
    let old = phone.live_operations().unwrap();
    let old = old.items(LiveBound::START, LiveBound::End, 100).unwrap();
    for key in 20..30 {
        phone.put(&format!("app.{key}"), b"second").unwrap();
    }
    phone.compact().unwrap();
    phone.put("app.last", b"third").unwrap();
    let live = phone.live_operations().unwrap();
    let now = live.items(LiveBound::START, LiveBound::End, 100).unwrap();
    assert_eq!(now.len(), 41);
    let proofs = live.prove(&now.iter().collect::<Vec<_>>()).unwrap();
    for (item, proof) in now.iter().zip(&proofs) {
        assert_eq!(told(proof.as_ref().unwrap()), *item);
    }
    let proofs = live.prove(&old.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(proofs.iter().filter(|proof| proof.is_none()).count(), 10);
}

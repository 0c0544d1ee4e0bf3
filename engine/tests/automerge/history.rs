use std::collections::HashMap;

use automerge::{ActorId, Automerge, Change};
use uxf_engine::oplog::{Commit, DeltaLimits, DeltaReader, DeltaRecordKind};
use uxf_engine::profile::Profile;
use uxf_engine::profile::automerge::{AutomergeError, AutomergeExport, verify_automerge};

use super::{NOW, device, give, present, seen, values};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

fn actor(profile: &Profile) -> ActorId {
    let log = profile.log_id();
    let epoch = log.epoch.as_u64().to_be_bytes();
    ActorId::from([&log.device.as_bytes()[..], &epoch].concat())
}

/// Two devices that wrote by turns, and not only knowing of each other.
fn devices() -> (Profile, Profile) {
    let (phone, laptop) = (device("phone"), device("laptop"));
    phone.put("app.k", b"dead").unwrap();
    phone.put("app.long", &[7; 5_000]).unwrap();
    give(&phone, &laptop);
    laptop.put("app.k", b"laptop").unwrap();
    phone.put("app.gone", b"v").unwrap();
    phone.delete("app.gone").unwrap();
    // Nothing to do for Automerge, and a commit all the same.
    phone.delete("app.gone").unwrap();
    phone.put(SET, br#"["a"]"#).unwrap();
    laptop.put(SET, br#"["b"]"#).unwrap();
    give(&laptop, &phone);
    phone.put("app.last", b"v").unwrap();
    (phone, laptop)
}

fn history(profile: &Profile) -> Vec<u8> {
    profile
        .export_automerge(AutomergeExport::History, |_| {})
        .unwrap()
}

/// A document with other extra bytes: what is changed is given the actors and the extra bytes of all changes.
fn rewritten(bytes: &[u8], change: impl Fn(&mut Vec<(ActorId, Vec<u8>)>)) -> Vec<u8> {
    let changes = Automerge::load(bytes).unwrap().get_changes(&[]);
    let extras = changes.iter();
    let extras = extras.map(|change| (change.actor_id().clone(), change.extra_bytes().to_vec()));
    let mut extras: Vec<_> = extras.collect();
    change(&mut extras);
    let mut hashes = HashMap::new();
    let mut document = Automerge::new();
    for (change, (_, extra)) in changes.into_iter().zip(extras) {
        let mut expanded = change.decode();
        for dependency in &mut expanded.deps {
            *dependency = hashes[dependency];
        }
        expanded.extra_bytes = extra;
        let now = Change::from(expanded);
        hashes.insert(change.hash(), now.hash());
        document.apply_changes([now]).unwrap();
    }
    document.save()
}

fn refusal(bytes: &[u8], change: impl Fn(&mut Vec<(ActorId, Vec<u8>)>)) -> AutomergeError {
    verify_automerge(&rewritten(bytes, change)).unwrap_err()
}

#[test]
fn every_commit_is_a_change_of_its_logs_actor_and_its_signature_survives_automerge() {
    let (phone, laptop) = devices();
    let bytes = history(&phone);
    let document = Automerge::load(&bytes).unwrap();
    assert_eq!(present(values(&document)), seen(&phone));
    assert_eq!(values(&document)["app.gone"], None);
    let changes = document.get_changes(&[]);
    // The map of values, nine commits, and the statements.
    assert_eq!(changes.len(), 11);
    for change in &changes[1..10] {
        let mut reader = DeltaReader::new(change.extra_bytes(), DeltaLimits::default()).unwrap();
        let mut found = 0;
        while let Some(record) = reader.next_record().unwrap() {
            if record.kind == DeltaRecordKind::Commit {
                let commit = Commit::decode(record.bytes).unwrap();
                commit.verify().unwrap();
                let own = commit.header().log == phone.log_id();
                let expected = actor(if own { &phone } else { &laptop });
                assert_eq!(*change.actor_id(), expected);
                found += 1;
            }
        }
        assert_eq!(found, 1);
        assert_eq!(change.timestamp(), i64::try_from(NOW / 1_000).unwrap());
        assert_eq!(change.author(), None);
    }
    // What Automerge passes on is the same.
    let mut other = Automerge::new();
    other.merge(&mut Automerge::load(&bytes).unwrap()).unwrap();
    for bytes in [bytes, other.save(), other.save_nocompress()] {
        let report = verify_automerge(&bytes).unwrap();
        assert_eq!(report.profile.as_ref(), Some(phone.id()));
        assert_eq!((report.commits, report.operations), (9, 9));
        assert_eq!((report.checkpoints, report.unsigned), (0, 1));
        assert_eq!(report.statements, 2);
        assert_eq!(report.logs[&phone.log_id()], 7);
        assert_eq!(report.logs[&laptop.log_id()], 2);
        assert!(report.uncertified.is_empty());
    }
}

#[test]
fn what_a_checkpoint_took_over_is_one_change_that_verifies_and_no_value_is_lost() {
    let (phone, laptop) = devices();
    phone.compact().unwrap();
    phone.engine().sweep(u64::MAX).unwrap();
    phone.put("app.after", b"v").unwrap();
    give(&phone, &laptop);
    for profile in [&phone, &laptop] {
        let bytes = history(profile);
        assert_eq!(
            present(values(&Automerge::load(&bytes).unwrap())),
            seen(profile)
        );
        let report = verify_automerge(&bytes).unwrap();
        assert_eq!(report.logs[&phone.log_id()], 8);
        assert!(report.uncertified.is_empty());
    }
    let report = verify_automerge(&history(&phone)).unwrap();
    assert_eq!((report.checkpoints, report.commits), (1, 3));
}

#[test]
fn a_document_without_our_records_is_one_of_unsigned_changes() {
    let (phone, _) = devices();
    let bytes = phone
        .export_automerge(AutomergeExport::State, |_| {})
        .unwrap();
    let report = verify_automerge(&bytes).unwrap();
    assert_eq!((report.profile, report.unsigned), (None, 2));
    assert!(matches!(
        verify_automerge(b"no document"),
        Err(AutomergeError::Document(_))
    ));
}

#[test]
fn records_that_were_changed_moved_or_mixed_are_refused() {
    let (phone, laptop) = devices();
    let bytes = history(&phone);
    assert_eq!(rewritten(&bytes, |_| {}), bytes);
    let places = |extras: &[(ActorId, Vec<u8>)], of: &Profile| -> Vec<usize> {
        let of = actor(of);
        let all = extras.iter().enumerate();
        all.filter(|(_, (actor, _))| *actor == of)
            .map(|(at, _)| at)
            .collect()
    };
    let flipped = refusal(&bytes, |extras| extras[3].1[60] ^= 1);
    assert!(
        matches!(flipped, AutomergeError::Extra { .. }),
        "{flipped:?}"
    );
    let moved = refusal(&bytes, |extras| {
        let (ours, theirs) = (places(extras, &phone)[0], places(extras, &laptop)[0]);
        extras[ours].1 = extras[theirs].1.clone();
    });
    assert!(
        matches!(moved, AutomergeError::OtherActor { .. }),
        "{moved:?}"
    );
    let swapped = refusal(&bytes, |extras| {
        let ours = places(extras, &phone);
        let first = std::mem::take(&mut extras[ours[0]].1);
        extras[ours[0]].1 = std::mem::replace(&mut extras[ours[4]].1, first);
    });
    assert!(
        matches!(swapped, AutomergeError::Chain { .. }),
        "{swapped:?}"
    );
    let other = super::device_of(9, "other");
    other.put("app.k", b"v").unwrap();
    let foreign = Automerge::load(&history(&other)).unwrap().get_changes(&[]);
    let mixed = refusal(&bytes, |extras| {
        extras[2].1 = foreign[1].extra_bytes().to_vec();
    });
    assert!(matches!(mixed, AutomergeError::OtherProfile), "{mixed:?}");
    // Without the statements nobody is certified.
    let without = rewritten(&bytes, |extras| extras.last_mut().unwrap().1.clear());
    let report = verify_automerge(&without).unwrap();
    assert_eq!(report.uncertified.len(), 2);
}

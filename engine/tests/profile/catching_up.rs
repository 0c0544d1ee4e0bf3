//! Catching up with a log by the signed header of its checkpoint and the entries that differ.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uxf_engine::Error;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointError, ItemSum, LogHead, SignedCheckpoint, VersionVector};
use uxf_engine::profile::{
    CaughtUp, Delta, EntryItem, IngestOutcome, LiveBound, LogEntries, Profile, ProfileError,
    SentEntry, Whole,
};
use uxf_engine::{Engine, EngineOptions};

use super::{NOW, SetClock, device, device_at, give, secret};

const ALL: core::ops::Range<u64> = 0..u64::MAX;

fn all(entries: &LogEntries) -> Vec<EntryItem> {
    entries.items(ALL, usize::MAX).unwrap()
}

/// What a replica lacks of a log to have the checkpoint that another has; `None` if it brings nothing.
fn compare(from: &Profile, to: &Profile, log: LogId) -> Option<CaughtUp> {
    let theirs = from.checkpoint_entries(log).unwrap().unwrap();
    let signed = theirs.signed().to_vec();
    let own = to.catch_up(&signed).unwrap()?;
    let ours = all(&to.own_entries(&own).unwrap());
    let listed = all(&theirs);
    let wanted = listed.iter().filter(|item| !ours.contains(item));
    let wanted: BTreeSet<u64> = wanted.map(|item| item.seq).collect();
    let dropped = ours.iter().filter(|item| !listed.contains(item));
    // What came under the same number takes its place.
    let dropped = dropped.map(|item| item.seq);
    let dropped = dropped.filter(|seq| !wanted.contains(seq)).collect();
    let sent = theirs.entries(&wanted, usize::MAX).unwrap();
    assert_eq!(sent.len(), wanted.len());
    Some(CaughtUp {
        signed,
        own,
        dropped,
        entries: sent.iter().map(|one| one.bytes.clone()).collect(),
        blocks: sent.into_iter().filter_map(|one| one.block).collect(),
    })
}

fn catch_up(from: &Profile, to: &Profile, log: LogId) -> Option<IngestOutcome> {
    let caught_up = compare(from, to, log)?;
    Some(to.adopt_checkpoint(caught_up).unwrap())
}

fn sum(profile: &Profile) -> ItemSum {
    let live = profile.live_operations().unwrap();
    live.sum(LiveBound::START, LiveBound::End).unwrap()
}

fn is_sound(profile: &Profile) {
    let report = profile.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:#?}", report.problems);
}

fn put_all(profile: &Profile, keys: core::ops::Range<u32>, value: &[u8]) {
    let mut batch = profile.engine().begin();
    for key in keys {
        batch
            .put_value(profile, &format!("app.{key}"), value)
            .unwrap();
    }
    batch.commit().unwrap();
}

/// A replica that has part of a log whose checkpoint another has.
fn behind() -> (Profile, Profile) {
    let (phone, laptop) = (device("phone"), device("laptop"));
    put_all(&phone, 0..1_500, &[7; 100]);
    phone.compact().unwrap();
    give(&phone, &laptop);
    for key in 0..20 {
        phone.put(&format!("app.{key}"), b"again").unwrap();
    }
    phone.put("app.long", &[8; 5_000]).unwrap();
    give(&phone, &laptop);
    put_all(&phone, 10..15, b"once more");
    phone.delete("app.900").unwrap();
    phone.put("app.longer", &[9; 6_000]).unwrap();
    phone.compact().unwrap();
    (phone, laptop)
}

#[test]
fn a_log_is_caught_up_with_by_the_entries_that_differ() {
    let (phone, laptop) = behind();
    let log = phone.log_id();
    let caught_up = compare(&phone, &laptop, log).unwrap();
    assert_eq!(caught_up.own.count(), 1_501);
    // Five keys of the second round, one that was deleted.
    assert_eq!(caught_up.dropped.len(), 6);
    assert_eq!((caught_up.entries.len(), caught_up.blocks.len()), (7, 1));
    let outcome = laptop.adopt_checkpoint(caught_up).unwrap();
    assert_eq!(outcome.checkpoints, 1);
    assert_eq!(
        laptop.version_vector().unwrap(),
        phone.version_vector().unwrap()
    );
    assert_eq!(sum(&laptop), sum(&phone));
    assert_eq!(laptop.get("app.longer").unwrap().unwrap(), &[9; 6_000]);
    assert!(laptop.get("app.900").unwrap().is_none());
    is_sound(&laptop);
    // What it has is what the device signed: it can give it on, and there is nothing to catch up with any more.
    let tablet = device("tablet");
    give(&laptop, &tablet);
    assert_eq!(sum(&tablet), sum(&phone));
    assert!(compare(&phone, &laptop, log).is_none());
}

#[test]
fn only_who_has_a_part_of_a_log_catches_up_with_it() {
    let (phone, _) = behind();
    let signed = phone.signed_checkpoint(phone.log_id()).unwrap().unwrap();
    assert!(phone.catch_up(&signed).unwrap().is_none());
    let stranger = device("stranger");
    let uncertified = stranger.catch_up(&signed);
    assert!(matches!(
        uncertified,
        Err(Error::Profile(ProfileError::Uncertified { .. }))
    ));
    let statements = phone
        .delta_for(&phone.version_vector().unwrap(), 0)
        .unwrap();
    stranger.ingest(&statements).unwrap();
    assert!(stranger.catch_up(&signed).unwrap().is_none());
    // Nor who would have to wait for its time.
    let clock = SetClock::at(NOW + (1 << 40));
    let ahead = device_at("ahead", &clock);
    ahead.put("app.a", b"1").unwrap();
    let early = SetClock::at(NOW + (1 << 40));
    let watch = device_at("watch", &early);
    give(&ahead, &watch);
    ahead.put("app.a", b"2").unwrap();
    ahead.compact().unwrap();
    let signed = ahead.signed_checkpoint(ahead.log_id()).unwrap().unwrap();
    assert!(watch.catch_up(&signed).unwrap().is_some());
    early.set(NOW);
    assert!(watch.catch_up(&signed).unwrap().is_none());
}

#[test]
fn entries_that_are_not_the_checkpoints_change_nothing_and_it_can_be_had_whole() {
    let (phone, laptop) = behind();
    let log = phone.log_id();
    let (vector, before) = (laptop.version_vector().unwrap(), sum(&laptop));
    let right = compare(&phone, &laptop, log).unwrap();
    let first = *right.dropped.first().unwrap();
    let lies: [fn(&mut CaughtUp, u64); 6] = [
        |lie, first| assert!(lie.dropped.remove(&first)),
        |lie, _| lie.entries.truncate(3),
        |lie, first| {
            lie.dropped.remove(&first);
            lie.dropped.insert(first + 9);
        },
        |lie, _| {
            let last = lie.entries[0].len() - 1;
            lie.entries[0][last] ^= 1;
        },
        |lie, _| lie.entries[0][0] ^= 1,
        |lie, _| lie.entries.push(vec![0; 50]),
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let mut wrong = right.clone();
        lie(&mut wrong, first);
        let refused = laptop.adopt_checkpoint(wrong);
        assert!(
            matches!(
                refused,
                Err(Error::Profile(ProfileError::NotCaughtUp { log: of, .. })) if of == log
            ),
            "{at}: {refused:?}"
        );
        assert_eq!(laptop.version_vector().unwrap(), vector);
        assert_eq!(sum(&laptop), before);
    }
    is_sound(&laptop);
    give(&phone, &laptop);
    assert_eq!(sum(&laptop), sum(&phone));
    // What was found before is of no use any more.
    assert!(matches!(
        laptop.adopt_checkpoint(right),
        Err(Error::Profile(ProfileError::Superseded { .. }))
    ));
}

#[test]
fn a_block_that_is_missing_and_a_header_that_was_changed_are_refused() {
    let (phone, laptop) = behind();
    let log = phone.log_id();
    let right = compare(&phone, &laptop, log).unwrap();
    let mut without = right.clone();
    without.blocks.clear();
    assert!(matches!(
        laptop.adopt_checkpoint(without),
        Err(Error::MissingElement { .. })
    ));
    for at in (0..right.signed.len()).step_by(5) {
        let mut forged = right.clone();
        forged.signed[at] ^= 1;
        assert!(laptop.catch_up(&forged.signed).is_err(), "byte {at}");
        assert!(laptop.adopt_checkpoint(forged).is_err(), "byte {at}");
    }
    let mut unsigned = right.clone();
    *unsigned.signed.last_mut().unwrap() ^= 1;
    assert!(matches!(
        laptop.catch_up(&unsigned.signed),
        Err(Error::Profile(ProfileError::Checkpoint(
            CheckpointError::Signature
        )))
    ));
    assert_eq!(laptop.adopt_checkpoint(right).unwrap().checkpoints, 1);
}

#[test]
fn what_a_revoked_device_signed_is_not_caught_up_with() {
    let (phone, laptop) = behind();
    let log = phone.log_id();
    let found = compare(&phone, &laptop, log).unwrap();
    laptop.revoke(phone.device()).unwrap();
    let before = sum(&laptop);
    for refused in [
        laptop.catch_up(&found.signed).map(drop),
        laptop.adopt_checkpoint(found).map(drop),
    ] {
        assert!(matches!(
            refused,
            Err(Error::Profile(ProfileError::Revoked { .. }))
        ));
    }
    assert_eq!(sum(&laptop), before);
    is_sound(&laptop);
    // Who knows of it offers nothing either.
    let statements = laptop
        .delta_for(&laptop.version_vector().unwrap(), 0)
        .unwrap();
    phone.ingest(&statements).unwrap();
    assert!(phone.signed_checkpoint(log).unwrap().is_none());
    assert!(phone.checkpoint_entries(log).unwrap().is_none());
}

#[test]
fn a_large_checkpoint_is_offered_to_who_has_a_part_of_the_log_and_given_whole_to_others() {
    let (phone, laptop) = behind();
    let log = phone.log_id();
    phone.put("app.after", b"1").unwrap();
    let signed = phone.signed_checkpoint(log).unwrap().unwrap();
    let bytes_max = SignedCheckpoint::decode(&signed).unwrap().header().bytes;
    let part = laptop.version_vector().unwrap();
    let small = |logs: &[LogId]| Whole {
        bytes_max: bytes_max - 1,
        logs: logs.iter().copied().collect(),
        bytes_most: bytes_max,
    };
    let large = Whole {
        bytes_max,
        ..small(&[])
    };
    let given = |vector: &VersionVector, whole: &Whole| {
        let (delta, offered) = phone.delta_offering(vector, 1 << 30, whole).unwrap();
        (delta.checkpoints.len(), delta.commits.len(), offered)
    };
    assert_eq!(given(&part, &small(&[])), (0, 0, vec![signed]));
    assert_eq!(given(&part, &small(&[log])), (1, 1, Vec::new()));
    assert_eq!(given(&part, &large), (1, 1, Vec::new()));
    let nothing = VersionVector::default();
    assert_eq!(given(&nothing, &small(&[])), (1, 1, Vec::new()));
    // Beyond what anybody takes whole there is only the offer.
    let most = Whole {
        bytes_most: bytes_max - 1,
        ..small(&[log])
    };
    for vector in [&part, &nothing] {
        let refused = phone.delta_offering(vector, 1 << 30, &most).unwrap_err();
        assert_eq!(refused.code(), "COMPACTED");
    }
    let unasked = Whole {
        logs: BTreeSet::new(),
        ..most
    };
    assert_eq!(given(&part, &unasked).2.len(), 1);
}

/// The store of a device that was copied file by file writes its log a second time: the checkpoint of one history over what is
/// here of the other comes to the same as if it had come whole.
#[test]
fn over_another_history_of_its_device_a_checkpoint_comes_to_what_it_comes_to_whole() {
    let directory = tempfile::tempdir().unwrap();
    let open = |at: &std::path::Path| Engine::open(at, EngineOptions::new()).unwrap();
    let profile = |engine: &Engine| engine.profile(&secret(), "phone").unwrap();
    let engine = open(directory.path());
    let phone = profile(&engine);
    put_all(&phone, 0..50, b"before");
    let saved = std::fs::read(directory.path().join("uxf.redb")).unwrap();
    let (laptop, tablet) = (device("laptop"), device("tablet"));
    put_all(&phone, 0..5, b"one");
    give(&phone, &laptop);
    give(&laptop, &tablet);
    let log = phone.log_id();
    drop((phone, engine));
    // The same file goes on from what it was: nothing tells it that it did.
    std::fs::write(directory.path().join("uxf.redb"), saved).unwrap();
    let engine = open(directory.path());
    let phone = profile(&engine);
    assert_eq!(phone.log_id(), log);
    put_all(&phone, 3..9, b"two");
    phone.compact().unwrap();
    assert_eq!(catch_up(&phone, &laptop, log).unwrap().checkpoints, 1);
    give(&phone, &tablet);
    assert_eq!(sum(&laptop), sum(&tablet));
    assert_eq!(
        laptop.version_vector().unwrap(),
        tablet.version_vector().unwrap()
    );
    is_sound(&laptop);
}

#[test]
fn sums_and_cuts_are_those_of_the_entries_in_segments_and_in_commits() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    put_all(&phone, 0..2_000, &[7; 100]);
    phone.compact().unwrap();
    for key in 0..700 {
        phone.put(&format!("app.{}", key % 300), b"again").unwrap();
    }
    give(&phone, &laptop);
    phone.put("app.x", b"more").unwrap();
    phone.compact().unwrap();
    let theirs = phone.checkpoint_entries(phone.log_id()).unwrap().unwrap();
    let own = laptop.catch_up(theirs.signed()).unwrap().unwrap();
    let own = laptop.own_entries(&own).unwrap();
    for (entries, count) in [(theirs, 2_001_usize), (own, 2_000)] {
        let items = all(&entries);
        assert_eq!(items.len(), count);
        assert!(items.is_sorted_by_key(|item| item.seq));
        let expected = |range: &core::ops::Range<u64>| {
            let found = items.iter().filter(|item| range.contains(&item.seq));
            found.fold(ItemSum::default(), |sum, item| {
                sum.plus(&ItemSum::of(&item.hash))
            })
        };
        let every: Vec<(u64, u64)> = items
            .windows(2)
            .map(|two| (two[0].seq, two[1].seq))
            .collect();
        assert_eq!(entries.split(ALL, u64::MAX).unwrap(), every);
        for range in [
            ALL,
            0..1,
            1..2,
            299..1_301,
            1_999..2_400,
            2_650..u64::MAX,
            core::ops::Range { start: 9, end: 3 },
        ] {
            let sum = entries.sum(range.clone()).unwrap();
            assert_eq!(sum, expected(&range), "{range:?}");
            let cuts = entries.split(range.clone(), 16).unwrap();
            let parts = sum.count().min(16);
            assert_eq!(cuts.len() as u64, parts.saturating_sub(1), "{range:?}");
            let mut from = range.start;
            for (before, behind) in cuts {
                let part = entries.sum(from..behind).unwrap().count();
                assert!(part.abs_diff(sum.count() / parts) <= 1, "{range:?}");
                let last = items.iter().rfind(|item| item.seq < behind).unwrap();
                assert_eq!(last.seq, before);
                from = behind;
            }
            let first = entries.items(range.clone(), 3).unwrap();
            let wanted = items.iter().filter(|item| range.contains(&item.seq));
            assert!(first.iter().eq(wanted.take(3)), "{range:?}");
        }
    }
}

#[test]
fn entries_are_given_within_a_budget_and_at_least_one() {
    let (phone, _) = behind();
    let entries = phone.checkpoint_entries(phone.log_id()).unwrap().unwrap();
    let mut wanted: BTreeSet<u64> = all(&entries).iter().map(|item| item.seq).collect();
    // One that is not there.
    assert!(wanted.insert(u64::MAX));
    let (mut calls, mut found) = (0, BTreeMap::new());
    loop {
        let sent = entries.entries(&wanted, 3_000).unwrap();
        let bytes: usize = sent.iter().map(SentEntry::byte_len).sum();
        assert!(bytes <= 3_000 || sent.len() == 1, "{bytes}");
        for one in &sent {
            assert!(wanted.remove(&one.seq));
            found.insert(one.seq, one.block.is_some());
        }
        calls += 1;
        if sent.is_empty() {
            break;
        }
    }
    assert_eq!(wanted.into_iter().collect::<Vec<_>>(), [u64::MAX]);
    assert_eq!(found.values().filter(|is_long| **is_long).count(), 2);
    assert!((50..200).contains(&calls), "{calls}");
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u8, u8),
    Delete(usize, u8),
    Compact(usize),
    Give(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = || 0_usize..3;
    let step = prop_oneof![
        6 => (device(), 0_u8..12, any::<u8>()).prop_map(|(d, key, value)| Step::Put(d, key, value)),
        2 => (device(), 0_u8..12).prop_map(|(d, key)| Step::Delete(d, key)),
        1 => device().prop_map(Step::Compact),
        2 => (device(), device()).prop_map(|(from, to)| Step::Give(from, to)),
    ];
    proptest::collection::vec(step, 1..50)
}

fn run(devices: &[Profile; 3], steps: &[Step]) {
    let device = |at: usize| devices.get(at).unwrap();
    for step in steps {
        match *step {
            Step::Put(at, key, value) => {
                let len = if value.is_multiple_of(8) { 4_000 } else { 1 };
                let value = vec![value; len];
                device(at).put(&format!("app.{key}"), &value).unwrap();
            }
            Step::Delete(at, key) => device(at).delete(&format!("app.{key}")).unwrap(),
            Step::Compact(at) => drop(device(at).compact().unwrap()),
            Step::Give(from, to) => give(device(from), device(to)),
        }
    }
}

/// What a replica without any of a log would be given of it stays out.
fn only(vector: &VersionVector, but: &LogId) -> VersionVector {
    let mut others = VersionVector::default();
    for (log, reached) in vector.iter().filter(|(log, _)| log != but) {
        let head = LogHead {
            next_seq: reached.next_seq,
            head: Some(reached.head),
            ..LogHead::empty(log)
        };
        others.set(&head).unwrap();
    }
    others
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A fourth device has what it was given in between; its twin takes every checkpoint whole.
    #[test]
    fn catching_up_comes_to_what_whole_checkpoints_come_to(first in steps(), then in steps()) {
        let devices = [device("a"), device("b"), device("c")];
        run(&devices, &first);
        let (late, twin) = (device("late"), device("twin"));
        for profile in &devices {
            give(profile, &late);
        }
        give(&late, &twin);
        run(&devices, &then);
        devices[0].compact().unwrap();
        let log = devices[0].log_id();
        if let Some(checkpoint) = devices[0].signed_checkpoint(log).unwrap() {
            let whole = devices[0].delta_for(&late.version_vector().unwrap(), 1 << 30).unwrap();
            let until = SignedCheckpoint::decode(&checkpoint).unwrap().header().until;
            let had = late.version_vector().unwrap().get(&log).map_or(1, |had| had.next_seq);
            let caught_up = catch_up(&devices[0], &late, log);
            prop_assert_eq!(caught_up.is_some(), had > 1 && had <= until);
            if caught_up.is_some() {
                let only_that = Delta {
                    checkpoints: whole.checkpoints.iter().filter(|one| one.signed == checkpoint)
                        .cloned().collect(),
                    blocks: whole.blocks,
                    ..Delta::default()
                };
                prop_assert_eq!(only_that.checkpoints.len(), 1);
                twin.ingest(&only_that).unwrap();
            }
            prop_assert_eq!(sum(&late), sum(&twin));
            let (ours, twins) = (late.version_vector().unwrap(), twin.version_vector().unwrap());
            prop_assert_eq!(only(&ours, &twin.log_id()), only(&twins, &late.log_id()));
        }
        // And both come to the same as everybody once they have all.
        for profile in &devices {
            give(profile, &late);
            give(profile, &twin);
        }
        prop_assert_eq!(sum(&late), sum(&twin));
        let report = late.engine().check_integrity(&mut |_| {}).unwrap();
        prop_assert!(report.problems.is_empty(), "{:#?}", report.problems);
    }
}

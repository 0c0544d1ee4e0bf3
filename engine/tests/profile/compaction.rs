use std::collections::BTreeMap;

use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::{Delta, Profile};
use uxf_engine::{Engine, EngineOptions};

use super::{NOW, SetClock, device, device_at, give, secret, text};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

/// Many writes of few keys, some of them long, merged or deleted.
fn write(profile: &Profile, round: u32) {
    for key in 0..200_u32 {
        let value = format!("{round}-{key}");
        profile
            .put(&format!("app.{key}"), value.as_bytes())
            .unwrap();
    }
    profile
        .put("app.long", &vec![u8::try_from(round).unwrap(); 3_000])
        .unwrap();
    profile
        .put(SET, format!(r#"["{round}"]"#).as_bytes())
        .unwrap();
    profile.delete(&format!("app.{round}")).unwrap();
}

/// Everything that can be seen, with the versions that tell states apart.
fn seen(profile: &Profile) -> BTreeMap<String, (Vec<u8>, String)> {
    let snapshot = profile.engine().snapshot().unwrap();
    let view = snapshot.profile(profile);
    let all = view.prefix("").unwrap().map(Result::unwrap);
    all.map(|(key, value)| {
        let version = format!("{:?}", view.version(&key).unwrap());
        (key, (value.as_bytes().to_vec(), version))
    })
    .collect()
}

fn is_sound(engine: &Engine) {
    let report = engine.check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:#?}", report.problems);
}

fn everything(profile: &Profile) -> Delta {
    profile
        .delta_for(&VersionVector::default(), 1 << 30)
        .unwrap()
}

#[test]
fn compaction_changes_no_value_and_leaves_what_counts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let engine = open();
    let profile = engine.profile(&secret(), "phone").unwrap();
    for round in 0..5 {
        write(&profile, round);
    }
    let (before, vector) = (seen(&profile), profile.version_vector().unwrap());
    let old = engine.snapshot().unwrap();
    let outcome = profile.compact().unwrap();
    assert_eq!(outcome.operations, 5 * 203);
    // 200 keys of which five were deleted (their tombstones stay), the long value and the set.
    assert_eq!(outcome.live, 202);
    assert_eq!(seen(&profile), before);
    assert_eq!(profile.version_vector().unwrap(), vector);
    is_sound(&engine);
    // A reader that was there before reads on, also after the space is reclaimed.
    engine.sweep(u64::MAX).unwrap();
    assert_eq!(
        old.profile(&profile).prefix("").unwrap().count(),
        before.len()
    );
    for (key, (value, _)) in &before {
        assert_eq!(
            old.profile(&profile).get(key).unwrap().unwrap().as_bytes(),
            value
        );
    }
    drop(old);
    engine.sweep(u64::MAX).unwrap();
    is_sound(&engine);
    let kinds = engine.stats().unwrap().by_type;
    assert!(
        kinds.iter().all(|kind| kind.name() != "commit"),
        "{kinds:?}"
    );
    // Nothing dead is left, so nothing is done.
    let again = profile.compact().unwrap();
    assert_eq!((again.operations, again.live), (202, 202));

    profile.put("app.after", b"1").unwrap();
    let before = seen(&profile);
    drop((profile, engine));
    let engine = open();
    let profile = engine.open_profile(&secret()).unwrap();
    assert_eq!(seen(&profile), before);
    write(&profile, 6);
    let before = seen(&profile);
    profile.compact().unwrap();
    assert_eq!(seen(&profile), before);
    engine.sweep(u64::MAX).unwrap();
    is_sound(&engine);
    drop((profile, engine));
    let engine = open();
    let profile = engine.open_profile(&secret()).unwrap();
    assert_eq!(seen(&profile), before);
    is_sound(&engine);
}

#[test]
fn what_a_compaction_moved_is_found_again_also_if_nothing_was_written_since_the_tables_were() {
    let directory = tempfile::tempdir().unwrap();
    let options = || EngineOptions::new().checkpoint_elements(16);
    let engine = Engine::open(directory.path(), options()).unwrap();
    let profile = engine.profile(&secret(), "phone").unwrap();
    for number in 0..16_u8 {
        profile.put("app.k", &[number]).unwrap();
    }
    assert_eq!(engine.metrics().checkpoints_total, 1);
    assert_eq!(profile.compact().unwrap().live, 1);
    engine.sweep(u64::MAX).unwrap();
    let vector = profile.version_vector().unwrap();
    drop((profile, engine));
    let engine = Engine::open(directory.path(), options()).unwrap();
    let profile = engine.open_profile(&secret()).unwrap();
    assert_eq!(profile.get("app.k").unwrap().unwrap(), &[15]);
    assert_eq!(profile.version_vector().unwrap(), vector);
    is_sound(&engine);
    profile.put("app.k", b"goes on").unwrap();
}

#[test]
fn a_new_device_takes_the_checkpoint_and_never_the_history() {
    let phone = device("phone");
    for round in 0..5 {
        write(&phone, round);
    }
    let history = everything(&phone);
    phone.compact().unwrap();
    phone.put("app.after", b"1").unwrap();
    let delta = everything(&phone);
    assert_eq!((delta.checkpoints.len(), delta.commits.len()), (1, 1));
    assert!(delta.byte_len() * 3 < history.byte_len());
    let laptop = device("laptop");
    let outcome = laptop.ingest(&delta).unwrap();
    assert_eq!((outcome.checkpoints, outcome.applied), (1, 1));
    assert_eq!(seen(&laptop), seen(&phone));
    is_sound(laptop.engine());
    // It passes on what it got, and goes on with both.
    laptop.put("app.laptop", b"2").unwrap();
    let tablet = device("tablet");
    give(&laptop, &tablet);
    give(&laptop, &phone);
    assert_eq!(seen(&tablet), seen(&phone));
    is_sound(tablet.engine());
    let outcome = tablet.ingest(&delta).unwrap();
    assert_eq!(
        (outcome.checkpoints, outcome.applied, outcome.known),
        (0, 0, 1)
    );
}

#[test]
fn a_device_that_has_part_of_the_history_lets_go_of_it_for_the_checkpoint() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    write(&phone, 0);
    give(&phone, &laptop);
    laptop.put(SET, br#"["laptop"]"#).unwrap();
    for round in 1..4 {
        write(&phone, round);
    }
    phone.compact().unwrap();
    give(&phone, &laptop);
    give(&laptop, &phone);
    assert_eq!(seen(&laptop), seen(&phone));
    assert!(text(&phone, SET).unwrap().contains("laptop"));
    laptop.engine().sweep(u64::MAX).unwrap();
    is_sound(laptop.engine());
    let kinds = laptop.engine().stats().unwrap().by_type;
    let commits = kinds.iter().find(|kind| kind.name() == "commit");
    assert_eq!(
        commits.map(|kind| kind.elements),
        Some(1),
        "only its own is left"
    );
    // A second checkpoint takes the place of the first.
    write(&phone, 5);
    phone.compact().unwrap();
    give(&phone, &laptop);
    laptop.engine().sweep(u64::MAX).unwrap();
    assert_eq!(seen(&laptop), seen(&phone));
    is_sound(laptop.engine());
}

#[test]
fn an_operation_that_counts_here_outlives_a_checkpoint_that_no_longer_has_it() {
    // The tablet overwrites what the phone wrote; the phone learns of it and drops its own write; the laptop has only
    // heard of the phone.
    let (phone, laptop, tablet) = (device("phone"), device("laptop"), device("tablet"));
    phone.put("app.k", b"phone").unwrap();
    phone.put("app.l", b"phone").unwrap();
    give(&phone, &laptop);
    give(&phone, &tablet);
    tablet.put("app.k", b"tablet").unwrap();
    give(&tablet, &phone);
    phone.put("app.m", b"phone").unwrap();
    phone.compact().unwrap();
    let mut delta = phone
        .delta_for(&laptop.version_vector().unwrap(), 1 << 20)
        .unwrap();
    delta.commits.clear();
    laptop.ingest(&delta).unwrap();
    laptop.engine().sweep(u64::MAX).unwrap();
    is_sound(laptop.engine());
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("phone"));
    assert_eq!(text(&laptop, "app.m").as_deref(), Some("phone"));
    give(&tablet, &laptop);
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("tablet"));
    is_sound(laptop.engine());
}

#[test]
fn a_checkpoint_that_was_changed_or_is_incomplete_is_refused_whole() {
    let phone = device("phone");
    for round in 0..3 {
        write(&phone, round);
    }
    phone.compact().unwrap();
    let good = everything(&phone);
    let laptop = device("laptop");
    let refuses = |change: &dyn Fn(&mut Delta), code: &str| {
        let mut delta = good.clone();
        change(&mut delta);
        let refused = laptop.ingest(&delta).unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(seen(&laptop).is_empty());
    };
    refuses(&|delta| delta.checkpoints[0].segments.clear(), "CHECKPOINT");
    refuses(
        &|delta| delta.checkpoints[0].segments[0][100] ^= 1,
        "CHECKPOINT",
    );
    refuses(&|delta| delta.checkpoints[0].signed[100] ^= 1, "CHECKPOINT");
    refuses(&|delta| delta.certificates.clear(), "UNCERTIFIED");
    refuses(&|delta| delta.blocks.clear(), "MISSING_ELEMENT");
    laptop.ingest(&good).unwrap();
    assert_eq!(seen(&laptop), seen(&phone));
}

#[test]
fn a_checkpoint_from_the_future_waits_with_its_sender_and_holds_up_nobody_else() {
    let year = 365 * 24 * 3_600_000;
    let (wrong, right) = (SetClock::at(NOW + year), SetClock::at(NOW));
    let (phone, tablet) = (device_at("phone", &wrong), device_at("tablet", &right));
    let laptop = device_at("laptop", &right);
    write(&phone, 0);
    write(&phone, 1);
    phone.compact().unwrap();
    phone.put("app.after", b"1").unwrap();
    tablet.put("app.tablet", b"2").unwrap();
    give(&tablet, &phone);
    let outcome = laptop.ingest(&everything(&phone)).unwrap();
    assert_eq!(
        (outcome.applied, outcome.checkpoints, outcome.parked),
        (1, 0, 1)
    );
    assert_eq!(seen(&laptop).len(), 1);
    right.set(NOW + year);
    give(&phone, &laptop);
    assert_eq!(seen(&laptop), seen(&phone));
}

#[test]
fn segments_that_did_not_change_are_held_and_not_written_again() {
    let phone = device("phone");
    let fill = |from: u32, to: u32, value: u8| {
        let mut batch = phone.engine().begin();
        for key in from..to {
            let key = format!("app.{key:05}");
            batch.put_value(&phone, &key, &[value; 200]).unwrap();
        }
        batch.commit().unwrap();
    };
    fill(0, 2_000, 1);
    fill(1_900, 2_000, 2);
    phone.compact().unwrap();
    phone.engine().sweep(u64::MAX).unwrap();
    let stored = phone.engine().stats().unwrap().stored_ever;
    for value in 3..6 {
        fill(1_950, 2_000, value);
        let before = seen(&phone);
        phone.compact().unwrap();
        phone.engine().sweep(u64::MAX).unwrap();
        assert_eq!(seen(&phone), before);
        is_sound(phone.engine());
    }
    let stored = phone.engine().stats().unwrap().stored_ever - stored;
    assert!(
        stored <= 3 * 3,
        "{stored} blocks for three commits and what changed of the segments"
    );
    let laptop = device("laptop");
    give(&phone, &laptop);
    assert_eq!(seen(&laptop), seen(&phone));
    is_sound(laptop.engine());
}

use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::envelope::{EntryKind, Origin};
use uxf_engine::profile::{ProfileError, WatchEvent};
use uxf_engine::{Durability, Error};

use super::{device, text};

#[test]
fn a_value_is_there_once_put_and_gone_once_deleted() {
    let profile = device("phone");
    assert!(profile.get("app.k").unwrap().is_none());
    profile.put("app.k", b"one").unwrap();
    assert_eq!(profile.get("app.k").unwrap().unwrap(), b"one");
    profile.put("app.k", b"two").unwrap();
    assert_eq!(profile.get("app.k").unwrap().unwrap(), b"two");
    profile.delete("app.k").unwrap();
    assert!(profile.get("app.k").unwrap().is_none());
    profile.put("app.k", b"").unwrap();
    assert_eq!(profile.get("app.k").unwrap().unwrap(), b"");
}

#[test]
fn of_several_writes_of_a_key_in_one_batch_the_last_one_counts() {
    let profile = device("phone");
    let mut batch = profile.engine().begin();
    batch.put_value(&profile, "app.a", b"1").unwrap();
    batch.delete_value(&profile, "app.a").unwrap();
    batch.put_value(&profile, "app.a", b"2").unwrap();
    batch.put_value(&profile, "app.b", b"1").unwrap();
    batch.delete_value(&profile, "app.b").unwrap();
    let outcome = batch.commit().unwrap();
    assert_eq!(outcome.commits, 1);
    assert_eq!(text(&profile, "app.a").as_deref(), Some("2"));
    assert_eq!(text(&profile, "app.b"), None);
}

#[test]
fn values_and_elements_of_a_batch_come_together_or_not_at_all() {
    let profile = device("phone");
    let engine = profile.engine();
    let mut batch = engine.begin();
    batch.put_value(&profile, "app.k", b"v").unwrap();
    let hash = batch.put_opaque(b"block").unwrap();
    batch.pin(&hash).unwrap();
    batch.pin(&uxf_codec::ElementHash::of(b"absent")).unwrap();
    assert!(matches!(batch.commit(), Err(Error::MissingElement { .. })));
    assert!(profile.get("app.k").unwrap().is_none());

    let mut batch = engine.begin();
    batch.put_value(&profile, "app.k", b"v").unwrap();
    let hash = batch.put_opaque(b"block").unwrap();
    batch.pin(&hash).unwrap();
    batch.commit().unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert!(snapshot.contains(&hash).unwrap());
    assert!(snapshot.profile(&profile).get("app.k").unwrap().is_some());
}

#[test]
fn a_snapshot_stays_as_it_was_across_writes_and_checkpoints() {
    let profile = device("phone");
    profile.put("app.k", b"old").unwrap();
    let before = profile.engine().snapshot().unwrap();
    for round in 0..70_000_u32 {
        if round % 700 != 0 {
            continue;
        }
        let mut batch = profile.engine().begin().durability(Durability::Buffered);
        for key in 0..700 {
            let key = format!("app.many.{key}");
            batch
                .put_value(&profile, &key, &round.to_be_bytes())
                .unwrap();
        }
        batch
            .put_value(&profile, "app.k", &round.to_be_bytes())
            .unwrap();
        batch.commit().unwrap();
    }
    assert!(profile.engine().metrics().checkpoints_total > 0);
    let view = before.profile(&profile);
    assert_eq!(view.get("app.k").unwrap().unwrap(), b"old");
    assert!(view.get("app.many.3").unwrap().is_none());
    assert_eq!(view.keys("").unwrap().count(), 1);
    let now = profile.engine().snapshot().unwrap();
    assert_eq!(
        now.profile(&profile).keys("app.many.").unwrap().count(),
        700
    );
}

#[test]
fn ranges_and_prefixes_come_in_the_order_of_the_keys_from_memory_and_tables_alike() {
    let profile = device("phone");
    let put = |keys: core::ops::Range<u32>, value: &[u8]| {
        for start in keys.clone().step_by(100) {
            let mut batch = profile.engine().begin().durability(Durability::Buffered);
            for key in start..keys.end.min(start + 100) {
                batch
                    .put_value(&profile, &format!("k.{key:05}"), value)
                    .unwrap();
            }
            batch.commit().unwrap();
        }
    };
    // The first go to the tables with a checkpoint, the second stay in memory, some of them newer than the tables.
    put(0..1_000, b"table");
    for _ in 0..66 {
        put(0..1_000, b"table");
    }
    put(900..1_500, b"memory");
    profile.delete("k.00950").unwrap();
    let snapshot = profile.engine().snapshot().unwrap();
    let view = snapshot.profile(&profile);
    let all: Vec<_> = view.prefix("k.").unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len(), 1_499);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(all[0].1, b"table");
    assert_eq!(all[949].1, b"memory");
    assert_eq!(all[950].0, "k.00951");
    let some: Vec<_> = view
        .range("k.00898".."k.00902")
        .unwrap()
        .map(|found| found.unwrap().0)
        .collect();
    assert_eq!(some, ["k.00898", "k.00899", "k.00900", "k.00901"]);
    assert_eq!(view.prefix("k.0149").unwrap().count(), 10);
    assert_eq!(view.prefix("l").unwrap().count(), 0);
}

#[test]
fn a_long_value_lies_in_a_block_that_goes_with_the_operation() {
    let profile = device("phone");
    let long = vec![42; 100_000];
    profile.put("app.long", &long).unwrap();
    let mut batch = profile.engine().begin();
    batch
        .put_value_in_block(&profile, "app.short", b"short")
        .unwrap();
    batch.commit().unwrap();
    assert_eq!(profile.get("app.long").unwrap().unwrap().as_bytes(), long);
    assert_eq!(profile.get("app.short").unwrap().unwrap(), b"short");
    let report = profile.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let too_long = vec![0; 2 << 20];
    assert!(matches!(
        profile.put("app.too-long", &too_long),
        Err(Error::LimitExceeded { .. })
    ));
}

#[test]
fn compare_and_set_writes_only_over_what_was_expected_even_from_many_threads() {
    let profile = device("phone");
    assert!(
        !profile
            .compare_and_set("app.n", Some(b"0"), Some(b"1"))
            .unwrap()
    );
    assert!(profile.compare_and_set("app.n", None, Some(b"0")).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    loop {
                        let now = profile.get("app.n").unwrap().unwrap();
                        let number: u64 = core::str::from_utf8(now.as_bytes())
                            .unwrap()
                            .parse()
                            .unwrap();
                        let next = (number + 1).to_string();
                        let expected = Some(now.as_bytes());
                        if profile
                            .compare_and_set("app.n", expected, Some(next.as_bytes()))
                            .unwrap()
                        {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(text(&profile, "app.n").as_deref(), Some("200"));
    assert!(
        profile
            .compare_and_set("app.n", Some(b"200"), None)
            .unwrap()
    );
    assert!(profile.get("app.n").unwrap().is_none());
}

#[test]
fn a_batch_that_expected_another_version_changes_nothing() {
    let profile = device("phone");
    profile.put("app.k", b"1").unwrap();
    let snapshot = profile.engine().snapshot().unwrap();
    let version = snapshot.profile(&profile).version("app.k").unwrap();
    profile.put("app.k", b"2").unwrap();
    let mut batch = profile.engine().begin();
    batch.expect_version(&profile, "app.k", version).unwrap();
    batch.put_value(&profile, "app.other", b"x").unwrap();
    let refused = batch.commit().unwrap_err();
    assert_eq!(refused.code(), "CONFLICT");
    assert!(profile.get("app.other").unwrap().is_none());
}

#[test]
fn typed_values_kinds_and_origins_come_back() {
    let profile = device("phone");
    profile.put_json("app.list", &vec![1, 2, 3]).unwrap();
    assert_eq!(
        profile.get_json::<Vec<u32>>("app.list").unwrap(),
        Some(vec![1, 2, 3])
    );
    assert!(matches!(
        profile.get_json::<String>("app.list"),
        Err(Error::Profile(ProfileError::Type { .. }))
    ));
    let mut batch = profile.engine().begin();
    batch
        .put_entry(&profile, EntryKind::TokenSend, "app.sent", b"x")
        .unwrap();
    batch.commit().unwrap();
    let value = profile.get("app.sent").unwrap().unwrap();
    assert_eq!(value.entry(), Some(EntryKind::TokenSend));
    assert_eq!(value.origin(), Origin::User);
    assert_eq!(format!("{value:?}"), "Value(1 bytes)");
}

#[test]
fn keys_that_cannot_be_are_refused_when_written() {
    let profile = device("phone");
    for key in ["", &"k".repeat(513)] {
        let refused = profile.put(key, b"v").unwrap_err();
        assert_eq!(refused.code(), "KEY_LENGTH");
    }
    profile.put(&"k".repeat(512), b"v").unwrap();
}

#[test]
fn a_commit_refers_to_no_more_long_values_than_a_peer_takes_at_once() {
    let profile = device("phone");
    let mut batch = profile.engine().begin();
    let value = vec![7; 1_000_000];
    for number in 0..60 {
        let key = format!("app.{number}");
        batch.put_value(&profile, &key, &value).unwrap();
    }
    assert_eq!(batch.commit().unwrap().commits, 2);
    let nothing = VersionVector::default();
    let first = profile.delta_for(&nothing, 1).unwrap();
    assert_eq!((first.commits.len(), first.blocks.len()), (1, 50));
    assert!(first.is_partial && first.byte_len() < 64 << 20);
}

#[test]
fn a_batch_larger_than_a_commit_becomes_several_and_stays_whole() {
    let profile = device("phone");
    let mut batch = profile.engine().begin();
    for key in 0..9_000 {
        batch
            .put_value(&profile, &format!("app.{key}"), b"v")
            .unwrap();
    }
    assert_eq!(batch.commit().unwrap().commits, 3);
    let snapshot = profile.engine().snapshot().unwrap();
    assert_eq!(
        snapshot.profile(&profile).keys("app.").unwrap().count(),
        9_000
    );
}

#[test]
fn a_watcher_hears_of_every_change_of_its_prefix() {
    let profile = device("phone");
    let watch = profile.watch("app.");
    profile.put("other", b"v").unwrap();
    profile.put("app.k", b"v").unwrap();
    profile.delete("app.k").unwrap();
    let kinds: Vec<_> = std::iter::from_fn(|| watch.try_next())
        .map(|event| match event {
            WatchEvent::Changed {
                key,
                is_delete,
                own,
                ..
            } => (key.to_string(), is_delete, own),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("app.k".to_owned(), false, true),
            ("app.k".to_owned(), true, true)
        ]
    );
    profile.engine().close().unwrap();
    assert!(watch.is_closed());
}

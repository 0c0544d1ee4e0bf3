use std::ops::ControlFlow;

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::legacy::{LegacyDirectory, LegacyError, MoveOptions, MoveReport};
use uxf_engine::wallet::{TokenStatus, VerdictCode, WalletOptions};
use uxf_engine::{Engine, EngineOptions};
use uxf_testkit::Rng;
use uxf_testkit::disk::{MemoryDisk, RecordingDisk, Unsynced};

use crate::{ADDRESS, Legacy, OTHER, open, token, token_id, wallet_of};

fn find(legacy: &Legacy) -> LegacyDirectory {
    LegacyDirectory::find(legacy.path(), None).unwrap()
}

fn move_in(legacy: &Legacy, profile: &Profile) -> MoveReport {
    let wallet = find(legacy).read(None).unwrap();
    wallet.move_into(profile, MoveOptions::new()).unwrap()
}

fn is_sound(engine: &Engine) {
    let report = engine.check_integrity(&mut |_| ()).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

/// What a move leaves, whichever way it came about.
fn outcome(profile: &Profile) -> Vec<String> {
    let mut all = Vec::new();
    for address in [ADDRESS, OTHER] {
        let wallet = wallet_of(profile, address);
        for token in wallet.tokens().unwrap().map(Result::unwrap) {
            all.push(format!(
                "{address} {} {}",
                token.token_id,
                token.status.as_str()
            ));
            assert!(!token.is_unsaved);
        }
        let views = wallet.views().unwrap();
        let sent = views.sent.iter().map(|sent| sent.token_id.clone());
        all.push(format!("sent {:?}", sent.collect::<Vec<_>>()));
        let spent = views.tombstones.iter();
        let spent = spent.map(|state| (state.token_id.clone(), state.state_hash.clone()));
        all.push(format!("spent {:?}", spent.collect::<Vec<_>>()));
        let outbox = wallet.collections().unwrap().outbox().list().unwrap();
        let ids = outbox.entries.iter().map(|entry| entry.id().to_owned());
        all.push(format!("outbox {:?}", ids.collect::<Vec<_>>()));
    }
    let snapshot = profile.engine().snapshot().unwrap();
    for key in snapshot.profile(profile).keys("").unwrap() {
        let key = key.unwrap().key;
        // Bundles are named after what is in them, and a move that was cut off may have saved more than one.
        if !key.starts_with("tokens.bundle.") {
            all.push(key);
        }
    }
    all
}

#[test]
fn a_whole_wallet_moves_in_and_the_source_stays_as_it_is() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let before = legacy.files();
    let (engine, profile) = open(place.path());
    let report = move_in(&legacy, &profile);
    assert!(report.is_complete(), "{report:?}");
    let values = report.values;
    assert_eq!((values.moved, values.joined, values.excluded), (7, 1, 1));
    let [first, second] = report.addresses.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!(second.address.as_str(), ADDRESS);
    let tally = |code| second.tokens.tally.of_code(code);
    assert_eq!(tally(VerdictCode::Added), 2);
    assert_eq!(tally(VerdictCode::Tombstoned), 2);
    assert_eq!(first.tokens.found, 1);
    let wallet = wallet_of(&profile, ADDRESS);
    for n in 2..4 {
        let sent = wallet.get(&token(n).0).unwrap().unwrap();
        assert_eq!(sent.status, TokenStatus::Spent, "kept, and not shown");
    }
    assert_eq!(
        profile.get("identity.mnemonic").unwrap().unwrap(),
        b"sealed words"
    );
    let nametag = format!("{ADDRESS}.legacy.nametag");
    assert_eq!(
        profile.get(&nametag).unwrap().unwrap(),
        br#"{"name":"bob"}"#
    );
    assert_eq!(legacy.files(), before);
    is_sound(&engine);
}

#[test]
fn moving_again_finds_everything_there() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let (engine, profile) = open(place.path());
    move_in(&legacy, &profile);
    let before = (outcome(&profile), engine.stats().unwrap().elements);
    let again = move_in(&legacy, &profile);
    assert!(again.is_complete());
    assert_eq!((again.values.moved, again.values.joined), (0, 0));
    for moved in &again.addresses {
        assert_eq!(moved.tokens.tally.of_code(VerdictCode::Added), 0);
        assert!(moved.saved.as_ref().unwrap().is_empty());
    }
    assert_eq!(
        (outcome(&profile), engine.stats().unwrap().elements),
        before
    );
}

#[test]
fn what_the_wallet_has_already_is_not_overwritten() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let (_engine, profile) = open(place.path());
    profile.put("addresses.tracked", b"ours").unwrap();
    let groups = format!("{ADDRESS}.processedSplitGroupIds");
    profile.put(&groups, br#"["g2"]"#).unwrap();
    let report = move_in(&legacy, &profile);
    assert_eq!((report.values.kept, report.values.joined), (1, 2));
    assert!(!report.is_complete());
    assert_eq!(profile.get("addresses.tracked").unwrap().unwrap(), b"ours");
    assert_eq!(profile.get(&groups).unwrap().unwrap(), br#"["g1","g2"]"#);
}

#[test]
fn a_dry_run_counts_and_writes_nothing() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let before = legacy.files();
    let (engine, profile) = open(place.path());
    let wallet = find(&legacy).read(None).unwrap();
    let options = MoveOptions::new().dry_run(true);
    let report = wallet.move_into(&profile, options).unwrap();
    let found = report.addresses.iter().map(|moved| moved.tokens.found);
    assert_eq!(found.collect::<Vec<_>>(), [1, 4]);
    assert!(engine.inventories().unwrap().is_empty());
    assert_eq!(engine.stats().unwrap().elements, 0);
    assert_eq!(legacy.files(), before);
}

#[test]
fn a_move_cut_off_at_any_step_is_finished_by_moving_again() {
    let legacy = Legacy::new();
    let whole = tempfile::tempdir().unwrap();
    let expected = {
        let (_engine, profile) = open(whole.path());
        move_in(&legacy, &profile);
        outcome(&profile)
    };
    let mut last = 0;
    for cut in 0.. {
        let place = tempfile::tempdir().unwrap();
        let (engine, profile) = open(place.path());
        let mut step = 0;
        let options = MoveOptions::new().observe(|_| {
            step += 1;
            if step > cut {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let wallet = find(&legacy).read(None).unwrap();
        let stopped = wallet.move_into(&profile, options);
        let is_whole = stopped.is_ok();
        // What was sent away is never shown, however far it got.
        for n in 2..4 {
            let sent = wallet_of(&profile, ADDRESS).get(&token(n).0).unwrap();
            assert!(
                sent.is_none_or(|sent| sent.status == TokenStatus::Spent),
                "step {cut}"
            );
        }
        engine.close().unwrap();
        drop((engine, profile));
        let (engine, profile) = open(place.path());
        let report = move_in(&legacy, &profile);
        assert!(report.is_complete(), "after {cut} steps");
        assert_eq!(outcome(&profile), expected, "after {cut} steps");
        is_sound(&engine);
        if is_whole {
            break;
        }
        last = cut;
    }
    assert!(last >= 6, "only {last} steps");
}

/// A store on a disk that is none, and its profile.
fn open_on(disk: impl redb::StorageBackend) -> (Engine, Profile) {
    let engine = Engine::open_with_backend(disk, EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut [7; 32]);
    let profile = engine.profile(&secret, "device").unwrap();
    (engine, profile)
}

#[test]
fn a_move_that_loses_power_is_finished_by_moving_again() {
    let legacy = Legacy::new();
    let empty = MemoryDisk::new(Vec::new());
    drop(open_on(empty.clone()));
    let recording = RecordingDisk::new(empty.image());
    let expected = {
        let (engine, profile) = open_on(recording.clone());
        move_in(&legacy, &profile);
        let expected = outcome(&profile);
        drop((engine, profile));
        expected
    };
    let files = legacy.files();
    let record = recording.record();
    let mut images = record.crash_images();
    let mut rng = Rng::new(5);
    let variants = [Unsynced::Nothing, Unsynced::Everything, Unsynced::Random];
    let cuts = (0..=record.ops().len()).step_by(4);
    for (cut, unsynced) in cuts.zip(variants.into_iter().cycle()) {
        images.move_to(cut);
        let disk = MemoryDisk::new(images.image(unsynced, &mut rng));
        let (engine, profile) = open_on(disk);
        is_sound(&engine);
        for n in 2..4 {
            let sent = wallet_of(&profile, ADDRESS).get(&token(n).0).unwrap();
            let is_gone = sent.is_none_or(|sent| sent.status == TokenStatus::Spent);
            assert!(is_gone, "cut {cut}");
        }
        let report = move_in(&legacy, &profile);
        assert!(report.is_complete(), "cut {cut}");
        assert_eq!(outcome(&profile), expected, "cut {cut}");
    }
    assert!(record.ops().len() > 100, "{}", record.ops().len());
    assert_eq!(legacy.files(), files, "what is moved is only read");
}

#[test]
fn a_wallet_is_deleted_when_everything_of_it_was_found_on_the_disk_again() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    {
        let (engine, profile) = open(place.path());
        move_in(&legacy, &profile);
        engine.close().unwrap();
    }
    legacy.write("notes.txt", "mine");
    let (_engine, profile) = open(place.path());
    let directory = find(&legacy);
    let lock = directory.lock().unwrap();
    assert!(matches!(directory.lock(), Err(LegacyError::Busy { .. })));
    let wallet = directory.read(Some(&lock)).unwrap();
    let moved = wallet.check_moved(&profile, &WalletOptions::new()).unwrap();
    assert_eq!(moved.looked_at(), 13);
    let deleted = wallet.delete(&moved, lock).unwrap();
    assert_eq!((deleted.files, deleted.changed), (10, 0));
    let left: Vec<_> = legacy.files();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(matches!(
        LegacyDirectory::find(legacy.path(), None),
        Err(LegacyError::NotLegacy { .. })
    ));
}

#[test]
fn nothing_is_deleted_while_something_is_missing() {
    for (name, content) in [
        (format!("tokens/{ADDRESS}/forked_x.json"), token(9).1),
        (format!("tokens/{ADDRESS}/odd.json"), "{}".to_owned()),
        (format!("tokens/{ADDRESS}/damaged.json"), "{".to_owned()),
        (format!("tokens/{ADDRESS}/token-1.json"), "{}".to_owned()),
        ("tokens/loose.json".to_owned(), token(9).1),
    ] {
        let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
        legacy.write(&name, &content);
        let (_engine, profile) = open(place.path());
        assert!(!move_in(&legacy, &profile).is_complete(), "{name}");
        let wallet = find(&legacy).read(None).unwrap();
        let refused = wallet.check_moved(&profile, &WalletOptions::new());
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, LegacyError::NotMoved { missing: 1, .. }),
            "{name}: {refused}"
        );
    }
    // One that was never moved.
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let (_engine, profile) = open(place.path());
    let wallet = find(&legacy).read(None).unwrap();
    let refused = wallet.check_moved(&profile, &WalletOptions::new());
    assert!(matches!(refused, Err(LegacyError::NotMoved { .. })));
}

#[test]
fn a_file_that_changed_since_it_was_read_is_not_deleted() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let (_engine, profile) = open(place.path());
    move_in(&legacy, &profile);
    let directory = find(&legacy);
    let lock = directory.lock().unwrap();
    let wallet = directory.read(Some(&lock)).unwrap();
    let moved = wallet.check_moved(&profile, &WalletOptions::new()).unwrap();
    let (id, json) = token(0);
    legacy.write(&format!("tokens/{ADDRESS}/{id}.json"), &(json + " "));
    let deleted = wallet.delete(&moved, lock).unwrap();
    assert_eq!(deleted.changed, 1);
    assert_eq!(legacy.files().len(), 2, "it and the file of the wallet");
}

#[test]
fn another_wallet_s_directory_and_one_around_the_store_are_refused() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    let (_engine, profile) = open(place.path());
    let wallet = find(&legacy).read(None).unwrap();
    wallet.check_identity(&profile).unwrap();
    profile.put("identity.mnemonic", b"other words").unwrap();
    assert!(matches!(
        wallet.check_identity(&profile),
        Err(LegacyError::OtherIdentity { .. })
    ));
    let inside = legacy.path().join("store");
    std::fs::create_dir(&inside).unwrap();
    for store in [legacy.path(), inside.as_path()] {
        let refused = find(&legacy).check_apart(store);
        assert!(matches!(refused, Err(LegacyError::SamePlace { .. })));
    }
    find(&legacy).check_apart(place.path()).unwrap();
    let not_legacy = LegacyDirectory::find(place.path(), None).unwrap_err();
    assert!(matches!(
        not_legacy,
        LegacyError::NotLegacy {
            found: "profile",
            ..
        }
    ));
    legacy.write("wallet.json", "[");
    let refused = find(&legacy).read(None);
    assert!(matches!(refused, Err(LegacyError::NotAWalletFile { .. })));
}

#[test]
fn a_wallet_that_has_sent_thousands_moves_in() {
    let (legacy, place) = (Legacy::new(), tempfile::tempdir().unwrap());
    for json in uxf_testkit::Wallet::new(60).skip(10) {
        let name = format!("tokens/{ADDRESS}/archived-{}.json", token_id(&json));
        legacy.write(&name, &json);
    }
    // Longer than any value of a profile, and than any row that is read.
    let state = |n: usize| {
        format!(
            r#"{{"tokenId":"{n:064x}","stateHash":"{n:068x}","timestamp":{}}}"#,
            n + 5
        )
    };
    let list: Vec<_> = (0..6_000).map(state).collect();
    let list = format!("[{}]", list.join(","));
    assert!(list.len() > 1 << 20);
    legacy.write(&format!("tokens/{ADDRESS}/_tombstones.json"), &list);
    let (_engine, profile) = open(place.path());
    let report = move_in(&legacy, &profile);
    assert!(report.is_complete(), "{:?}", report.values);
    let spent = wallet_of(&profile, ADDRESS).spent_states().unwrap();
    assert_eq!(spent.len(), 6_000 + 50 + 2);
    assert_eq!(
        spent.time_of(&format!("{:064x}", 7), &format!("{:068x}", 7)),
        Some(12)
    );
    let again = move_in(&legacy, &profile);
    assert_eq!((again.values.moved, again.values.joined), (0, 0));
    let wallet = find(&legacy).read(None).unwrap();
    wallet.check_moved(&profile, &WalletOptions::new()).unwrap();
}

use std::collections::BTreeSet;
use std::sync::Arc;

use uxf_codec::package::Package;
use uxf_engine::bundles::consolidation::{ConsolidationLock, LOCK_KEY};
use uxf_engine::bundles::{BundleRef, BundleStatus, UnixSeconds};
use uxf_engine::wallet::{Consolidation, ConsolidationReport, WalletOptions};
use uxf_engine::{Engine, EngineOptions};

use crate::{Device, SetClock, device, device_in, earlier, forked, id, seen, token};

const NOW_S: u64 = 1_750_000_000;
const DAY_S: u64 = 24 * 3_600;

fn at(clock: &Arc<SetClock>, name: &str) -> Device {
    let options = EngineOptions::new().clock(Arc::clone(clock) as _);
    let engine = Engine::in_memory(options).unwrap();
    device_in(engine, name, WalletOptions::new())
}

fn references(device: &Device) -> Vec<BundleRef> {
    let snapshot = device.engine.snapshot().unwrap();
    let rows = snapshot.profile(&device.profile).prefix("tokens.bundle.");
    let rows = rows.unwrap().map(|row| {
        let (_, value) = row.unwrap();
        BundleRef::parse(core::str::from_utf8(value.as_bytes()).unwrap()).unwrap()
    });
    rows.collect()
}

fn active(device: &Device) -> BTreeSet<String> {
    let references = references(device).into_iter();
    let active = references.filter(BundleRef::is_active);
    active.map(|bundle| bundle.cid().to_owned()).collect()
}

fn lock(device: &Device) -> Option<ConsolidationLock> {
    let value = device.profile.get(LOCK_KEY).unwrap()?;
    let text = core::str::from_utf8(value.as_bytes()).unwrap().to_owned();
    Some(ConsolidationLock::parse(&text).unwrap())
}

fn done(device: &Device) -> ConsolidationReport {
    match device.wallet.consolidate().unwrap() {
        Consolidation::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

/// The tokens that an archive names, and the length of the history of each.
fn named(device: &Device, cid: &str) -> Vec<(String, String)> {
    let package = Package::from_car(&device.car(cid)).unwrap();
    let manifest = package.manifest().iter();
    let named = manifest.map(|(id, root)| (id.as_str().to_owned(), root.to_string()));
    named.collect()
}

#[test]
fn many_bundles_become_one_and_every_device_shows_the_same_tokens() {
    let (one, two) = (device("one"), device("two"));
    let newest = token(0, 2);
    let sources = [
        one.bundle(&[&earlier(&newest, 1), &token(1, 0)]),
        one.bundle(&[&token(2, 0)]),
        one.bundle(&[&token(3, 0), &token(4, 0)]),
        {
            let maker = device("maker");
            let cid = maker.bundle(&[&newest]);
            one.wallet.add_bundle_car(&cid, &maker.car(&cid)).unwrap();
            cid
        },
    ];
    let before = seen(&one);
    let report = done(&one);
    assert_eq!(report.results.len(), 1);
    let merged: BTreeSet<_> = report.merged.into_iter().collect();
    assert_eq!(merged, BTreeSet::from(sources.clone()));
    assert_eq!(seen(&one), before);
    assert_eq!(active(&one), BTreeSet::from_iter(report.results.clone()));
    let status = one.wallet.status().unwrap();
    assert_eq!((status.bundles, status.unsaved), (1, 0));
    assert_eq!(lock(&one), None);
    for bundle in references(&one) {
        if bundle.status() == BundleStatus::Superseded {
            assert_eq!(bundle.superseded_by(), Some(report.results[0].as_str()));
            assert!(bundle.remove_after() >= Some(bundle.created_at().plus(7 * DAY_S)));
        }
    }
    one.tell(&two);
    two.wallet
        .add_bundle_car(&report.results[0], &one.car(&report.results[0]))
        .unwrap();
    assert!(two.wallet.sync().unwrap().is_complete());
    assert_eq!(seen(&two), before);
    let again = one.wallet.consolidate().unwrap();
    assert_eq!(again, Consolidation::NotNeeded { active: 1 });
    one.is_sound();
    two.is_sound();
}

/// Every step is a commit of its own, and a process that dies after any of them has the next one go on.
#[test]
fn a_consolidation_that_stops_after_any_step_goes_on_and_loses_nothing_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let engine = Engine::open(directory.path(), EngineOptions::new()).unwrap();
        device_in(engine, "one", WalletOptions::new())
    };
    let (before, sources) = {
        let device = open();
        let sources: BTreeSet<_> = (0..5).map(|n| device.bundle(&[&token(n, 1)])).collect();
        (seen(&device), sources)
    };
    let mut steps = Vec::new();
    let report = loop {
        let device = open();
        let next = device.wallet.consolidate_step().unwrap();
        assert_eq!(seen(&device), before, "{next:?}");
        device.is_sound();
        // A sync between two steps takes nothing away that the next one needs.
        device.wallet.sync().unwrap();
        assert_eq!(seen(&device), before, "{next:?}");
        let references = references(&device);
        let gone = references
            .iter()
            .filter(|bundle| bundle.status() == BundleStatus::Superseded);
        let superseded = gone.count();
        let result = lock(&device).and_then(|lock| lock.result);
        let registered = references.len() - sources.len();
        match next {
            Consolidation::Underway(step) => {
                steps.push(format!("{step:?}"));
                assert!(registered == 0 || result.is_some(), "not named first");
                assert!(superseded == 0 || registered == 1, "nothing has it all");
            }
            Consolidation::Done(report) => break report,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        steps,
        ["Locked", "Named", "Registered", "Superseded"],
        "the sync lets go of those that were merged"
    );
    assert_eq!(BTreeSet::from_iter(report.merged), sources);
    let device = open();
    assert_eq!(seen(&device), before);
    assert_eq!(active(&device).len(), 1);
    device.is_sound();
}

#[test]
fn a_merged_bundle_names_all_that_count_and_nothing_that_was_spent() {
    let one = device("one");
    let (spent, kept, forks) = (token(0, 1), token(1, 0), token(2, 2));
    one.bundle(&[&spent, &kept]);
    one.bundle(&[&token(3, 0)]);
    for state in [&forks, &forked(&forks)] {
        let maker = device("maker");
        let cid = maker.bundle(&[state]);
        one.wallet.add_bundle_car(&cid, &maker.car(&cid)).unwrap();
    }
    let old = {
        let maker = device("maker");
        let cid = maker.bundle(&[&earlier(&forks, 1)]);
        one.wallet.add_bundle_car(&cid, &maker.car(&cid)).unwrap();
        cid
    };
    one.wallet.spend(&id(&spent)).unwrap();
    let before = seen(&one);
    let report = done(&one);
    assert!(report.merged.contains(&old));
    assert_eq!(report.results.len(), 2, "the forks are in one each");
    let all: Vec<_> = report
        .results
        .iter()
        .flat_map(|cid| named(&one, cid))
        .collect();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|(token_id, _)| *token_id != id(&spent)));
    assert_eq!(seen(&one), before);
    // A device that has nothing but the result has the same.
    let two = device("two");
    one.tell(&two);
    for cid in &report.results {
        two.wallet.add_bundle_car(cid, &one.car(cid)).unwrap();
    }
    two.wallet.sync().unwrap();
    assert_eq!(seen(&two), before);
    one.is_sound();
}

#[test]
fn what_only_this_device_knows_does_not_stand_for_what_a_bundle_says() {
    let one = device("one");
    let newest = token(0, 2);
    one.bundle(&[&earlier(&newest, 1)]);
    for n in 1..4 {
        one.bundle(&[&token(n, 0)]);
    }
    let lenient = uxf_engine::wallet::WalletImportOptions::new()
        .mode(uxf_engine::wallet::ImportMode::Lenient);
    one.wallet.import(newest.as_bytes(), &lenient).unwrap();
    let report = done(&one);
    let named = named(&one, &report.results[0]);
    assert!(named.iter().any(|(token_id, _)| *token_id == id(&newest)));
    assert_eq!(one.wallet.status().unwrap().unsaved, 1);
    one.is_sound();
}

#[test]
fn a_bundle_that_is_not_here_stays_active() {
    let (one, two) = (device("one"), device("two"));
    let missing = two.bundle(&[&token(9, 0)]);
    two.tell(&one);
    for n in 0..4 {
        one.bundle(&[&token(n, 0)]);
    }
    let clock_is_real = one.wallet.consolidate().unwrap();
    assert!(matches!(clock_is_real, Consolidation::Settling { .. }));
    assert!(!lock(&one).unwrap().source_cids.contains(&missing));
}

#[test]
fn with_other_devices_the_lock_lies_for_half_a_minute() {
    let clock = SetClock::at(NOW_S);
    let (one, two) = (at(&clock, "one"), at(&clock, "two"));
    two.bundle(&[&token(9, 0)]);
    two.tell(&one);
    for n in 0..4 {
        one.bundle(&[&token(n, 0)]);
    }
    let settling = one.wallet.consolidate().unwrap();
    let until = UnixSeconds(NOW_S + 30);
    assert_eq!(settling, Consolidation::Settling { until });
    // The other device hears of it and keeps out.
    one.tell(&two);
    let busy = two.wallet.consolidate().unwrap();
    let until = UnixSeconds(NOW_S + 300);
    assert_eq!(busy, Consolidation::InProgress { until });
    clock.set(NOW_S + 29);
    assert!(matches!(
        one.wallet.consolidate().unwrap(),
        Consolidation::Settling { .. }
    ));
    clock.set(NOW_S + 30);
    assert_eq!(done(&one).merged.len(), 4);
    one.is_sound();
}

#[test]
fn a_run_that_nobody_goes_on_with_is_ended_by_whoever_comes() {
    let clock = SetClock::at(NOW_S);
    let (one, two) = (at(&clock, "one"), at(&clock, "two"));
    let mut cars = Vec::new();
    for n in 0..4 {
        let cid = one.bundle(&[&token(n, 0)]);
        cars.push((cid.clone(), one.car(&cid)));
    }
    // It dies when its result is registered, and nothing is superseded yet.
    for _ in 0..3 {
        one.wallet.consolidate_step().unwrap();
    }
    let result = lock(&one).unwrap().result.unwrap().cid;
    cars.push((result.clone(), one.car(&result)));
    one.tell(&two);
    for (cid, car) in &cars {
        two.wallet.add_bundle_car(cid, car).unwrap();
    }
    assert!(!two.wallet.sync().unwrap().recovery.ended_run);
    clock.set(NOW_S + 300);
    let report = two.wallet.sync().unwrap();
    assert!(report.recovery.ended_run);
    assert_eq!(report.recovery.superseded.len(), 4);
    assert_eq!(active(&two), BTreeSet::from([result]));
    assert_eq!(lock(&two), None);
    assert_eq!(two.wallet.sync().unwrap().released.len(), 4);
    assert_eq!(seen(&two), seen(&one));
    two.is_sound();
}

/// As the reference writes it, which then takes any newer bundle for the result.
#[test]
fn a_lock_that_names_no_result_retires_only_what_a_newer_bundle_has_all_of() {
    let clock = SetClock::at(NOW_S);
    let one = at(&clock, "one");
    let first = one.bundle(&[&token(0, 0)]);
    let second = one.bundle(&[&token(1, 0)]);
    let lock = ConsolidationLock {
        source_cids: vec![first.clone(), second.clone()],
        started_at: UnixSeconds(NOW_S),
        device: "0a1b2c3d".to_owned(),
        result: None,
    };
    one.profile.put(LOCK_KEY, lock.format().as_bytes()).unwrap();
    let newer = {
        let maker = at(&clock, "maker");
        let cid = maker.bundle(&[&token(1, 0), &token(2, 0)]);
        one.wallet.add_bundle_car(&cid, &maker.car(&cid)).unwrap();
        cid
    };
    clock.set(NOW_S + 300);
    let report = one.wallet.recover().unwrap();
    assert_eq!(report.superseded, [second]);
    assert_eq!(active(&one), BTreeSet::from([first, newer]));
    one.is_sound();
}

#[test]
fn superseded_references_go_after_a_week_and_no_token_with_them() {
    let clock = SetClock::at(NOW_S);
    let one = at(&clock, "one");
    for n in 0..4 {
        one.bundle(&[&token(n, 0)]);
    }
    done(&one);
    let before = seen(&one);
    clock.set(NOW_S + 7 * DAY_S - 1);
    assert!(one.wallet.sync().unwrap().recovery.expired.is_empty());
    clock.set(NOW_S + 7 * DAY_S);
    assert_eq!(one.wallet.sync().unwrap().recovery.expired.len(), 4);
    assert_eq!(references(&one).len(), 1);
    assert!(one.wallet.sync().unwrap().recovery.expired.is_empty());
    assert_eq!(seen(&one), before);
    one.is_sound();
}

#[test]
fn a_superseded_reference_stays_while_its_successor_is_not_here() {
    let clock = SetClock::at(NOW_S);
    let (one, two) = (at(&clock, "one"), at(&clock, "two"));
    let mut cars = Vec::new();
    for n in 0..4 {
        let cid = one.bundle(&[&token(n, 0)]);
        cars.push((cid.clone(), one.car(&cid)));
    }
    let report = done(&one);
    one.tell(&two);
    for (cid, car) in &cars {
        two.wallet.add_bundle_car(cid, car).unwrap();
    }
    clock.set(NOW_S + 8 * DAY_S);
    let synced = two.wallet.sync().unwrap();
    assert!(synced.recovery.expired.is_empty());
    assert!(synced.released.is_empty());
    assert_eq!(synced.waiting[0].cid, report.results[0]);
    assert_eq!(seen(&two), seen(&one));
}

#[test]
fn a_full_wallet_saves_again_once_it_has_consolidated() {
    let one = device("one");
    for n in 0..20 {
        one.bundle(&[&token(n, 0)]);
    }
    one.import(&token(20, 0));
    assert_eq!(one.wallet.save().unwrap_err().code(), "LIMIT_EXCEEDED");
    assert_eq!(done(&one).merged.len(), 20);
    assert_eq!(one.wallet.save().unwrap().tokens, 1);
    assert_eq!(seen(&one).len(), 21);
    one.is_sound();
}

/// Neither has heard of the other: both merge, and what both say together loses nothing.
#[test]
fn two_devices_that_consolidate_at_once_both_keep_every_token() {
    let (one, two) = (device("one"), device("two"));
    for n in 0..4 {
        let cid = one.bundle(&[&token(n, 0)]);
        two.wallet.add_bundle_car(&cid, &one.car(&cid)).unwrap();
    }
    let cid = two.bundle(&[&token(4, 0)]);
    one.wallet.add_bundle_car(&cid, &two.car(&cid)).unwrap();
    let (first, second) = (done(&one), done(&two));
    one.tell(&two);
    two.tell(&one);
    for cid in &first.results {
        two.wallet.add_bundle_car(cid, &one.car(cid)).unwrap();
    }
    for cid in &second.results {
        one.wallet.add_bundle_car(cid, &two.car(cid)).unwrap();
    }
    for device in [&one, &two] {
        assert!(device.wallet.sync().unwrap().is_complete());
        assert_eq!(seen(device).len(), 5);
        device.is_sound();
    }
    assert_eq!(seen(&one), seen(&two));
    assert_eq!(active(&one), active(&two));
}

#[test]
fn several_threads_may_consolidate_and_save_at_once() {
    let one = device("one");
    for n in 0..6 {
        one.bundle(&[&token(n, 0)]);
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| one.wallet.consolidate().unwrap());
        }
        scope.spawn(|| {
            for n in 6..10 {
                one.import(&token(n, 0));
                one.wallet.save().unwrap();
            }
        });
    });
    one.wallet.consolidate().unwrap();
    one.wallet.sync().unwrap();
    assert_eq!(lock(&one), None);
    assert_eq!(seen(&one).len(), 10);
    assert_eq!(one.wallet.status().unwrap().unsaved, 0);
    one.is_sound();
}

/// One bundle that every reader can read has no room for all, so there are several, and all are named first.
#[test]
fn a_wallet_too_large_for_one_bundle_is_merged_into_several() {
    let one = device("one");
    let tokens: Vec<_> = uxf_testkit::Wallet::new(900).collect();
    for part in 0..5 {
        let maker = device("maker");
        let part: Vec<_> = tokens.iter().skip(part * 100).take(500).collect();
        let part: Vec<_> = part.into_iter().map(String::as_str).collect();
        let cid = maker.bundle(&part);
        one.wallet.add_bundle_car(&cid, &maker.car(&cid)).unwrap();
    }
    let before = seen(&one);
    assert_eq!(before.len(), 900);
    one.wallet.consolidate_step().unwrap();
    one.wallet.consolidate_step().unwrap();
    let named = lock(&one).unwrap().result.unwrap();
    assert!(!named.more_cids.is_empty());
    assert_eq!(active(&one).len(), 5);
    let report = done(&one);
    assert!(report.results.len() < 5);
    assert_eq!(report.results.len(), named.more_cids.len() + 1);
    assert_eq!(seen(&one), before);
    assert_eq!(
        one.wallet.consolidate().unwrap(),
        Consolidation::NotNeeded {
            active: active(&one).len()
        }
    );
    one.is_sound();
}

/// The clock counts seconds, so what is merged may come to a bundle that was saved a moment ago.
#[test]
fn a_merged_bundle_that_is_there_already_is_not_taken_for_one_that_may_go() {
    let clock = SetClock::at(NOW_S);
    let one = at(&clock, "one");
    let forks = token(2, 2);
    for state in [&forks, &forked(&forks)] {
        let maker = at(&clock, "maker");
        let cid = maker.bundle(&[state]);
        one.wallet.add_bundle_car(&cid, &maker.car(&cid)).unwrap();
    }
    one.bundle(&[&token(0, 0)]);
    one.bundle(&[&token(1, 0)]);
    let before = seen(&one);
    let report = done(&one);
    let (results, merged) = (&report.results, &report.merged);
    assert!(merged.iter().all(|cid| !results.contains(cid)));
    assert_eq!((results.len(), merged.len()), (2, 3));
    assert_eq!(active(&one), BTreeSet::from_iter(results.clone()));
    assert_eq!(one.wallet.status().unwrap().bundles, 2);
    assert!(one.wallet.sync().unwrap().released.is_empty());
    assert_eq!(seen(&one), before);
    one.is_sound();
}

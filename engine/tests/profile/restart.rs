use std::sync::Arc;

use uxf_engine::profile::ProfileError;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Clock, Durability, Engine, EngineOptions, Error};
use uxf_testkit::disk::MemoryDisk;

use super::{NOW, SetClock, device_at, give, secret};

#[test]
fn everything_is_there_again_after_a_restart_from_memory_and_from_tables() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let mut expected = std::collections::BTreeMap::new();
    let mut log = None;
    // Few operations stay to be taken in again, many are written to the tables at the close.
    for (round, count) in [(0, 10), (1, 3_000), (2, 5), (3, 1)] {
        let engine = open();
        let profile = engine.profile(&secret(), "phone").unwrap();
        assert_eq!(*log.get_or_insert(profile.log_id()), profile.log_id());
        let snapshot = engine.snapshot().unwrap();
        let found: std::collections::BTreeMap<_, _> = snapshot
            .profile(&profile)
            .prefix("app.")
            .unwrap()
            .map(Result::unwrap)
            .map(|(key, value)| (key, value.as_bytes().to_vec()))
            .collect();
        assert_eq!(found, expected, "round {round}");
        for key in 0..count {
            let (key, value) = (format!("app.{}", key * 7 % 2_000), format!("{round}-{key}"));
            let mut batch = engine.begin().durability(Durability::Buffered);
            batch.put_value(&profile, &key, value.as_bytes()).unwrap();
            batch.commit().unwrap();
            expected.insert(key, value.into_bytes());
        }
        profile.delete("app.0").unwrap();
        expected.remove("app.0");
        let vector = profile.version_vector().unwrap();
        drop(snapshot);
        drop((profile, engine));
        let engine = open();
        let profile = engine.open_profile(&secret()).unwrap();
        assert_eq!(profile.version_vector().unwrap(), vector);
        let report = engine.check_integrity(&mut |_| {}).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
}

#[test]
fn a_profile_is_opened_with_its_own_secret_only() {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    assert!(matches!(
        engine.open_profile(&secret()),
        Err(Error::Profile(ProfileError::NotFound))
    ));
    let profile = engine.profile(&secret(), "phone").unwrap();
    profile.put("app.k", b"v").unwrap();
    let again = engine.open_profile(&secret()).unwrap();
    assert_eq!(again.log_id(), profile.log_id());
    // Another wallet has another profile in the same store.
    let other = engine
        .profile(&WalletSecret::take(&mut [8; 32]), "phone")
        .unwrap();
    assert!(other.get("app.k").unwrap().is_none());
    other.put("app.k", b"w").unwrap();
    assert_eq!(again.get("app.k").unwrap().unwrap(), b"v");
    let mut batch = engine.begin();
    batch.put_value(&profile, "app.a", b"1").unwrap();
    let refused = batch.put_value(&other, "app.a", b"1").unwrap_err();
    assert_eq!(refused.code(), "OTHER_PROFILE");
}

#[test]
fn after_a_restart_with_a_clock_set_back_a_write_still_comes_after_what_was_seen() {
    let (ahead, own) = (SetClock::at(NOW + 300_000), SetClock::at(NOW));
    let other = device_at("laptop", &ahead);
    other.put("app.k", b"seen").unwrap();
    other.delete("app.d").unwrap();
    let disk = MemoryDisk::new(Vec::new());
    let open = || {
        let clock = Arc::clone(&own) as Arc<dyn Clock>;
        let engine = Engine::open_with_backend(disk.clone(), EngineOptions::new().clock(clock));
        engine.unwrap().profile(&secret(), "phone").unwrap()
    };
    let profile = open();
    give(&other, &profile);
    drop(profile);
    own.set(0);
    let profile = open();
    profile.put("app.k", b"written after").unwrap();
    profile.put("app.d", b"written after").unwrap();
    for key in ["app.k", "app.d"] {
        assert_eq!(profile.get(key).unwrap().unwrap(), b"written after");
    }
}

use uxf_engine::{DATABASE_FILE, Engine, EngineOptions};

use super::{give, secret};

#[test]
fn a_copied_store_writes_a_log_of_its_own_and_no_write_of_either_is_lost() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = |directory: &tempfile::TempDir| {
        Engine::open(directory.path(), EngineOptions::new()).unwrap()
    };
    let engine = open(&one);
    let profile = engine.profile(&secret(), "phone").unwrap();
    profile.put("app.before", b"0").unwrap();
    let before = profile.log_id();
    drop((profile, engine));
    let file = |directory: &tempfile::TempDir| directory.path().join(DATABASE_FILE);
    std::fs::copy(file(&one), file(&two)).unwrap();

    let (engine, copy) = (open(&one), open(&two));
    let original = engine.open_profile(&secret()).unwrap();
    let copied = copy.open_profile(&secret()).unwrap();
    assert_eq!(original.log_id(), before);
    assert_eq!(copied.device(), before.device);
    assert_ne!(copied.log_id(), before);
    original.put("app.original", b"1").unwrap();
    copied.put("app.copied", b"2").unwrap();
    give(&original, &copied);
    give(&copied, &original);
    for profile in [&original, &copied] {
        assert_eq!(profile.get("app.before").unwrap().unwrap(), b"0");
        assert_eq!(profile.get("app.original").unwrap().unwrap(), b"1");
        assert_eq!(profile.get("app.copied").unwrap().unwrap(), b"2");
    }
}

#[test]
fn a_backup_holds_the_profile_and_goes_on_in_a_log_of_its_own() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::open(one.path(), EngineOptions::new()).unwrap();
    let profile = engine.profile(&secret(), "phone").unwrap();
    for key in 0..50 {
        profile.put(&format!("app.{key}"), b"v").unwrap();
    }
    engine.backup_to(two.path()).unwrap();
    let copy = Engine::open(two.path(), EngineOptions::new()).unwrap();
    let copied = copy.open_profile(&secret()).unwrap();
    assert_ne!(copied.log_id(), profile.log_id());
    let snapshot = copy.snapshot().unwrap();
    assert_eq!(snapshot.profile(&copied).keys("app.").unwrap().count(), 50);
}

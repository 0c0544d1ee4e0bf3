use std::io::Cursor;

use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::ProfileError;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Engine, EngineOptions, Error};

use super::{device, give, text};

#[test]
fn a_delta_of_many_rounds_with_values_in_blocks_and_other_devices_logs_arrives_whole() {
    let (phone, tablet, laptop) = (device("phone"), device("tablet"), device("laptop"));
    for key in 0..40 {
        // Blocks of more bytes than one round holds.
        phone
            .put(&format!("app.long.{key}"), &vec![key; 300_000])
            .unwrap();
        tablet.put(&format!("app.short.{key}"), &[key; 50]).unwrap();
    }
    phone.delete("app.long.0").unwrap();
    give(&tablet, &phone);
    let mut file = Vec::new();
    let written = phone
        .export_delta(&laptop.version_vector().unwrap(), &mut file)
        .unwrap();
    assert_eq!((written.commits, written.blocks), (81, 40));
    let taken = laptop.import_delta(Cursor::new(&file)).unwrap();
    assert_eq!(taken.applied, 81);
    assert_eq!(
        laptop.version_vector().unwrap(),
        phone.version_vector().unwrap()
    );
    assert!(laptop.get("app.long.0").unwrap().is_none());
    let long = laptop.get("app.long.39").unwrap().unwrap();
    assert_eq!(long.as_bytes(), vec![39; 300_000]);
    assert_eq!(laptop.get("app.short.7").unwrap().unwrap(), &[7; 50]);
    let report = laptop.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    // What is there already does not come again.
    let mut rest = Vec::new();
    let written = phone
        .export_delta(&laptop.version_vector().unwrap(), &mut rest)
        .unwrap();
    assert_eq!((written.commits, written.blocks), (0, 0));
}

#[test]
fn a_compacted_log_goes_into_a_delta_file_with_its_checkpoint() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    for value in 0..30 {
        phone.put("app.k", &[value; 20]).unwrap();
    }
    phone.put("app.long", &[7; 5_000]).unwrap();
    phone.compact().unwrap();
    phone.put("app.after", b"v").unwrap();
    let mut file = Vec::new();
    let written = phone
        .export_delta(&VersionVector::default(), &mut file)
        .unwrap();
    assert_eq!((written.checkpoints, written.commits), (1, 1));
    let taken = laptop.import_delta(Cursor::new(&file)).unwrap();
    assert_eq!((taken.checkpoints, taken.applied), (1, 1));
    assert_eq!(laptop.get("app.k").unwrap().unwrap(), &[29; 20]);
    assert_eq!(laptop.get("app.long").unwrap().unwrap(), &[7; 5_000]);
    assert_eq!(text(&laptop, "app.after").as_deref(), Some("v"));
    let report = laptop.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn a_delta_file_changed_or_cut_anywhere_or_of_another_profile_changes_nothing() {
    let phone = device("phone");
    let laptop = device("laptop");
    phone.put("app.k", b"v").unwrap();
    phone.put("app.long", &[7; 2_000]).unwrap();
    let mut file = Vec::new();
    phone
        .export_delta(&VersionVector::default(), &mut file)
        .unwrap();
    let before = laptop.version_vector().unwrap();
    for at in (0..file.len()).step_by(37) {
        let mut bad = file.clone();
        bad[at] ^= 0x10;
        for bad in [&bad[..], &file[..at]] {
            let error = laptop.import_delta(Cursor::new(bad)).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Profile(ProfileError::DeltaFile(_) | ProfileError::OtherProfile)
                ),
                "{at}: {error}"
            );
        }
        assert_eq!(laptop.version_vector().unwrap(), before);
    }
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let secret = WalletSecret::take(&mut [8; 32]);
    let other = engine.profile(&secret, "other").unwrap();
    assert_eq!(engine.profiles().unwrap(), [*other.id()]);
    let error = other.import_delta(Cursor::new(&file)).unwrap_err();
    assert_eq!(error.code(), "OTHER_PROFILE");
    assert_eq!(laptop.import_delta(Cursor::new(&file)).unwrap().applied, 2);
}

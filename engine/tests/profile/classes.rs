use uxf_engine::Error;
use uxf_engine::profile::ProfileError;

use super::{device, give, text};

const SET: &str = "DIRECT_0d5508_b1bbbf.invalidatedNametags";

#[test]
fn merged_values_of_several_devices_are_joined_and_none_is_lost() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    phone.put(SET, br#"["a"]"#).unwrap();
    laptop.put(SET, br#"["b"]"#).unwrap();
    give(&phone, &laptop);
    give(&laptop, &phone);
    for profile in [&phone, &laptop] {
        assert_eq!(text(profile, SET).as_deref(), Some(r#"["a","b"]"#));
    }
    // What one device adds now is added to what both know.
    laptop.put(SET, br#"["c"]"#).unwrap();
    phone.put(SET, br#"["d"]"#).unwrap();
    give(&phone, &laptop);
    give(&laptop, &phone);
    for profile in [&phone, &laptop] {
        assert_eq!(text(profile, SET).as_deref(), Some(r#"["a","b","c","d"]"#));
    }
}

#[test]
fn two_threads_that_add_to_a_merged_value_lose_nothing() {
    let profile = device("phone");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let profile = &profile;
            scope.spawn(move || {
                for number in 0..20 {
                    let value = format!(r#"["{thread}-{number}"]"#);
                    profile.put(SET, value.as_bytes()).unwrap();
                }
            });
        }
    });
    let all: Vec<String> = profile.get_json(SET).unwrap().unwrap();
    assert_eq!(all.len(), 80);
}

#[test]
fn a_batch_may_add_to_a_merged_value_more_than_once() {
    let profile = device("phone");
    let mut batch = profile.engine().begin();
    batch.put_value(&profile, SET, br#"["a"]"#).unwrap();
    batch.put_value(&profile, SET, br#"["b"]"#).unwrap();
    batch.commit().unwrap();
    assert_eq!(text(&profile, SET).as_deref(), Some(r#"["a","b"]"#));
    // A deleted one begins anew.
    profile.delete(SET).unwrap();
    profile.put(SET, br#"["c"]"#).unwrap();
    assert_eq!(text(&profile, SET).as_deref(), Some(r#"["c"]"#));
}

#[test]
fn a_value_that_the_rule_of_its_key_cannot_read_is_refused_at_once() {
    let profile = device("phone");
    let refused = profile.put(SET, b"no set").unwrap_err();
    assert!(matches!(
        refused,
        Error::Profile(ProfileError::Unmergeable { .. })
    ));
    assert!(profile.get(SET).unwrap().is_none());
}

#[test]
fn what_stays_on_a_device_is_kept_and_never_leaves_it() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    let keys = [
        "identity.mnemonic",
        "prices.cache",
        "transport.lastDmEventTs.x",
    ];
    for key in keys {
        phone.put(key, b"secret words").unwrap();
        assert_eq!(phone.get(key).unwrap().unwrap(), b"secret words");
    }
    phone.put("app.k", b"v").unwrap();
    let delta = phone
        .delta_for(&laptop.version_vector().unwrap(), 1 << 20)
        .unwrap();
    assert_eq!(delta.commits.len(), 1);
    laptop.ingest(&delta).unwrap();
    for key in keys {
        assert!(laptop.get(key).unwrap().is_none());
        phone.delete(key).unwrap();
        assert!(phone.get(key).unwrap().is_none());
    }
}

#[test]
fn what_many_devices_have_put_into_one_value_is_whole_however_long_it_is_together() {
    // Each as long as a value may be; together longer than a row that is read.
    let devices: Vec<_> = (0..10).map(|n| device(&format!("device {n}"))).collect();
    for (n, profile) in devices.iter().enumerate() {
        let all: Vec<_> = (0..1_900).map(|at| format!("{n:02}{at:062}")).collect();
        profile.put_json(SET, &all).unwrap();
    }
    let (last, others) = devices.split_last().unwrap();
    for profile in others {
        give(profile, last);
    }
    let all: Vec<String> = last.get_json(SET).unwrap().unwrap();
    assert_eq!(all.len(), 19_000);
    // What is too long is refused, and takes nothing away.
    let refused = last.put(SET, br#"["one more"]"#).unwrap_err();
    assert!(matches!(
        refused,
        Error::Profile(ProfileError::ValueLength { .. })
    ));
    let all: Vec<String> = last.get_json(SET).unwrap().unwrap();
    assert_eq!(all.len(), 19_000);
}

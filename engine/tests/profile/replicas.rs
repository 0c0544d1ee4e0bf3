use uxf_engine::oplog::{HybridTime, VersionVector};
use uxf_engine::profile::envelope::Origin;

use super::{NOW, SetClock, device, device_at, give, text};

const MINUTE: u64 = 60_000;

#[test]
fn the_later_write_wins_on_every_device_and_a_delete_at_the_same_time_beats_it() {
    let (early, late) = (SetClock::at(NOW), SetClock::at(NOW + MINUTE));
    let (phone, laptop) = (device_at("phone", &early), device_at("laptop", &late));
    laptop.put("app.k", b"late").unwrap();
    phone.put("app.k", b"early").unwrap();
    laptop.put("app.d", b"put").unwrap();
    early.set(NOW + MINUTE);
    // The same time as the put: its clock moved there, and nothing of the laptop was seen.
    phone.delete("app.d").unwrap();
    give(&phone, &laptop);
    give(&laptop, &phone);
    for profile in [&phone, &laptop] {
        assert_eq!(text(profile, "app.k").as_deref(), Some("late"));
    }
    assert_eq!(text(&phone, "app.d"), text(&laptop, "app.d"));
    // What is written after a sync is later than everything that was seen, whatever the own clock says.
    early.set(0);
    phone.put("app.k", b"after").unwrap();
    give(&phone, &laptop);
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("after"));
    let value = laptop.get("app.k").unwrap().unwrap();
    assert_eq!(value.origin(), Origin::Replicated);
    assert_eq!(value.written_by().unwrap().0, phone.log_id());
}

#[test]
fn a_delta_is_cut_where_the_budget_ends_and_goes_on_there() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    for key in 0..50 {
        phone.put(&format!("app.{key}"), &[7; 200]).unwrap();
    }
    phone.put("app.long", &[8; 10_000]).unwrap();
    let mut rounds = 0;
    loop {
        let vector = laptop.version_vector().unwrap();
        let delta = phone.delta_for(&vector, 2_000).unwrap();
        let outcome = laptop.ingest(&delta).unwrap();
        assert!(outcome.applied > 0);
        rounds += 1;
        if !delta.is_partial {
            break;
        }
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!(laptop.get("app.long").unwrap().unwrap(), &[8; 10_000]);
    assert_eq!(
        laptop.version_vector().unwrap(),
        phone.version_vector().unwrap()
    );
    // Twice is once.
    let delta = phone.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    let outcome = laptop.ingest(&delta).unwrap();
    assert_eq!((outcome.applied, outcome.known), (0, 51));
}

#[test]
fn what_one_device_passes_on_of_another_counts_as_if_it_came_first_hand() {
    let all = [device("a"), device("b"), device("c")];
    all[0].put("app.k", b"v").unwrap();
    give(&all[0], &all[1]);
    all[1].put("app.l", b"w").unwrap();
    give(&all[1], &all[2]);
    assert_eq!(text(&all[2], "app.k").as_deref(), Some("v"));
    assert_eq!(text(&all[2], "app.l").as_deref(), Some("w"));
    let devices = all[2].devices().unwrap();
    let mut names: Vec<_> = devices.iter().map(|device| device.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_commit_from_the_future_is_parked_without_effect_and_applied_when_its_time_comes() {
    let year = 365 * 24 * 60 * MINUTE;
    let (wrong, right) = (SetClock::at(NOW + year), SetClock::at(NOW));
    let (phone, laptop) = (device_at("phone", &wrong), device_at("laptop", &right));
    laptop.put("app.k", b"now").unwrap();
    phone.put("app.k", b"future").unwrap();
    phone.put("app.long", &[1; 5_000]).unwrap();
    give(&phone, &laptop);
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("now"));
    let parked = laptop.parked().unwrap();
    assert_eq!(parked.len(), 2);
    assert_eq!(parked[0].log, phone.log_id());
    // The own clock was not moved by it.
    laptop.put("app.k", b"still now").unwrap();
    let time = laptop.get("app.k").unwrap().unwrap().time().unwrap();
    assert!(time < HybridTime::new(NOW + MINUTE, 0).unwrap());
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("still now"));
    let report = laptop.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    // Parked once, however often it comes.
    let delta = phone
        .delta_for(&laptop.version_vector().unwrap(), 1 << 20)
        .unwrap();
    assert_eq!(laptop.ingest(&delta).unwrap().parked, 0);

    right.set(NOW + year);
    laptop.put("app.other", b"wakes the writer").unwrap();
    assert!(laptop.parked().unwrap().is_empty());
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("future"));
    assert_eq!(laptop.get("app.long").unwrap().unwrap(), &[1; 5_000]);
    assert_eq!(
        laptop.version_vector().unwrap().get(&phone.log_id()),
        phone.version_vector().unwrap().get(&phone.log_id())
    );
    let report = laptop.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn commits_that_have_to_wait_do_not_hold_up_others_however_small_the_budget() {
    let year = 365 * 24 * 60 * MINUTE;
    let (wrong, right) = (SetClock::at(NOW + year), SetClock::at(NOW));
    // Whatever the order of their logs is, of six some come after the two from the future.
    let future = [device_at("f", &wrong), device_at("g", &wrong)];
    let present: Vec<_> = (0..4).map(|_| device_at("p", &right)).collect();
    let (hub, laptop) = (device_at("hub", &wrong), device_at("laptop", &right));
    for (number, profile) in future.iter().chain(&present).enumerate() {
        for key in 0..5 {
            profile
                .put(&format!("app.{number}.{key}"), &[1; 300])
                .unwrap();
        }
        give(profile, &hub);
    }
    let mut rounds = 0;
    loop {
        let vector = laptop.version_vector().unwrap();
        let delta = hub.delta_for(&vector, 600).unwrap();
        let outcome = laptop.ingest(&delta).unwrap();
        rounds += 1;
        if !delta.is_partial {
            break;
        }
        assert!(outcome.applied + outcome.parked > 0, "round {rounds}");
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!(laptop.parked().unwrap().len(), 10);
    for key in 0..5 {
        assert!(text(&laptop, &format!("app.5.{key}")).is_some());
    }
    // What waits is had: nobody needs to send it again.
    let vector = laptop.version_vector().unwrap();
    assert_eq!(vector, hub.version_vector().unwrap());
    assert!(hub.delta_for(&vector, 600).unwrap().commits.is_empty());
}

#[test]
fn a_revoked_device_is_heard_up_to_its_end_and_no_further() {
    let (phone, laptop) = (device("phone"), device("laptop"));
    phone.put("app.k", b"before").unwrap();
    give(&phone, &laptop);
    laptop.revoke(phone.device()).unwrap();
    phone.put("app.k", b"after").unwrap();
    let delta = phone
        .delta_for(&laptop.version_vector().unwrap(), 1 << 20)
        .unwrap();
    assert_eq!(laptop.ingest(&delta).unwrap_err().code(), "REVOKED");
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("before"));
    // A third device gets the revocation with the rest, and the phone itself learns of it.
    let tablet = device("tablet");
    give(&laptop, &tablet);
    assert_eq!(text(&tablet, "app.k").as_deref(), Some("before"));
    assert_eq!(tablet.ingest(&delta).unwrap_err().code(), "REVOKED");
    give(&laptop, &phone);
    assert_eq!(phone.put("app.k", b"x").unwrap_err().code(), "REVOKED");
    let devices = laptop.devices().unwrap();
    let revoked = devices.iter().find(|device| device.id == phone.device());
    assert_eq!(revoked.unwrap().revocations.len(), 2);
}

#[test]
fn what_was_taken_of_a_device_before_its_revocation_keeps_nobody_from_hearing_the_rest() {
    let (phone, laptop, tablet) = (device("phone"), device("laptop"), device("tablet"));
    phone.put("app.k", b"before").unwrap();
    give(&phone, &laptop);
    phone.put("app.k", b"after").unwrap();
    give(&phone, &tablet);
    laptop.revoke(phone.device()).unwrap();
    give(&laptop, &tablet);
    tablet.put("app.l", b"of the tablet").unwrap();
    give(&tablet, &laptop);
    assert_eq!(text(&laptop, "app.l").as_deref(), Some("of the tablet"));
    assert_eq!(text(&laptop, "app.k").as_deref(), Some("before"));
    // The phone itself does not spread what it wrote either, but what others wrote it does.
    give(&tablet, &phone);
    let other = device("other");
    give(&phone, &other);
    assert_eq!(text(&other, "app.l").as_deref(), Some("of the tablet"));
}

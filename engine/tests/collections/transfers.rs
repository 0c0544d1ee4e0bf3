//! The outbox and the sent ledger.

use uxf_engine::profile::merge::OutboxStatus::{
    Delivered, FailedPermanent, FailedTransient, Finalized, Finalizing, Packaging, Sending,
};

use super::{Device, draft, refused};

#[test]
fn a_transfer_goes_from_packaging_to_the_sent_ledger_and_out_of_the_outbox() {
    let phone = Device::new("phone");
    let all = phone.collections();
    assert_eq!(
        all.outbox().put(&draft("o1").memo("hi")).unwrap().status(),
        Packaging
    );
    all.outbox().advance("o1", Sending).unwrap();
    let (entry, sent) = all.outbox().advance_and_record("o1", Delivered).unwrap();
    assert_eq!(entry.to_visible_json()["memo"], "hi");
    assert_eq!(
        (sent.token_ids.len(), sent.bundle_cid.as_str()),
        (2, "bafy")
    );
    assert!(all.outbox().delete("o1").unwrap());
    assert!(all.outbox().get("o1").unwrap().is_none());
    assert!(all.outbox().list().unwrap().entries.is_empty());
    assert_eq!(all.sent().of_token("t2").unwrap(), [sent]);
    assert!(all.sent().of_token("t3").unwrap().is_empty());
}

#[test]
fn the_state_machine_refuses_what_it_has_no_arc_for_and_nothing_is_written() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.outbox().put(&draft("o1")).unwrap();
    let before = phone.rows();
    for to in [Finalized, Delivered] {
        assert_eq!(
            refused(all.outbox().advance("o1", to)),
            "INVALID_OUTBOX_TRANSITION"
        );
        assert_eq!(
            refused(all.outbox().advance_and_record("o1", to)),
            "INVALID_OUTBOX_TRANSITION"
        );
    }
    let to_other = all.outbox().update("o1", |all| {
        all.insert("id".to_owned(), "o2".into());
    });
    assert_eq!(refused(to_other), "ENTRY_UPDATE");
    assert_eq!(
        refused(all.outbox().advance("o9", Sending)),
        "OUTBOX_ENTRY_NOT_FOUND"
    );
    assert_eq!(phone.rows(), before);
}

#[test]
fn an_override_brings_a_failed_transfer_back_and_opens_nothing_else() {
    let phone = Device::new("phone");
    let outbox = phone.collections();
    let outbox = outbox.outbox();
    outbox.put(&draft("o1")).unwrap();
    for to in [Sending, FailedTransient, FailedPermanent] {
        outbox.advance("o1", to).unwrap();
    }
    assert_eq!(
        refused(outbox.advance_with_override("o1", Sending)),
        "INVALID_OUTBOX_TRANSITION"
    );
    let revived = outbox.advance_with_override("o1", Finalizing).unwrap();
    assert_eq!(revived.status(), Finalizing);
    assert_eq!(outbox.advance("o1", Finalized).unwrap().status(), Finalized);
}

#[test]
fn beginning_a_transfer_twice_is_beginning_it_once() {
    let phone = Device::new("phone");
    let all = phone.collections();
    let first = all.outbox().put(&draft("o1")).unwrap();
    assert_eq!(all.outbox().put(&draft("o1")).unwrap(), first);
    let other = draft("o1").memo("another");
    assert_eq!(refused(all.outbox().put(&other)), "ENTRY_EXISTS");
    // It is the same transfer wherever it has got to.
    all.outbox().advance("o1", Sending).unwrap();
    assert_eq!(all.outbox().put(&draft("o1")).unwrap().status(), Sending);
}

#[test]
fn a_deleted_transfer_comes_back_only_if_that_is_asked_for() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.outbox().put(&draft("o1")).unwrap();
    assert!(all.outbox().delete("o1").unwrap());
    assert!(!all.outbox().delete("o1").unwrap());
    assert_eq!(
        refused(all.outbox().put(&draft("o1"))),
        "OUTBOX_ENTRY_TOMBSTONED"
    );
    assert_eq!(
        refused(all.outbox().advance("o1", Sending)),
        "OUTBOX_ENTRY_TOMBSTONED"
    );
    let revived = all.outbox().put_again(&draft("o1")).unwrap();
    assert!(revived.lamport().get() > 2);
    let laptop = Device::new("laptop");
    phone.tell(&laptop);
    assert!(laptop.collections().outbox().get("o1").unwrap().is_some());
}

#[test]
fn the_third_write_after_a_restart_is_numbered_above_all_before_it() {
    let place = tempfile::tempdir().unwrap();
    let mut numbers = Vec::new();
    for n in 0..4 {
        let disk = Device::on_disk(place.path());
        let all = disk.collections();
        for m in 0..3 {
            let id = format!("o{n}{m}");
            numbers.push(all.outbox().put(&draft(&id)).unwrap().lamport().get());
            let sending = all.outbox().advance(&id, Sending).unwrap();
            numbers.push(sending.lamport().get());
        }
    }
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
}

#[test]
fn a_failure_and_the_next_try_reach_the_other_device_in_either_order_of_meeting() {
    for phone_first in [true, false] {
        let (phone, laptop) = (Device::new("phone"), Device::new("laptop"));
        let (ours, theirs) = (phone.collections(), laptop.collections());
        ours.outbox().put(&draft("o1")).unwrap();
        ours.outbox().advance("o1", Sending).unwrap();
        phone.meet(&laptop);
        theirs.outbox().advance("o1", FailedTransient).unwrap();
        // Meanwhile the first one notes something about the same transfer.
        let retried = ours.outbox().update("o1", |all| {
            all.insert("submitRetryCount".to_owned(), 2.into());
        });
        assert_eq!(retried.unwrap().status(), Sending);
        if phone_first {
            phone.meet(&laptop);
        } else {
            laptop.meet(&phone);
        }
        for all in [&ours, &theirs] {
            let entry = all.outbox().get("o1").unwrap().unwrap();
            assert_eq!(entry.status(), FailedTransient);
            assert_eq!(entry.to_visible_json()["submitRetryCount"], 2);
            assert_eq!(entry.to_visible_json()["sourceTokenIds"][0], "s1");
        }
        assert_eq!(phone.rows(), laptop.rows());
        theirs.outbox().advance("o1", Sending).unwrap();
        laptop.tell(&phone);
        let entry = ours.outbox().get("o1").unwrap().unwrap();
        assert_eq!(entry.status(), Sending);
    }
}

#[test]
fn a_deletion_wins_over_what_another_device_wrote_without_knowing_of_it() {
    let (phone, laptop) = (Device::new("phone"), Device::new("laptop"));
    let (ours, theirs) = (phone.collections(), laptop.collections());
    ours.outbox().put(&draft("o1")).unwrap();
    ours.outbox().advance("o1", Sending).unwrap();
    ours.outbox().advance_and_record("o1", Delivered).unwrap();
    phone.meet(&laptop);
    theirs.sent().attach_proof("o1").unwrap();
    ours.outbox().delete("o1").unwrap();
    phone.meet(&laptop);
    for all in [&ours, &theirs] {
        assert!(all.outbox().get("o1").unwrap().is_none());
        let sent = all.sent().get("o1").unwrap().unwrap();
        assert_eq!(sent.proof_attached_at, Some(super::NOW));
    }
    assert_eq!(phone.rows(), laptop.rows());
}

#[test]
fn a_transfer_is_recorded_as_sent_once_however_often_it_is_delivered() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.outbox().put(&draft("o1")).unwrap();
    all.outbox().advance("o1", Sending).unwrap();
    let (_, first) = all.outbox().advance_and_record("o1", Delivered).unwrap();
    all.outbox().advance("o1", Sending).unwrap();
    phone.clock.set(super::NOW + 1_000);
    let (entry, again) = all.outbox().advance_and_record("o1", Delivered).unwrap();
    assert_eq!((entry.status(), again), (Delivered, first));
}

//! Queue, mints, contexts, and how long deletions are known.

use serde_json::{Map, Value, json};
use uxf_engine::profile::keys::AddressId;
use uxf_engine::wallet::collections::{
    CollectionError, CollectionKind, PendingMint, QueueEntry, QueueSource, QueueStatus,
    RETENTION_MS,
};

use super::{ADDRESS, Device, NOW, draft, refusal, refused};

fn queued(id: &str) -> QueueEntry {
    let mut entry = QueueEntry::new(id, "t1", 3, QueueSource::Received);
    entry.created_at = NOW;
    entry.authenticator = json!({ "signature": "aa" });
    entry
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn key(kind: CollectionKind, id: &str) -> String {
    kind.prefix(&AddressId::parse(ADDRESS).unwrap()) + id
}

#[test]
fn polling_begins_once_and_not_at_a_time_that_cannot_be() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.queue().put(&queued("q1")).unwrap();
    let minutes = 60_000;
    for wrong in [NOW - 6 * minutes, NOW + 6 * minutes] {
        let refused = refusal(all.queue().start_polling("q1", wrong));
        assert!(matches!(refused, CollectionError::PollStart { found, .. } if found == wrong));
    }
    let started = all.queue().start_polling("q1", NOW - 4 * minutes).unwrap();
    assert_eq!(started.status, QueueStatus::Polling);
    all.queue().start_polling("q1", NOW).unwrap();
    let changed = all.queue().update("q1", |entry| {
        entry.proof_error_count += 1;
        entry.entry_id = "other".to_owned();
    });
    let changed = changed.unwrap();
    assert_eq!(changed.poll_started_at(), Some(NOW - 4 * minutes));
    assert_eq!(
        (changed.entry_id.as_str(), changed.proof_error_count),
        ("q1", 1)
    );
}

#[test]
fn what_is_under_way_is_the_same_on_both_devices_and_removed_on_both() {
    let (phone, laptop) = (Device::new("phone"), Device::new("laptop"));
    let (ours, theirs) = (phone.collections(), laptop.collections());
    let mint = PendingMint::new("m1", NOW, object(&json!({ "salt": "00" })));
    let context = object(&json!({ "step": 1 }));
    ours.queue().put(&queued("q1")).unwrap();
    theirs.queue().put(&queued("q2")).unwrap();
    ours.mints().put(&mint).unwrap();
    theirs.contexts().put_request("r1", &context).unwrap();
    theirs.contexts().put_finalization("r1", &context).unwrap();
    phone.meet(&laptop);
    assert_eq!(phone.rows(), laptop.rows());
    assert_eq!(ours.queue().list().unwrap().entries.len(), 2);
    assert_eq!(theirs.mints().get("m1").unwrap(), Some(mint.clone()));
    assert_eq!(
        ours.contexts().request("r1").unwrap(),
        Some(context.clone())
    );
    // The same again is no other one.
    theirs.mints().put(&mint).unwrap();
    let changed = theirs.mints().update("m1", |details| {
        details.insert("attempt".to_owned(), 2.into());
    });
    assert_eq!(changed.unwrap().details["attempt"], 2);
    assert_eq!(refused(theirs.mints().put(&mint)), "ENTRY_EXISTS");
    assert!(theirs.mints().remove("m1").unwrap());
    assert!(theirs.contexts().remove_request("r1").unwrap());
    assert!(ours.queue().remove("q2").unwrap());
    assert!(!ours.queue().remove("q9").unwrap());
    phone.meet(&laptop);
    assert_eq!(phone.rows(), laptop.rows());
    for all in [&ours, &theirs] {
        assert!(all.mints().list().unwrap().entries.is_empty());
        assert!(all.contexts().request("r1").unwrap().is_none());
        assert!(all.contexts().finalization("r1").unwrap().is_some());
        assert_eq!(all.queue().list().unwrap().entries.len(), 1);
        assert_eq!(refused(all.queue().put(&queued("q2"))), "ENTRY_TOMBSTONED");
    }
}

#[test]
fn a_row_that_is_no_entry_hides_no_other_and_is_reported_when_it_is_removed() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.queue().put(&queued("q1")).unwrap();
    let bad = key(CollectionKind::FinalizationQueue, "q0");
    phone.profile.put(&bad, "é".repeat(600).as_bytes()).unwrap();
    let listed = all.queue().list().unwrap();
    assert_eq!((listed.entries.len(), listed.unreadable.len()), (1, 1));
    assert_eq!(refused(all.queue().get("q0")), "NOT_AN_ENTRY");
    let removed = all.queue().remove_unreadable().unwrap();
    assert_eq!(removed[0].key, bad);
    assert_eq!(removed[0].start.as_deref(), Some("é".repeat(512).as_str()));
    assert!(all.queue().list().unwrap().unreadable.is_empty());
    assert!(all.queue().remove_unreadable().unwrap().is_empty());
}

#[test]
fn deletions_are_known_for_thirty_days_and_those_without_a_time_for_ever() {
    let phone = Device::new("phone");
    let all = phone.collections();
    all.outbox().put(&draft("o1")).unwrap();
    all.outbox().put(&draft("o2")).unwrap();
    all.queue().put(&queued("q1")).unwrap();
    all.outbox().delete("o1").unwrap();
    all.queue().remove("q1").unwrap();
    let timeless = key(CollectionKind::MintOutbox, "m1");
    phone
        .profile
        .put(&timeless, br#"{"tombstoned":true}"#)
        .unwrap();
    phone.clock.set(NOW + RETENTION_MS);
    let report = all.purge().unwrap();
    assert_eq!((report.scanned, report.purged, report.kept), (3, 0, 3));
    phone.clock.set(NOW + RETENTION_MS + 1);
    let report = all.purge().unwrap();
    assert_eq!((report.scanned, report.purged, report.kept), (3, 2, 1));
    let kept: Vec<_> = phone.rows().into_iter().map(|(key, _)| key).collect();
    assert_eq!(kept, [timeless, key(CollectionKind::Outbox, "o2")]);
    // Forgetting reaches the other device too.
    let laptop = Device::new("laptop");
    laptop.clock.set(NOW + RETENTION_MS);
    phone.tell(&laptop);
    assert_eq!(laptop.rows(), phone.rows());
    all.queue().put(&queued("q1")).unwrap();
}

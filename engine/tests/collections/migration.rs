//! An outbox of the old shape.

use serde_json::json;
use uxf_engine::profile::merge::{OutboxEntry, OutboxStatus};

use super::{ADDRESS, Device, NOW};

fn old_outbox() -> String {
    let entry = |token: &str, key: &str, status: &str, at: u64| {
        json!({
            "id": format!("old-{token}"), "status": status, "sourceTokenId": token,
            "recipientPubkey": key, "createdAt": at, "updatedAt": at,
        })
    };
    json!([
        entry("t1", "a", "pending", NOW),
        entry("t2", "a", "submitted", NOW + 1),
        entry("t3", "b", "confirmed", NOW),
    ])
    .to_string()
}

#[test]
fn an_outbox_of_the_old_shape_is_moved_once_on_however_many_devices() {
    let (phone, laptop) = (Device::new("phone"), Device::new("laptop"));
    let list = format!("{ADDRESS}.outbox");
    phone.profile.put(&list, old_outbox().as_bytes()).unwrap();
    phone.tell(&laptop);
    // Both open before either has told the other.
    for device in [&phone, &laptop] {
        let all = device.collections();
        let moved = all.recovered().outbox.unwrap();
        assert_eq!(
            (moved.old_entries, moved.entries, moved.malformed),
            (3, 2, 0)
        );
        assert!(device.collections().recovered().outbox.is_none());
    }
    phone.meet(&laptop);
    assert_eq!(phone.rows(), laptop.rows());
    let entries = phone.collections().outbox().list().unwrap().entries;
    let statuses: Vec<_> = entries.iter().map(OutboxEntry::status).collect();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.contains(&OutboxStatus::Sending));
    assert!(statuses.contains(&OutboxStatus::Finalized));
    assert!(phone.profile.get(&list).unwrap().is_none());
    let backup = format!("{ADDRESS}.legacyOutbox.backup");
    assert!(phone.profile.get(&backup).unwrap().is_some());
}

#[test]
fn what_cannot_be_moved_stays_where_it_is() {
    let phone = Device::new("phone");
    let list = format!("{ADDRESS}.outbox");
    let text = old_outbox().replacen("pending", "who knows", 1);
    phone.profile.put(&list, text.as_bytes()).unwrap();
    let moved = phone.collections().recovered().outbox.unwrap();
    assert_eq!((moved.old_entries, moved.malformed), (3, 1));
    assert_eq!(phone.profile.get(&list).unwrap().unwrap(), text.as_bytes());
}

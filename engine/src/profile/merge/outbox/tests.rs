use proptest::prelude::*;
use serde_json::{Value, json};

use super::entry::HIDDEN;
use super::*;
use crate::profile::envelope::LamportTime;

fn entry(all: &Value) -> OutboxEntry {
    OutboxEntry::parse(&all.to_string()).unwrap()
}

fn sample(status: OutboxStatus) -> Value {
    json!({
        "_schemaVersion": "uxf-1",
        "id": "o1",
        "bundleCid": "c",
        "tokenIds": ["t"],
        "deliveryMethod": "car-over-nostr",
        "recipient": "DIRECT://r",
        "recipientTransportPubkey": "k",
        "mode": "instant",
        "status": status.as_str(),
        "createdAt": 10,
        "updatedAt": 20,
        "lamport": 3,
        "submitRetryCount": 0,
        "proofErrorCount": 0,
    })
}

fn versions() -> impl Strategy<Value = OutboxEntry> {
    let flags = (any::<bool>(), any::<bool>());
    let numbers = (0_u64..4, 0_u64..4, 0_u64..3, proptest::option::of(0_u64..3));
    let shape = (
        "[ab]",
        proptest::sample::select(vec![json!(["t", "u"]), json!(["u", "t"])]),
        0_usize..3,
    );
    let optional = (
        proptest::option::of("[mn]"),
        proptest::option::of(0_u64..3),
        proptest::option::of("[ef]"),
        proptest::option::of(0_u64..3),
    );
    let ids = (
        proptest::collection::vec("[p-r]", 0..3),
        proptest::collection::vec("[p-r]", 0..3),
    );
    let moves = proptest::collection::vec(0_usize..11, 0..4);
    (0_usize..11, flags, numbers, shape, optional, (ids, moves)).prop_map(
        |(
            status,
            (overridden, ever),
            (lamport, created, retries, started),
            (cid, tokens, mode),
            optional,
            (ids, moves),
        )| {
            let mut all = sample(OutboxStatus::ALL[status]);
            let mut set = |name: &str, value: Value| all[name] = value;
            set("lamport", lamport.into());
            set("createdAt", created.into());
            set("updatedAt", (created + lamport).into());
            set("submitRetryCount", retries.into());
            set("bundleCid", cid.into());
            set("tokenIds", tokens);
            set("mode", ["conservative", "instant", "txf"][mode].into());
            set("overrideApplied", overridden.into());
            set("everFinalizing", ever.into());
            set("outstandingRequestIds", ids.0.into());
            set("completedRequestIds", ids.1.into());
            let (memo, deadline, error, unknown) = optional;
            let fields = [
                ("pollStartedAt", started.map(Value::from)),
                ("memo", memo.map(Value::from)),
                ("retryDeadline", deadline.map(Value::from)),
                ("error", error.map(Value::from)),
                ("somethingNew", unknown.map(Value::from)),
            ];
            for (name, value) in fields {
                if let Some(value) = value {
                    set(name, value);
                }
            }
            let lamport = LamportTime::new(lamport).unwrap();
            moves.into_iter().fold(entry(&all), |entry, to| {
                let moved = entry.with_status(OutboxStatus::ALL[to], true, lamport, created);
                moved.unwrap_or(entry)
            })
        },
    )
}

fn rows() -> impl Strategy<Value = OutboxRow> {
    let tombstone = (0_u64..4, 0_u64..3).prop_map(|(lamport, deleted_at_ms)| {
        OutboxRow::deleted(OutboxTombstone {
            lamport: LamportTime::new(lamport).unwrap(),
            deleted_at_ms,
        })
    });
    prop_oneof![versions().prop_map(OutboxRow::live), tombstone]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn outbox_entries_obey_the_laws(a in versions(), b in versions(), c in versions()) {
        let join = |a: &OutboxEntry, b: &OutboxEntry| a.clone().merge(b.clone()).unwrap();
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a.clone());
        let all = join(&join(&a, &b), &c);
        prop_assert_eq!(OutboxEntry::parse(&all.format()), Ok(all));
    }

    #[test]
    fn outbox_rows_obey_the_laws(a in rows(), b in rows(), c in rows()) {
        let join = |a: &OutboxRow, b: &OutboxRow| a.clone().merge(b.clone()).unwrap();
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a.clone());
        let all = join(&join(&a, &b), &c);
        prop_assert_eq!(OutboxRow::parse(&all.format()), Ok(all));
    }
}

#[test]
fn the_status_of_any_three_versions_is_one_whatever_the_grouping() {
    let all = || {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        OutboxStatus::ALL
            .into_iter()
            .flat_map(move |status| flags.map(|flags| (status, flags)))
    };
    let version = |(status, (overridden, ever)): (OutboxStatus, (bool, bool))| {
        let mut all = sample(status);
        all["overrideApplied"] = overridden.into();
        all["everFinalizing"] = ever.into();
        entry(&all)
    };
    let versions: Vec<_> = all().map(version).collect();
    for a in &versions {
        for b in &versions {
            let ab = a.clone().merge(b.clone()).unwrap();
            for c in &versions {
                let left = ab.clone().merge(c.clone()).unwrap();
                let right = a
                    .clone()
                    .merge(b.clone().merge(c.clone()).unwrap())
                    .unwrap();
                assert_eq!(left.status(), right.status());
            }
        }
    }
}

#[test]
fn an_override_brings_back_every_failure_but_nothing_undoes_finalized() {
    for failed in [
        OutboxStatus::FailedConflict,
        OutboxStatus::Expired,
        OutboxStatus::FailedPermanent,
    ] {
        let mut revived = sample(OutboxStatus::Finalizing);
        revived["overrideApplied"] = true.into();
        let (revived, failed) = (entry(&revived), entry(&sample(failed)));
        let both = failed.merge(revived).unwrap();
        assert_eq!(both.status(), OutboxStatus::Finalizing);
        let done = both.merge(entry(&sample(OutboxStatus::Finalized))).unwrap();
        assert_eq!(done.status(), OutboxStatus::Finalized);
    }
}

#[test]
fn fields_follow_the_winner_and_a_losers_field_fills_a_gap() {
    let mut sending = sample(OutboxStatus::Sending);
    sending["memo"] = "a".into();
    sending["sourceTokenIds"] = json!(["s"]);
    let mut delivered = sample(OutboxStatus::Delivered);
    delivered["memo"] = "b".into();
    delivered["bundleCid"] = "z".into();
    let both = entry(&sending)
        .merge(entry(&delivered))
        .unwrap()
        .to_visible_json();
    assert_eq!(
        (&both["memo"], &both["bundleCid"]),
        (&json!("b"), &json!("z"))
    );
    assert_eq!(
        both["sourceTokenIds"],
        json!(["s"]),
        "the reference loses it here"
    );
}

#[test]
fn a_request_that_was_completed_never_becomes_outstanding_again() {
    let mut done = sample(OutboxStatus::Sending);
    done["completedRequestIds"] = json!(["r1"]);
    let mut stale = sample(OutboxStatus::Sending);
    stale["outstandingRequestIds"] = json!(["r1", "r2"]);
    let both = entry(&done).merge(entry(&stale)).unwrap();
    let both = both.merge(entry(&stale)).unwrap().to_visible_json();
    assert_eq!(both["outstandingRequestIds"], json!(["r2"]));
    assert_eq!(both["completedRequestIds"], json!(["r1"]));
}

#[test]
fn versions_of_different_entries_are_not_merged() {
    let mut other = sample(OutboxStatus::Sending);
    other["id"] = "o2".into();
    let error = entry(&sample(OutboxStatus::Sending))
        .merge(entry(&other))
        .unwrap_err();
    assert_eq!(error.code(), "OUTBOX_MERGE_ID_MISMATCH");
    assert_eq!(
        OutboxEntry::merge_all([]).unwrap_err().code(),
        "OUTBOX_MERGE_EMPTY"
    );
}

#[test]
fn an_entry_changed_by_a_writer_that_knows_no_hidden_part_counts_as_it_stands() {
    let mut overridden = sample(OutboxStatus::Finalizing);
    overridden["overrideApplied"] = true.into();
    let both = entry(&overridden)
        .merge(entry(&sample(OutboxStatus::FailedPermanent)))
        .unwrap();
    let mut stored: Value = serde_json::from_str(&both.format()).unwrap();
    assert!(stored.get(HIDDEN).is_some());
    stored["status"] = "failed-transient".into();
    assert_eq!(entry(&stored).status(), OutboxStatus::FailedTransient);
}

#[test]
fn a_deletion_hides_what_is_not_newer_in_every_order() {
    let at = |lamport| {
        let mut all = sample(OutboxStatus::Sending);
        all["lamport"] = u64::into(lamport);
        OutboxRow::live(entry(&all))
    };
    let tombstone = OutboxTombstone {
        lamport: LamportTime::new(3).unwrap(),
        deleted_at_ms: 7,
    };
    let gone = OutboxRow::deleted(tombstone);
    let join = |a: &OutboxRow, b: &OutboxRow| a.clone().merge(b.clone()).unwrap();
    assert!(join(&at(3), &gone).entry().is_none());
    assert!(join(&gone, &at(4)).entry().is_some());
    let one = join(&join(&gone, &at(3)), &at(4));
    assert_eq!(one, join(&join(&at(3), &at(4)), &gone));
}

#[test]
fn a_move_is_a_new_write_and_settles_what_versions_said() {
    let at = |lamport| LamportTime::new(lamport).unwrap();
    let start = entry(&sample(OutboxStatus::Packaging));
    let sending = start
        .with_status(OutboxStatus::Sending, false, at(4), 30)
        .unwrap();
    assert_eq!(
        (sending.status(), sending.lamport()),
        (OutboxStatus::Sending, at(4))
    );
    let refused = sending
        .with_status(OutboxStatus::Finalized, false, at(5), 40)
        .unwrap_err();
    assert_eq!(refused.code(), "INVALID_OUTBOX_TRANSITION");
    let failed = entry(&sample(OutboxStatus::FailedPermanent));
    assert!(
        failed
            .with_status(OutboxStatus::Finalizing, false, at(4), 30)
            .is_err()
    );
    let revived = failed
        .with_status(OutboxStatus::Finalizing, true, at(4), 30)
        .unwrap();
    assert_eq!(revived.to_visible_json()["overrideApplied"], json!(true));
    assert_eq!(
        revived.clone().merge(failed).unwrap().status(),
        OutboxStatus::Finalizing
    );
}

#[test]
fn a_move_back_counts_on_every_device_until_the_transfer_is_over() {
    use OutboxStatus::{Delivered, Expired, FailedTransient, Finalized, Finalizing, Sending};
    let at = |lamport| LamportTime::new(lamport).unwrap();
    let joined = |a: &OutboxEntry, b: &OutboxEntry| a.clone().merge(b.clone()).unwrap();
    let moved = |entry: &OutboxEntry, to| entry.with_status(to, false, at(9), 40).unwrap();
    for (from, to) in [
        (Sending, FailedTransient),
        (Delivered, Sending),
        (Finalizing, FailedTransient),
        (Finalized, Expired),
    ] {
        let before = entry(&sample(from));
        let after = moved(&before, to);
        assert_eq!(joined(&before, &after).status(), to, "{from:?}");
        assert_eq!(joined(&after, &before).status(), to, "{from:?}");
    }
    let failed = moved(&entry(&sample(Sending)), FailedTransient);
    let again = moved(&failed, Sending);
    assert_eq!(joined(&failed, &again).status(), Sending);
    // Another device, which knew nothing of the failure, finished the transfer.
    let finished = entry(&sample(Finalized));
    assert_eq!(joined(&again, &finished).status(), Finalized);
}

#[test]
fn a_changed_field_counts_although_another_value_would_win() {
    let at = |lamport| LamportTime::new(lamport).unwrap();
    let mut all = sample(OutboxStatus::Sending);
    all["memo"] = "a".into();
    all["error"] = "a".into();
    all["submitRetryCount"] = 3.into();
    let before = entry(&all);
    let after = before
        .updated(false, at(9), 40, |all| {
            all["memo"] = "z".into();
            all["submitRetryCount"] = 1.into();
            all.remove("error");
        })
        .unwrap();
    let shown = before.clone().merge(after).unwrap().to_visible_json();
    assert_eq!(
        (&shown["memo"], &shown["submitRetryCount"]),
        (&json!("z"), &json!(3))
    );
    assert_eq!(shown.get("error"), None);
    let refused = before.updated(false, at(9), 40, |all| all["id"] = "o2".into());
    assert!(matches!(refused, Err(OutboxUpdateError::IdChanged { .. })));
    let refused = before.updated(false, at(9), 40, |all| all["status"] = "finalized".into());
    assert!(matches!(refused, Err(OutboxUpdateError::Transition(_))));
    let refused = before.updated(false, at(9), 40, |all| all["status"] = "done".into());
    assert!(matches!(refused, Err(OutboxUpdateError::Row(_))));
}

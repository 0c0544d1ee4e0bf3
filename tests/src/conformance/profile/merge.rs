use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uxf_engine::profile::envelope::{LAMPORT_MAX, LamportTime};
use uxf_engine::profile::merge::{
    BlobOutcome, Generation, LogEntry, LogOp, ManifestEntry, ManifestStatus, Merge, OpState,
    OpStateList, Slot, SlotAction, SpentSet, TextSet, canonical_text, compare_cids, promoted_from,
    text_order, winner,
};

use super::{Scope, cases, same_json, text};

pub(super) fn orbitdb_lww(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let writers = case.get("writers").and_then(Value::as_array);
        let entries = case
            .get("entries")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let mut by_key = BTreeMap::<&str, Vec<_>>::new();
        for entry in entries {
            let writer = entry
                .get("writer")
                .and_then(Value::as_u64)
                .and_then(|index| usize::try_from(index).ok());
            let writer = writer
                .zip(writers)
                .and_then(|(index, writers)| writers.get(index));
            let value = canonical_text(entry.get("value").unwrap_or(&Value::Null));
            by_key
                .entry(text(entry, "key"))
                .or_default()
                .push(LogEntry {
                    time: entry
                        .get("time")
                        .and_then(Value::as_u64)
                        .unwrap_or_default(),
                    writer: writer
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    id: text(entry, "id").to_owned(),
                    op: if text(entry, "op") == "DEL" {
                        LogOp::Del
                    } else {
                        LogOp::Put(value)
                    },
                });
        }
        let mut map = Map::new();
        for (key, entries) in &by_key {
            let forward = winner(entries);
            scope.equal(
                &format!("{name}, {key} the other way round"),
                true,
                winner(entries.iter().rev()) == forward,
            );
            let found = match forward {
                Some(LogEntry {
                    op: LogOp::Put(value),
                    id,
                    ..
                }) => {
                    let value: Value = serde_json::from_str(value).unwrap_or_default();
                    json!({ "value": value, "winner": id })
                }
                Some(LogEntry {
                    op: LogOp::Del, id, ..
                }) => json!({ "deleted": true, "winner": id }),
                None => Value::Null,
            };
            map.insert((*key).to_owned(), found);
        }
        same_json(
            scope,
            &name,
            case.get("final").unwrap_or(&Value::Null),
            &Value::Object(map),
        );
    }
}

pub(super) fn snapshot_slot_merge(scope: &mut Scope<'_>, file: &Value) {
    scope.field(file, "max_lamport", LAMPORT_MAX);
    for (name, case) in cases(scope, file, "cases") {
        let slot = |side: &str| {
            let slot = case.get(side).unwrap_or(&Value::Null);
            let lamport = slot
                .get("lamport")
                .and_then(Value::as_u64)
                .and_then(LamportTime::new);
            let lamport = lamport.unwrap_or_default();
            match text(slot, "kind") {
                "live" => Slot::Live {
                    lamport,
                    content: (),
                },
                "tombstone" => Slot::Tombstone {
                    lamport,
                    content: (),
                },
                _ => Slot::Absent,
            }
        };
        let (local, remote) = (slot("local"), slot("remote"));
        let found = match local.action(&remote) {
            SlotAction::RemoteAbsent => json!({ "kind": "noop", "reason": "remote-absent" }),
            SlotAction::LocalWins => json!({ "kind": "noop", "reason": "local-wins-lamport" }),
            SlotAction::WriteLive => json!({ "kind": "write-remote", "remoteKind": "live" }),
            SlotAction::WriteTombstone => {
                json!({ "kind": "write-remote", "remoteKind": "tombstone" })
            }
        };
        same_json(
            scope,
            &name,
            case.get("action").unwrap_or(&Value::Null),
            &found,
        );
        let both = local.clone().merge(remote.clone());
        scope.equal(
            &format!("{name}, either way"),
            true,
            both == remote.merge(local),
        );
    }
    for (_, case) in cases(scope, file, "lamport_validation") {
        let number = case
            .get("value")
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN);
        scope.field(case, "accepted", LamportTime::from_number(number).is_ok());
    }
}

/// The reference's lists keep the order of arrival and the duplicates of the local side; ours are sets. So lists are
/// compared as sets, and the counters as they are.
pub(super) fn single_blob_union(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let part = |field: &str| case.get(field).unwrap_or(&Value::Null);
        let result = part("result");
        let (outcome, found, expected) = if text(case, "kind") == "tombstones" {
            let mut set = SpentSet::from_json(part("local")).unwrap_or_default();
            let outcome = set.join_remote(part("remote"));
            let expected = if result.is_null() {
                part("local")
            } else {
                result
            };
            (
                outcome,
                set.format(),
                SpentSet::from_json(expected).map(|set| set.format()),
            )
        } else {
            let mut set = TextSet::from_json(part("local")).unwrap_or_default();
            let outcome = set.join_remote(part("remote"));
            let expected = if result.is_null() {
                part("local")
            } else {
                result
            };
            (
                outcome,
                set.format(),
                TextSet::from_json(expected).map(|set| set.format()),
            )
        };
        if let Some(expected) = scope.value(&name, expected) {
            scope.equal(&name, expected, found);
        }
        let counters = json!({
            "entriesEvaluated": 1,
            "liveLanded": u8::from(outcome == BlobOutcome::Landed),
            "tombstonesLanded": 0,
            "localWon": u8::from(outcome == BlobOutcome::LocalWon),
            "remoteRejectedMalformed": u8::from(outcome == BlobOutcome::RejectedMalformed),
        });
        same_json(
            scope,
            &format!("{name}, counters"),
            part("counters"),
            &counters,
        );
    }
}

pub(super) fn opstate_union(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let read = |field: &str, generation| {
            let lists = case
                .get(field)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            OpState::read(&lists, generation)
        };
        let states = read("current", Generation::Current)
            .and_then(|current| Ok((current, read("previous", Generation::Baseline)?)));
        let Some((current, previous)) = scope.value(&name, states) else {
            continue;
        };
        let merged = current.clone().merge(previous.clone());
        scope.equal(
            &format!("{name}, either way"),
            true,
            merged == previous.merge(current),
        );
        for list in OpStateList::ALL {
            let found: Value = merged.list(list).into_iter().cloned().collect();
            let expected = case
                .get("merged")
                .and_then(|merged| merged.get(list.as_str()));
            let name = format!("{name}, {}", list.as_str());
            same_json(scope, &name, expected.unwrap_or(&Value::Null), &found);
        }
        scope.field(case, "dropped_outbox_ids", merged.dropped_outbox_ids());
    }
}

pub(super) fn manifest_merge(scope: &mut Scope<'_>, file: &Value) {
    for (name, strength) in file
        .get("status_strength")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let found = ManifestStatus::parse(name).map(ManifestStatus::strength);
        same_json(
            scope,
            name,
            strength,
            &found.map_or(Value::Null, Value::from),
        );
    }
    for (_, case) in cases(scope, file, "cid_order") {
        let (a, b) = (text(case, "a"), text(case, "b"));
        scope.field(case, "compare_binary", compare_cids(a, b) as i8);
        scope.field(case, "compare_text", text_order(a, b) as i8);
    }
    for (name, case) in cases(scope, file, "cases") {
        let sides: Result<Vec<_>, _> = ["a", "b"]
            .into_iter()
            .filter_map(|field| case.get(field).filter(|side| !side.is_null()))
            .map(|side| ManifestEntry::parse(&side.to_string()))
            .collect();
        let Some(sides) = scope.value(&name, sides) else {
            continue;
        };
        // A side that is absent leaves the other as it is.
        let Some(merged) = sides.iter().cloned().reduce(Merge::merge) else {
            scope.fail(name, "at least one side", "none");
            continue;
        };
        let turned = sides.into_iter().rev().reduce(Merge::merge);
        scope.equal(
            &format!("{name}, either way"),
            true,
            turned.as_ref() == Some(&merged),
        );
        let again = ManifestEntry::parse(&merged.format());
        scope.equal(
            &format!("{name}, read back"),
            true,
            again.as_ref() == Ok(&merged),
        );
        let mut expected = case.get("merged").unwrap_or(&Value::Null);
        if case.get("commutes").and_then(Value::as_bool) == Some(false) {
            // One bundle id and two roots: the reference takes the first side, ours the smaller root.
            let swapped = case.get("merged_swapped").unwrap_or(&Value::Null);
            if text(swapped, "rootHash") < text(expected, "rootHash") {
                expected = swapped;
            }
        }
        same_json(scope, &name, expected, &merged.to_visible_json());
    }
}

pub(super) fn audit_promoted_from(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let list = |field: &str| {
            let list = case.get(field).and_then(Value::as_array);
            list.map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>())
        };
        let (a, b) = (list("a"), list("b"));
        let join = |a: &Option<Vec<&str>>, b: &Option<Vec<&str>>| {
            promoted_from(a.as_deref(), b.as_deref()).map_or(Value::Null, Value::from)
        };
        let expected = case.get("merged").unwrap_or(&Value::Null);
        same_json(scope, &name, expected, &join(&a, &b));
        same_json(
            scope,
            &format!("{name}, either way"),
            expected,
            &join(&b, &a),
        );
    }
}

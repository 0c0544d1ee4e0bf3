use serde_json::Value;

use super::json::{canonical_text, parse_object, whole_number};
use super::{Ledger, ManifestEntry, Merge, OutboxRow, Record, Slot, SpentSet, TextSet};
use crate::profile::envelope::LamportTime;

/// The rule by which two values of a key become one. Every replicated class of keys has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Merger {
    /// The value that comes later in the order of the log counts. The default.
    LastWriter,
    /// The row with the greater number counts ([`Slot`]).
    Slot,
    /// Outbox entries ([`OutboxRow`]).
    Outbox,
    /// Spent states ([`SpentSet`]).
    SpentSet,
    /// Sets of texts ([`TextSet`]).
    TextSet,
    /// Objects whose entries are written once ([`Ledger`]).
    Ledger,
    /// Audit records ([`Record::parse_audit`]).
    Audit,
    /// References to bundles ([`Record::parse_bundle_ref`]).
    BundleRef,
    /// Lines of the manifest ([`ManifestEntry`]).
    Manifest,
}

/// What two values came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The order of the log decides: the rule is last writer wins, or neither value is one that the rule can read.
    ByOrder,
    /// This value, a function of the two and of nothing else.
    Value(String),
}

impl Merger {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::LastWriter,
        Self::Slot,
        Self::Outbox,
        Self::SpentSet,
        Self::TextSet,
        Self::Ledger,
        Self::Audit,
        Self::BundleRef,
        Self::Manifest,
    ];

    /// Whether the rule can read a value of a key. One that it cannot loses against every value that it can.
    pub fn reads(self, key: &str, value: &str) -> bool {
        matches!(self, Self::LastWriter)
            || matches!(self.merge(key, value, value), Merged::Value(_))
    }

    /// Merges two values of a key. Of a value that the rule can read and one that it cannot, the first counts.
    ///
    /// ```
    /// use uxf_engine::profile::merge::{Merged, Merger};
    ///
    /// let merged = Merger::TextSet.merge("DIRECT_0d5508_b1bbbf.invalidatedNametags", r#"["b"]"#, r#"["a"]"#);
    /// assert_eq!(merged, Merged::Value(r#"["a","b"]"#.to_owned()));
    /// ```
    pub fn merge(self, key: &str, a: &str, b: &str) -> Merged {
        match self {
            Self::LastWriter => Merged::ByOrder,
            Self::Slot => join(a, b, read_slot, write_slot),
            Self::Outbox => merge_outbox(key, a, b),
            Self::SpentSet => join(a, b, |text| SpentSet::parse(text).ok(), SpentSet::format),
            Self::TextSet => join(a, b, |text| TextSet::parse(text).ok(), TextSet::format),
            Self::Ledger => join(a, b, |text| Ledger::parse(text).ok(), Ledger::format),
            Self::Audit => merge_records(a, b, |text| Record::parse_audit(text).ok()),
            Self::BundleRef => merge_records(a, b, |text| Record::parse_bundle_ref(text).ok()),
            Self::Manifest => join(
                a,
                b,
                |text| ManifestEntry::parse(text).ok(),
                ManifestEntry::format,
            ),
        }
    }
}

impl Merger {
    /// What values of a key come to, given in the order of the log; `None` of none.
    ///
    /// Each of them is bounded, what they come to is not: sets of many devices may be longer together than a row that
    /// is read, so they are not joined through their text.
    pub(crate) fn merge_all(self, key: &str, values: &[&str]) -> Option<String> {
        let (last, earlier) = values.split_last()?;
        let joined = match self {
            Self::SpentSet => join_all(values, |text| SpentSet::parse(text).ok(), SpentSet::format),
            Self::TextSet => join_all(values, |text| TextSet::parse(text).ok(), TextSet::format),
            Self::Ledger => join_all(values, |text| Ledger::parse(text).ok(), Ledger::format),
            Self::LastWriter => None,
            _ => {
                let all = earlier
                    .iter()
                    .chain([last])
                    .map(|value| (*value).to_owned());
                return all.reduce(|have, value| match self.merge(key, &have, &value) {
                    Merged::Value(value) => value,
                    Merged::ByOrder => value,
                });
            }
        };
        Some(joined.unwrap_or_else(|| (*last).to_owned()))
    }
}

/// The join of those that can be read; `None` if none can.
fn join_all<T: Merge>(
    values: &[&str],
    read: impl Fn(&str) -> Option<T>,
    write: impl FnOnce(&T) -> String,
) -> Option<String> {
    let mut readable = values
        .iter()
        .filter_map(|text| read(text).map(|value| (*text, value)));
    let (first, mut joined) = readable.next()?;
    let mut is_one = true;
    for (text, value) in readable {
        is_one &= text == first;
        joined = joined.merge(value);
    }
    // A value that meets itself stays as it was written.
    Some(if is_one {
        first.to_owned()
    } else {
        write(&joined)
    })
}

fn join<T: Merge>(
    a: &str,
    b: &str,
    read: impl Fn(&str) -> Option<T>,
    write: impl FnOnce(&T) -> String,
) -> Merged {
    match (read(a), read(b)) {
        // A value that meets itself stays as it was written.
        (Some(_), Some(_)) if a == b => Merged::Value(a.to_owned()),
        (Some(left), Some(right)) => Merged::Value(write(&left.merge(right))),
        (Some(_), None) => Merged::Value(a.to_owned()),
        (None, Some(_)) => Merged::Value(b.to_owned()),
        (None, None) => Merged::ByOrder,
    }
}

fn merge_outbox(key: &str, a: &str, b: &str) -> Merged {
    let id = key.rsplit_once(".outbox.").map(|(_, id)| id);
    // An entry under another id than its own is a moved one and no version of this row.
    let read = |text: &str| {
        OutboxRow::parse(text)
            .ok()
            .filter(|row| row.id().is_none() || row.id() == id)
    };
    match (read(a), read(b)) {
        (Some(_), Some(_)) if a == b => Merged::Value(a.to_owned()),
        (Some(left), Some(right)) => match left.merge(right) {
            Ok(row) => Merged::Value(row.format()),
            Err(_) => Merged::ByOrder,
        },
        (Some(_), None) => Merged::Value(a.to_owned()),
        (None, Some(_)) => Merged::Value(b.to_owned()),
        (None, None) => Merged::ByOrder,
    }
}

/// Records that can be deleted for good: a deletion beats every record.
fn merge_records(a: &str, b: &str, read: impl Fn(&str) -> Option<Record>) -> Merged {
    join(
        a,
        b,
        |text| match read_slot(text)? {
            Slot::Tombstone { lamport, content } => {
                Some(Deletable::Deleted(Slot::Tombstone { lamport, content }))
            }
            _ => read(text).map(Deletable::Record),
        },
        |merged| match merged {
            Deletable::Record(record) => record.format(),
            Deletable::Deleted(slot) => write_slot(slot),
        },
    )
}

enum Deletable {
    Record(Record),
    Deleted(Slot<String>),
}

impl Merge for Deletable {
    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Record(a), Self::Record(b)) => Self::Record(a.merge(b)),
            (Self::Deleted(a), Self::Deleted(b)) => Self::Deleted(a.merge(b)),
            (Self::Deleted(slot), Self::Record(_)) | (Self::Record(_), Self::Deleted(slot)) => {
                Self::Deleted(slot)
            }
        }
    }
}

/// A JSON object as a numbered row; without a number it has zero.
fn read_slot(text: &str) -> Option<Slot<String>> {
    let all = parse_object(text).ok()?;
    let lamport = all.get("lamport").map_or(Some(0), whole_number)?;
    let lamport = LamportTime::new(lamport)?;
    let is_deleted = all.get("tombstoned").and_then(Value::as_bool) == Some(true);
    let content = canonical_text(&Value::Object(all));
    Some(if is_deleted {
        Slot::Tombstone { lamport, content }
    } else {
        Slot::Live { lamport, content }
    })
}

fn write_slot(slot: &Slot<String>) -> String {
    match slot {
        Slot::Absent => String::new(),
        Slot::Live { content, .. } | Slot::Tombstone { content, .. } => content.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::keys::{COLLECTIONS, Class, KEY_TABLE};
    use proptest::prelude::*;

    const KEY: &str = "DIRECT_0d5508_b1bbbf.outbox.o1";

    fn outbox(status: &str, lamport: u64) -> String {
        serde_json::json!({
            "_schemaVersion": "uxf-1", "id": "o1", "bundleCid": "c", "tokenIds": ["t"],
            "deliveryMethod": "car-over-nostr", "recipient": "r", "recipientTransportPubkey": "k",
            "mode": "instant", "status": status, "createdAt": 1, "updatedAt": 2, "lamport": lamport,
            "submitRetryCount": 0, "proofErrorCount": 0, "overrideApplied": lamport % 2 == 1, "memo": status,
        })
        .to_string()
    }

    /// Values that some rule reads, and some that none does.
    fn values() -> Vec<String> {
        let mut all = vec![
            "no json".to_owned(),
            "[]".to_owned(),
            r#"["b","a"]"#.to_owned(),
            r#"["a","c"]"#.to_owned(),
            r#"[{"tokenId":"t","stateHash":"s","timestamp":5}]"#.to_owned(),
            r#"[{"tokenId":"t","stateHash":"s","timestamp":4},{"tokenId":"u","stateHash":"s","timestamp":9}]"#.to_owned(),
            r#"{"tombstoned":true,"deletedAt":5,"lamport":3}"#.to_owned(),
            r#"{"tombstoned":true,"deletedAt":9}"#.to_owned(),
            r#"{"lamport":3,"status":"active","auditStatus":"x","reason":"r","recordedAt":1}"#.to_owned(),
            r#"{"lamport":2,"status":"superseded","auditStatus":"audit-promoted","reason":"q","recordedAt":2}"#.to_owned(),
            r#"{"rootHash":"a","status":"valid","audit_promoted_from":["x"]}"#.to_owned(),
            r#"{"rootHash":"b","status":"invalid","splitParent":"p","bundleCid":"c"}"#.to_owned(),
            r#"{"status":"superseded", "auditStatus":"x","reason":"s","recordedAt":1}"#.to_owned(),
        ];
        for status in [
            "finalizing",
            "failed-permanent",
            "sending",
            "failed-conflict",
        ] {
            all.extend([1, 4].map(|lamport| outbox(status, lamport)));
        }
        all
    }

    proptest! {
        #[test]
        fn every_merger_obeys_the_laws_on_text(merger in 0_usize..9, picks in proptest::array::uniform3(0_usize..21)) {
            let merger = Merger::ALL[merger];
            let values = values();
            let [a, b, c] = picks.map(|pick| values[pick].clone());
            // Where the log's order decides, any total order will do.
            let join = |a: &str, b: &str| match merger.merge(KEY, a, b) {
                Merged::Value(value) => value,
                Merged::ByOrder => a.max(b).to_owned(),
            };
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            prop_assert_eq!(join(&a, &a), a);
        }
    }

    proptest! {
        #[test]
        fn values_joined_at_once_come_to_what_they_come_to_one_by_one(
            merger in 0_usize..9, picks in proptest::collection::vec(0_usize..21, 0..6),
        ) {
            let merger = Merger::ALL[merger];
            let values = values();
            let picked: Vec<&str> = picks.iter().map(|pick| values[*pick].as_str()).collect();
            let one_by_one = picked.iter().map(|value| (*value).to_owned()).reduce(|have, value| {
                match merger.merge(KEY, &have, &value) {
                    Merged::Value(value) => value,
                    Merged::ByOrder => value,
                }
            });
            prop_assert_eq!(merger.merge_all(KEY, &picked), one_by_one);
        }
    }

    #[test]
    fn every_merger_but_the_default_serves_some_class_of_keys() {
        let classes = KEY_TABLE
            .iter()
            .map(|rule| rule.class)
            .chain(COLLECTIONS.iter().map(|family| family.class));
        let used: Vec<_> = classes.collect();
        for merger in Merger::ALL {
            assert!(used.contains(&Class::Synced(merger)), "{merger:?}");
        }
    }

    #[test]
    fn an_outbox_entry_under_another_id_does_not_count() {
        let (mine, moved) = (
            outbox("sending", 1),
            outbox("finalized", 1).replace("\"o1\"", "\"o2\""),
        );
        assert_eq!(
            Merger::Outbox.merge(KEY, &mine, &moved),
            Merged::Value(mine.clone())
        );
        assert_eq!(
            Merger::Outbox.merge(KEY, &moved, &mine),
            Merged::Value(mine)
        );
        assert_eq!(Merger::Outbox.merge(KEY, &moved, &moved), Merged::ByOrder);
    }

    #[test]
    fn a_deleted_record_stays_deleted() {
        let gone = r#"{"deletedAt":5,"lamport":0,"tombstoned":true}"#;
        let record = r#"{"status":"active"}"#;
        assert_eq!(
            Merger::BundleRef.merge(KEY, gone, record),
            Merged::Value(gone.to_owned())
        );
        assert_eq!(
            Merger::BundleRef.merge(KEY, record, gone),
            Merged::Value(gone.to_owned())
        );
    }
}

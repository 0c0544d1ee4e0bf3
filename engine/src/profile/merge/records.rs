use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::json::{Ranked, RowError, canonical_text, parse_object};
use super::{Merge, merge_optional};

/// Most bundle ids an audit record keeps: the smallest 32.
const OBSERVED_MAX: usize = 32;

/// How one field of a record joins. Each is a join, so a record is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The smaller value.
    Smaller,
    /// The value further along in the list; a value that is not in it comes before all that are.
    Later(&'static [&'static str]),
    /// The value from the record with the smaller value in the named field, then the smaller one.
    With(&'static str),
    /// The union of two lists, sorted, and only so many of the smallest.
    Union(usize),
    /// True if ever true.
    Sticky,
}

/// A record of which two devices may know different things, joined field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    kind: Kind,
    fields: BTreeMap<String, Field>,
}

/// A field that must be there, and what it must be.
type Requirement = (&'static str, fn(&Value) -> bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audit,
    BundleRef,
}

/// A field, and what it goes with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    value: Ranked,
    leader: Option<Ranked>,
}

impl Kind {
    fn rule(self, field: &str) -> Rule {
        match (self, field) {
            // A promotion is never taken back, and what was first said of a token stays said.
            (Self::Audit, "auditStatus") => Rule::Later(&["audit-promoted"]),
            (Self::Audit, "reason") => Rule::With("recordedAt"),
            (Self::Audit, "bundleCidsObserved") => Rule::Union(OBSERVED_MAX),
            (Self::Audit, "promotionPending") => Rule::Sticky,
            (Self::BundleRef, "status") => Rule::Later(&["unverified", "active", "superseded"]),
            (Self::Audit | Self::BundleRef, _) => Rule::Smaller,
        }
    }
}

impl Record {
    /// Reads an audit record: once promoted always promoted, the first reason and time, the smallest 32 bundle ids.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn parse_audit(text: &str) -> Result<Self, RowError> {
        Self::parse(text, Kind::Audit)
    }

    /// Reads a bundle reference: superseded wins over active and active over unverified, the earlier deadline counts.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn parse_bundle_ref(text: &str) -> Result<Self, RowError> {
        Self::parse(text, Kind::BundleRef)
    }

    /// A bundle reference of these fields, whatever they are.
    pub(crate) fn bundle_ref(fields: &Map<String, Value>) -> Self {
        Self::of(fields, Kind::BundleRef)
    }

    /// An audit record of these fields, whatever they are.
    pub(crate) fn audit(fields: &Map<String, Value>) -> Self {
        Self::of(fields, Kind::Audit)
    }

    fn parse(text: &str, kind: Kind) -> Result<Self, RowError> {
        let all = parse_object(text)?;
        // What a rule leans on must be there, or a record read back would not be the one that was written.
        let required: &[Requirement] = match kind {
            Kind::Audit => &[
                ("auditStatus", Value::is_string),
                ("reason", Value::is_string),
                ("recordedAt", Value::is_number),
            ],
            Kind::BundleRef => &[("status", Value::is_string)],
        };
        if let Some((field, _)) = required
            .iter()
            .find(|(field, is)| !all.get(*field).is_some_and(is))
        {
            return Err(RowError::Field { field });
        }
        Ok(Self::of(&all, kind))
    }

    fn of(all: &Map<String, Value>, kind: Kind) -> Self {
        let fields = all.iter().map(|(name, value)| {
            let leader = match kind.rule(name) {
                Rule::With(leader) => all.get(leader).map(|leader| Ranked::new(leader.clone())),
                _ => None,
            };
            (
                name.clone(),
                Field {
                    value: Ranked::new(normal(kind.rule(name), value)),
                    leader,
                },
            )
        });
        Self {
            kind,
            fields: fields.collect(),
        }
    }

    /// A field of the record.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).map(|field| field.value.value())
    }

    /// The record in canonical JSON. Equal records have equal text.
    pub fn format(&self) -> String {
        canonical_text(&Value::Object(self.to_fields()))
    }

    /// The fields of the record.
    pub(crate) fn to_fields(&self) -> Map<String, Value> {
        let fields = self.fields.iter();
        fields
            .map(|(name, field)| (name.clone(), field.value.value().clone()))
            .collect()
    }
}

impl Merge for Record {
    fn merge(self, other: Self) -> Self {
        let mut fields = self.fields;
        for (name, theirs) in other.fields {
            let mine = fields.remove(&name);
            let rule = self.kind.rule(&name);
            if let Some(field) = merge_optional(mine, Some(theirs), |a, b| join(rule, a, b)) {
                fields.insert(name, field);
            }
        }
        Self {
            kind: self.kind,
            fields,
        }
    }
}

fn join(rule: Rule, a: Field, b: Field) -> Field {
    let is_first = match rule {
        Rule::Smaller => a.value <= b.value,
        Rule::With(_) => {
            let rank = |field: &Field| {
                (
                    field.leader.is_none(),
                    field.leader.clone(),
                    field.value.clone(),
                )
            };
            rank(&a) <= rank(&b)
        }
        Rule::Later(order) => {
            let rank = |field: &Field| {
                let name = field.value.value().as_str();
                order.iter().position(|known| Some(*known) == name)
            };
            match rank(&a).cmp(&rank(&b)) {
                core::cmp::Ordering::Equal => a.value <= b.value,
                unequal => unequal.is_gt(),
            }
        }
        Rule::Sticky => {
            a.value.value() == &Value::Bool(true)
                || b.value.value() != &Value::Bool(true) && a.value <= b.value
        }
        Rule::Union(_) => {
            return match (a.value.value(), b.value.value()) {
                (Value::Array(x), Value::Array(y)) => {
                    let both = x.iter().chain(y).cloned().collect();
                    Field {
                        value: Ranked::new(normal(rule, &both)),
                        leader: None,
                    }
                }
                (Value::Array(_), _) => a,
                (_, Value::Array(_)) => b,
                _ => {
                    if a.value <= b.value {
                        a
                    } else {
                        b
                    }
                }
            };
        }
    };
    if is_first { a } else { b }
}

/// The form of a value in which joining it with itself changes nothing.
fn normal(rule: Rule, value: &Value) -> Value {
    match (rule, value) {
        (Rule::Union(most), Value::Array(items)) => {
            let mut ranked: Vec<_> = items.iter().map(|item| Ranked::new(item.clone())).collect();
            ranked.sort();
            ranked.dedup();
            ranked
                .iter()
                .take(most)
                .map(|item| item.value().clone())
                .collect()
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn audits() -> impl Strategy<Value = Record> {
        let status = prop_oneof![
            Just("audit-promoted"),
            Just("audit-not-our-state"),
            Just("other")
        ];
        let bundles = proptest::collection::vec(0_u8..60, 0..50);
        (status, "[rs]", 0_u64..3, bundles, any::<Option<bool>>()).prop_map(
            |(status, reason, at, bundles, pending)| {
                let bundles: Vec<_> = bundles
                    .iter()
                    .map(|bundle| format!("b{bundle:03}"))
                    .collect();
                let mut all = json!({
                    "auditStatus": status,
                    "reason": reason,
                    "recordedAt": at,
                    "bundleCidsObserved": bundles,
                });
                if let Some(pending) = pending {
                    all["promotionPending"] = pending.into();
                }
                Record::parse_audit(&all.to_string()).unwrap()
            },
        )
    }

    fn bundle_refs() -> impl Strategy<Value = Record> {
        let status = prop_oneof![
            Just("active"),
            Just("superseded"),
            Just("unverified"),
            Just("odd")
        ];
        (
            status,
            proptest::option::of(0_u64..3),
            proptest::option::of("[ab]"),
        )
            .prop_map(|(status, deadline, by)| {
                let mut all = json!({ "status": status });
                if let Some(deadline) = deadline {
                    all["removeFromProfileAfter"] = deadline.into();
                }
                if let Some(by) = by {
                    all["supersededBy"] = by.into();
                }
                Record::parse_bundle_ref(&all.to_string()).unwrap()
            })
    }

    proptest! {
        #[test]
        fn audit_records_obey_the_laws(a in audits(), b in audits(), c in audits()) {
            laws::hold(&a, &b, &c);
            prop_assert_eq!(Record::parse_audit(&a.format()), Ok(a));
        }

        #[test]
        fn bundle_references_obey_the_laws(a in bundle_refs(), b in bundle_refs(), c in bundle_refs()) {
            laws::hold(&a, &b, &c);
        }
    }

    #[test]
    fn a_superseded_mark_reaches_every_device() {
        let parse = |text: &str| Record::parse_bundle_ref(text).unwrap();
        let active = parse(r#"{"status":"active","createdAt":5}"#);
        let superseded = parse(r#"{"status":"superseded","createdAt":5,"supersededBy":"c"}"#);
        assert_eq!(active.clone().merge(superseded.clone()), superseded);
        assert_eq!(superseded.clone().merge(active), superseded);
    }

    #[test]
    fn the_first_reason_stays_and_a_promotion_is_not_taken_back() {
        let parse = |text: &str| Record::parse_audit(text).unwrap();
        let first = parse(r#"{"auditStatus":"audit-x","reason":"z-first","recordedAt":1}"#);
        let second =
            parse(r#"{"auditStatus":"audit-promoted","reason":"a-second","recordedAt":2}"#);
        let both = second.merge(first);
        assert_eq!(both.get("reason"), Some(&json!("z-first")));
        assert_eq!(both.get("auditStatus"), Some(&json!("audit-promoted")));
        assert_eq!(both.get("recordedAt"), Some(&json!(1)));
    }
}

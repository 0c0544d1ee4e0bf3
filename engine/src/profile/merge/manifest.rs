use core::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use serde_json::{Map, Value, json};

use super::json::{Ranked, RowError, canonical_text, parse_object, smaller_text, whole_number};
use super::sets::promoted_from;
use super::text::{JsText, text_order};
use super::{Merge, merge_optional};
use crate::profile::envelope::LamportTime;

/// The field in which we keep what does not show in the others.
const HIDDEN: &str = "_merge";
/// Fields that belong to one root.
const OF_ROOT: [&str; 5] = [
    "rootHash",
    "status",
    "bundleCid",
    "invalidReason",
    "senderTransportPubkey",
];

/// Fields of the line as a whole.
const OF_LINE: [&str; 8] = [
    "lamport",
    "lastProofRefreshAt",
    "overrideAppliedAt",
    "overrideApplied",
    "overrideAppliedBy",
    "splitParent",
    "conflictingHeads",
    "audit_promoted_from",
];

/// How good a token is known to be. The greater is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the reference's; section 7 of the notes explains them"
)]
pub enum ManifestStatus {
    Invalid,
    Conflicting,
    PendingConflicting,
    Pending,
    Valid,
}

impl ManifestStatus {
    const ALL: [Self; 5] = [
        Self::Invalid,
        Self::Conflicting,
        Self::PendingConflicting,
        Self::Pending,
        Self::Valid,
    ];

    /// The name in an entry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Conflicting => "conflicting",
            Self::PendingConflicting => "pending-conflicting",
            Self::Pending => "pending",
            Self::Valid => "valid",
        }
    }

    /// Reads the name in an entry.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// 0 for invalid to 4 for valid.
    pub const fn strength(self) -> u8 {
        self as u8
    }
}

/// The order of bundle ids that decides between roots: by their bytes, not by their text. Ids that are none come
/// after all that are, by their text.
pub fn compare_cids(a: &str, b: &str) -> Ordering {
    let bytes = |text: &str| text.parse::<Cid>().ok().map(|cid| cid.to_bytes());
    match (bytes(a), bytes(b)) {
        (Some(left), Some(right)) => left.cmp(&right).then_with(|| text_order(a, b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => text_order(a, b),
    }
}

/// What is known of one root of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    status: ManifestStatus,
    /// Bundle ids by text, because of two bundles with one root the reference shows the text-smaller, and the smallest
    /// by bytes, because that one decides between roots.
    shown_cid: Option<String>,
    deciding_cid: Option<String>,
    invalid_reason: Option<String>,
    sender: Option<String>,
}

impl Merge for Root {
    fn merge(self, other: Self) -> Self {
        let smaller_cid = |a: String, b: String| if compare_cids(&b, &a).is_lt() { b } else { a };
        Self {
            status: self.status.max(other.status),
            shown_cid: merge_optional(self.shown_cid, other.shown_cid, smaller_text),
            deciding_cid: merge_optional(self.deciding_cid, other.deciding_cid, smaller_cid),
            invalid_reason: merge_optional(self.invalid_reason, other.invalid_reason, smaller_text),
            sender: merge_optional(self.sender, other.sender, smaller_text),
        }
    }
}

/// A token's line in the manifest, as one version or as many joined.
///
/// The reference merges two lines into a third and forgets the root that lost, so its answer depends on grouping, and on
/// position when two roots come with one bundle id. Here every root that was ever seen keeps what is known of it; the
/// root with the smallest bundle id by bytes shows, then the one with the smaller hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    roots: BTreeMap<JsText, Root>,
    lamport: Option<LamportTime>,
    proof_refresh_at: Option<u64>,
    override_at: Option<u64>,
    overridden: bool,
    override_by: Option<String>,
    split_parent: Option<String>,
    heads: BTreeSet<JsText>,
    promoted_from: BTreeSet<JsText>,
    /// Fields that we know nothing of: the smaller value.
    others: BTreeMap<String, Ranked>,
}

impl Merge for ManifestEntry {
    fn merge(self, other: Self) -> Self {
        Self {
            roots: merge_maps(self.roots, other.roots, Root::merge),
            lamport: self.lamport.max(other.lamport),
            proof_refresh_at: self.proof_refresh_at.max(other.proof_refresh_at),
            override_at: self.override_at.max(other.override_at),
            overridden: self.overridden || other.overridden,
            override_by: merge_optional(self.override_by, other.override_by, smaller_text),
            split_parent: merge_optional(self.split_parent, other.split_parent, smaller_text),
            heads: self.heads.into_iter().chain(other.heads).collect(),
            promoted_from: self
                .promoted_from
                .into_iter()
                .chain(other.promoted_from)
                .collect(),
            others: merge_maps(self.others, other.others, Ord::min),
        }
    }
}

fn merge_maps<K: Ord, V>(
    mut a: BTreeMap<K, V>,
    b: BTreeMap<K, V>,
    merge: impl Fn(V, V) -> V,
) -> BTreeMap<K, V> {
    for (key, value) in b {
        let value = match a.remove(&key) {
            Some(mine) => merge(mine, value),
            None => value,
        };
        a.insert(key, value);
    }
    a
}

impl ManifestEntry {
    /// Reads the text of a line.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn parse(text: &str) -> Result<Self, RowError> {
        let mut all = parse_object(text)?;
        let hidden = all.remove(HIDDEN);
        let plain = Self::plain(&all)?;
        let whole = hidden.and_then(|hidden| plain.clone().unhide(&hidden));
        // A writer that knows nothing of the hidden part may have changed the fields beside it: they count then.
        Ok(whole
            .filter(|whole| whole.visible() == plain.visible())
            .unwrap_or(plain))
    }

    fn plain(all: &Map<String, Value>) -> Result<Self, RowError> {
        let number = |field: &'static str| {
            all.get(field)
                .map(|value| whole_number(value).ok_or(RowError::Field { field }))
                .transpose()
        };
        let lamport = number("lamport")?;
        let lamport =
            lamport.map(|time| LamportTime::new(time).ok_or(RowError::Field { field: "lamport" }));
        let (hash, root) = read_root(all)?;
        let others = all.iter().filter(|(name, _)| {
            !OF_ROOT.contains(&name.as_str()) && !OF_LINE.contains(&name.as_str())
        });
        Ok(Self {
            roots: BTreeMap::from([(hash.into(), root)]),
            lamport: lamport.transpose()?,
            proof_refresh_at: number("lastProofRefreshAt")?,
            override_at: number("overrideAppliedAt")?,
            overridden: match all.get("overrideApplied") {
                None => false,
                Some(flag) => flag.as_bool().ok_or(RowError::Field {
                    field: "overrideApplied",
                })?,
            },
            override_by: text(all, "overrideAppliedBy")?,
            split_parent: text(all, "splitParent")?,
            heads: read_texts(all, "conflictingHeads")?,
            promoted_from: read_texts(all, "audit_promoted_from")?,
            others: others
                .map(|(name, value)| (name.clone(), Ranked::new(value.clone())))
                .collect(),
        })
    }

    /// The roots, the one that shows first.
    fn ranked(&self) -> Vec<(&JsText, &Root)> {
        let mut roots: Vec<_> = self.roots.iter().collect();
        roots.sort_by(|(a_hash, a), (b_hash, b)| {
            let by_cid = match (&a.deciding_cid, &b.deciding_cid) {
                (Some(a), Some(b)) => compare_cids(a, b),
                (a, b) => Reverse(a.is_some()).cmp(&Reverse(b.is_some())),
            };
            by_cid.then_with(|| a_hash.cmp(b_hash))
        });
        roots
    }

    /// Hash of the root that shows.
    pub fn root_hash(&self) -> &str {
        self.ranked().first().map_or("", |(hash, _)| hash.as_str())
    }

    /// Status of the root that shows.
    pub fn status(&self) -> ManifestStatus {
        self.ranked()
            .first()
            .map_or(ManifestStatus::Invalid, |(_, root)| root.status)
    }

    /// The token that this one was split from, if it is known.
    pub fn split_parent(&self) -> Option<&str> {
        self.split_parent.as_deref()
    }

    /// The keys of the audit records that the token was promoted from, in order.
    pub fn promoted_from(&self) -> impl Iterator<Item = &str> {
        self.promoted_from.iter().map(JsText::as_str)
    }

    fn visible(&self) -> Map<String, Value> {
        let ranked = self.ranked();
        let mut all = Map::new();
        for (name, value) in &self.others {
            all.insert(name.clone(), value.value().clone());
        }
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                all.insert(name.to_owned(), value);
            }
        };
        set("rootHash", Some(self.root_hash().into()));
        set("status", Some(self.status().as_str().into()));
        let shown = ranked.first().and_then(|(_, root)| root.shown_cid.clone());
        set("bundleCid", shown.map(Value::from));
        let reason = ranked
            .iter()
            .find_map(|(_, root)| root.invalid_reason.clone());
        set("invalidReason", reason.map(Value::from));
        let sender = ranked.iter().find_map(|(_, root)| root.sender.clone());
        set("senderTransportPubkey", sender.map(Value::from));
        set("lamport", self.lamport.map(|time| time.get().into()));
        set("lastProofRefreshAt", self.proof_refresh_at.map(Value::from));
        set("overrideAppliedAt", self.override_at.map(Value::from));
        set("overrideApplied", self.overridden.then(|| true.into()));
        set(
            "overrideAppliedBy",
            self.override_by.clone().map(Value::from),
        );
        set("splitParent", self.split_parent.clone().map(Value::from));
        set("conflictingHeads", write_texts(&self.heads));
        set("audit_promoted_from", write_texts(&self.promoted_from));
        all
    }

    /// The line as the reference would show it.
    pub fn to_visible_json(&self) -> Value {
        Value::Object(self.visible())
    }

    /// The text of the line in canonical JSON, with `_merge` if more than one root or bundle is known. Equal lines have
    /// equal text.
    pub fn format(&self) -> String {
        let mut all = self.visible();
        let is_one_version = Self::plain(&all).is_ok_and(|plain| plain == *self);
        if !is_one_version {
            let roots = self.roots.iter().map(|(hash, root)| write_root(hash, root));
            all.insert(HIDDEN.to_owned(), roots.collect());
        }
        canonical_text(&Value::Object(all))
    }

    fn unhide(mut self, hidden: &Value) -> Option<Self> {
        let roots = hidden.as_array()?.iter().map(|root| {
            let root = root.as_object()?;
            let deciding_cid = text(root, "decidingCid").ok()?;
            let (hash, root) = read_root(root).ok()?;
            Some((
                JsText::from(hash),
                Root {
                    deciding_cid: deciding_cid.or(root.deciding_cid.clone()),
                    ..root
                },
            ))
        });
        self.roots = roots.collect::<Option<_>>()?;
        Some(self)
    }
}

fn read_root(all: &Map<String, Value>) -> Result<(String, Root), RowError> {
    let hash = text(all, "rootHash")?.ok_or(RowError::Field { field: "rootHash" })?;
    let status = text(all, "status")?
        .as_deref()
        .and_then(ManifestStatus::parse);
    let cid = text(all, "bundleCid")?;
    let root = Root {
        status: status.ok_or(RowError::Field { field: "status" })?,
        shown_cid: cid.clone(),
        deciding_cid: cid,
        invalid_reason: text(all, "invalidReason")?,
        sender: text(all, "senderTransportPubkey")?,
    };
    Ok((hash, root))
}

fn write_root(hash: &JsText, root: &Root) -> Value {
    let mut all = json!({ "rootHash": hash.as_str(), "status": root.status.as_str() });
    let deciding = root
        .deciding_cid
        .clone()
        .filter(|cid| root.shown_cid.as_ref() != Some(cid));
    let texts = [
        ("bundleCid", root.shown_cid.clone()),
        ("decidingCid", deciding),
        ("invalidReason", root.invalid_reason.clone()),
        ("senderTransportPubkey", root.sender.clone()),
    ];
    if let Some(all) = all.as_object_mut() {
        let present = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
        all.extend(present);
    }
    all
}

fn text(all: &Map<String, Value>, field: &'static str) -> Result<Option<String>, RowError> {
    match all.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(RowError::Field { field }),
    }
}

fn read_texts(all: &Map<String, Value>, field: &'static str) -> Result<BTreeSet<JsText>, RowError> {
    let Some(value) = all.get(field) else {
        return Ok(BTreeSet::new());
    };
    let items = value.as_array().ok_or(RowError::Field { field })?;
    let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    let items = items.ok_or(RowError::Field { field })?;
    Ok(promoted_from(Some(&items), None)
        .into_iter()
        .flatten()
        .map(JsText::from)
        .collect())
}

fn write_texts(texts: &BTreeSet<JsText>) -> Option<Value> {
    (!texts.is_empty()).then(|| texts.iter().map(JsText::as_str).collect())
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;

    const CIDS: [&str; 3] = [
        "bafyreicatbouzdia27mos7d66nzwtg6tsjk2zbeu4roj57bsm5yvol6zqq",
        "bafyreihzkzz7d4hgy76hmct2cikqklhuj4eg4iovynpl2svt2phippt35y",
        "not a content id",
    ];

    fn entries() -> impl Strategy<Value = ManifestEntry> {
        let root = ("[ab]", 0_usize..5, proptest::option::of(0_usize..3));
        let texts = (
            proptest::option::of("[rs]"),
            proptest::option::of("[pq]"),
            "[xy]?",
        );
        let numbers = (
            proptest::option::of(0_u64..3),
            proptest::option::of(0_u64..3),
            any::<bool>(),
        );
        (root, texts, numbers).prop_map(
            |((hash, status, cid), (reason, parent, head), (lamport, other, flag))| {
                let mut all =
                    json!({ "rootHash": hash, "status": ManifestStatus::ALL[status].as_str() });
                let mut set = |name: &str, value: Option<Value>| {
                    if let Some(value) = value {
                        all[name] = value;
                    }
                };
                set("bundleCid", cid.map(|cid| CIDS[cid].into()));
                set("invalidReason", reason.map(Value::from));
                set("splitParent", parent.map(Value::from));
                set("conflictingHeads", Some(json!([head])));
                set("lamport", lamport.map(Value::from));
                set("unknown", other.map(Value::from));
                set("overrideApplied", flag.then(|| true.into()));
                ManifestEntry::parse(&all.to_string()).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn manifest_entries_obey_the_laws(a in entries(), b in entries(), c in entries()) {
            laws::hold(&a, &b, &c);
            let all = a.merge(b).merge(c);
            prop_assert_eq!(ManifestEntry::parse(&all.format()), Ok(all));
        }
    }

    #[test]
    fn a_line_changed_by_a_writer_that_knows_no_hidden_part_counts_as_it_stands() {
        let line = |root: &str| {
            ManifestEntry::parse(&json!({ "rootHash": root, "status": "valid" }).to_string())
        };
        let both = line("a").unwrap().merge(line("b").unwrap());
        let mut stored: Value = serde_json::from_str(&both.format()).unwrap();
        assert!(stored.get(HIDDEN).is_some());
        stored["status"] = "invalid".into();
        let read = ManifestEntry::parse(&stored.to_string()).unwrap();
        assert_eq!(
            (read.root_hash(), read.status()),
            ("a", ManifestStatus::Invalid)
        );
        assert_eq!(read.roots.len(), 1);
    }
}

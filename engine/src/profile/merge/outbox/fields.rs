use core::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::status::OutboxStatus;
use crate::profile::envelope::LamportTime;
use crate::profile::merge::json::{RowError, canonical_text, whole_number};
use crate::profile::merge::text::{JsText, js_len, text_order};

/// Schema of an entry.
pub(super) const SCHEMA: &str = "uxf-1";
/// Most ids in one list, and the caps on the length of texts, in UTF-16 units (profile notes, section 3).
const IDS_MAX: usize = 4096;
const ID_LEN_MAX: usize = 256;
const RECIPIENT_LEN_MAX: usize = 1024;
const MEMO_LEN_MAX: usize = 8192;
const KEY_LEN_MAX: usize = 128;
const ERROR_LEN_MAX: usize = 4096;

const DELIVERY_METHODS: [&str; 3] = ["car-over-nostr", "cid-over-nostr", "txf-legacy"];
const MODES: [&str; 3] = ["conservative", "instant", "txf"];
/// Statuses of the entries before this schema.
const OLD_STATUSES: [&str; 5] = ["pending", "submitted", "confirmed", "delivered", "failed"];

/// Fields that follow the winning version and are optional. Anything unknown is treated like them.
pub(super) const FOLLOWING: [&str; 6] = [
    "sourceTokenIds",
    "recipientNametag",
    "memo",
    "retryDeadline",
    "pollingDeadline",
    "nostrEventId",
];
/// Fields that have a rule of their own.
pub(super) const OWN_RULE: [&str; 19] = [
    "_schemaVersion",
    "id",
    "bundleCid",
    "tokenIds",
    "deliveryMethod",
    "recipient",
    "recipientTransportPubkey",
    "mode",
    "status",
    "outstandingRequestIds",
    "completedRequestIds",
    "createdAt",
    "updatedAt",
    "lamport",
    "overrideApplied",
    "everFinalizing",
    "error",
    "submitRetryCount",
    "proofErrorCount",
];

/// What a row under an outbox key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxShape {
    /// An entry of this schema.
    Uxf1,
    /// An entry from before it: no schema, and one of five old statuses.
    Legacy,
    /// Neither. Left out silently on reading.
    Unknown,
}

impl OutboxShape {
    /// The name the reference uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uxf1 => "uxf-1",
            Self::Legacy => "legacy",
            Self::Unknown => "unknown",
        }
    }

    /// The shape of a value.
    pub fn of(value: &Value) -> Self {
        match value.as_object() {
            Some(fields) if check(fields).is_ok() => Self::Uxf1,
            Some(fields) if is_old(fields) => Self::Legacy,
            _ => Self::Unknown,
        }
    }
}

/// What an entry says about what is sent and to whom. Six fields that belong together: taken from one version or
/// from another, never mixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) bundle_cid: String,
    pub(super) token_ids: Vec<String>,
    pub(super) delivery_method: String,
    pub(super) recipient: String,
    pub(super) transport_key: String,
    pub(super) mode: String,
}

impl Ord for Shape {
    /// The reference's chain of comparisons, and last the order in which the token ids stand, which it forgets.
    fn cmp(&self, other: &Self) -> Ordering {
        text_order(&self.bundle_cid, &other.bundle_cid)
            .then_with(|| text_order(&self.recipient, &other.recipient))
            .then_with(|| {
                text_order(
                    &sorted_text(&self.token_ids),
                    &sorted_text(&other.token_ids),
                )
            })
            .then_with(|| text_order(&self.transport_key, &other.transport_key))
            .then_with(|| text_order(&self.delivery_method, &other.delivery_method))
            .then_with(|| text_order(&self.mode, &other.mode))
            .then_with(|| self.token_ids.cmp(&other.token_ids))
    }
}

impl PartialOrd for Shape {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn sorted_text(ids: &[String]) -> String {
    let mut sorted: Vec<&String> = ids.iter().collect();
    sorted.sort_by(|a, b| text_order(a, b));
    canonical_text(
        &sorted
            .into_iter()
            .map(|id| Value::from(id.as_str()))
            .collect(),
    )
}

impl Shape {
    pub(super) fn read(fields: &Map<String, Value>) -> Result<Self, RowError> {
        Ok(Self {
            bundle_cid: text(fields, "bundleCid", ID_LEN_MAX)?.to_owned(),
            token_ids: ids(fields, "tokenIds")?.ok_or(RowError::Field { field: "tokenIds" })?,
            delivery_method: one_of(fields, "deliveryMethod", &DELIVERY_METHODS)?,
            recipient: text(fields, "recipient", RECIPIENT_LEN_MAX)?.to_owned(),
            transport_key: text(fields, "recipientTransportPubkey", KEY_LEN_MAX)?.to_owned(),
            mode: one_of(fields, "mode", &MODES)?,
        })
    }

    pub(super) fn write(&self, fields: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("bundleCid", self.bundle_cid.as_str().into());
        set("tokenIds", self.token_ids.clone().into());
        set("deliveryMethod", self.delivery_method.as_str().into());
        set("recipient", self.recipient.as_str().into());
        set(
            "recipientTransportPubkey",
            self.transport_key.as_str().into(),
        );
        set("mode", self.mode.as_str().into());
    }
}

/// Checks everything that an entry's reader relies on.
pub(super) fn check(fields: &Map<String, Value>) -> Result<(), RowError> {
    if fields.get("_schemaVersion").and_then(Value::as_str) != Some(SCHEMA) {
        let old = is_old(fields);
        return Err(if old {
            RowError::OldShape
        } else {
            RowError::Field {
                field: "_schemaVersion",
            }
        });
    }
    if text(fields, "id", ID_LEN_MAX)?.is_empty() {
        return Err(RowError::Field { field: "id" });
    }
    Shape::read(fields)?;
    status(fields)?;
    for name in [
        "createdAt",
        "updatedAt",
        "submitRetryCount",
        "proofErrorCount",
    ] {
        number(fields, name)?;
    }
    lamport(fields)?;
    for name in ["retryDeadline", "pollingDeadline", "pollStartedAt"] {
        optional_number(fields, name)?;
    }
    for name in [
        "sourceTokenIds",
        "outstandingRequestIds",
        "completedRequestIds",
    ] {
        ids(fields, name)?;
    }
    flag(fields, "overrideApplied")?;
    flag(fields, "everFinalizing")?;
    optional_text(fields, "recipientNametag", ID_LEN_MAX)?;
    optional_text(fields, "memo", MEMO_LEN_MAX)?;
    optional_text(fields, "error", ERROR_LEN_MAX)?;
    if optional_text(fields, "nostrEventId", KEY_LEN_MAX)?.is_some_and(str::is_empty) {
        return Err(RowError::Field {
            field: "nostrEventId",
        });
    }
    Ok(())
}

fn is_old(fields: &Map<String, Value>) -> bool {
    let is_text = |name: &str| fields.get(name).is_some_and(Value::is_string);
    let status = fields.get("status").and_then(Value::as_str);
    !fields.contains_key("_schemaVersion")
        && status.is_some_and(|status| OLD_STATUSES.contains(&status))
        && ["id", "sourceTokenId", "recipientPubkey"]
            .into_iter()
            .all(is_text)
}

pub(super) fn text<'f>(
    fields: &'f Map<String, Value>,
    field: &'static str,
    len_max: usize,
) -> Result<&'f str, RowError> {
    optional_text(fields, field, len_max)?.ok_or(RowError::Field { field })
}

pub(super) fn id(fields: &Map<String, Value>) -> Result<&str, RowError> {
    text(fields, "id", ID_LEN_MAX)
}

pub(super) fn error(fields: &Map<String, Value>) -> Result<Option<&str>, RowError> {
    optional_text(fields, "error", ERROR_LEN_MAX)
}

fn optional_text<'f>(
    fields: &'f Map<String, Value>,
    field: &'static str,
    len_max: usize,
) -> Result<Option<&'f str>, RowError> {
    match fields.get(field) {
        None => Ok(None),
        Some(Value::String(text)) if js_len(text) <= len_max => Ok(Some(text)),
        Some(_) => Err(RowError::Field { field }),
    }
}

fn one_of(
    fields: &Map<String, Value>,
    field: &'static str,
    names: &[&str],
) -> Result<String, RowError> {
    let found = text(fields, field, ID_LEN_MAX)?;
    if names.contains(&found) {
        Ok(found.to_owned())
    } else {
        Err(RowError::Field { field })
    }
}

pub(super) fn status(fields: &Map<String, Value>) -> Result<OutboxStatus, RowError> {
    let name = text(fields, "status", ID_LEN_MAX)?;
    OutboxStatus::parse(name).ok_or(RowError::Field { field: "status" })
}

pub(super) fn number(fields: &Map<String, Value>, field: &'static str) -> Result<u64, RowError> {
    optional_number(fields, field)?.ok_or(RowError::Field { field })
}

pub(super) fn optional_number(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<u64>, RowError> {
    let number = fields
        .get(field)
        .map(|value| whole_number(value).ok_or(RowError::Field { field }));
    number.transpose()
}

pub(super) fn lamport(fields: &Map<String, Value>) -> Result<LamportTime, RowError> {
    let field = "lamport";
    LamportTime::new(number(fields, field)?).ok_or(RowError::Field { field })
}

pub(super) fn flag(fields: &Map<String, Value>, field: &'static str) -> Result<bool, RowError> {
    match fields.get(field) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or(RowError::Field { field }),
    }
}

pub(super) fn ids(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<Vec<String>>, RowError> {
    let refused = RowError::Field { field };
    let Some(value) = fields.get(field) else {
        return Ok(None);
    };
    let items = value
        .as_array()
        .filter(|items| items.len() <= IDS_MAX)
        .ok_or(refused.clone())?;
    let id = |item: &Value| {
        item.as_str()
            .filter(|id| js_len(id) <= ID_LEN_MAX)
            .map(str::to_owned)
    };
    items
        .iter()
        .map(id)
        .collect::<Option<_>>()
        .ok_or(refused)
        .map(Some)
}

pub(super) fn id_set(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<BTreeSet<JsText>, RowError> {
    Ok(ids(fields, field)?
        .unwrap_or_default()
        .into_iter()
        .map(JsText::from)
        .collect())
}

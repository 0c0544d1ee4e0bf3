use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::profile::envelope::{LamportClock, LamportError};
use crate::profile::keys::AddressId;
use crate::profile::merge::{
    JsText, OutboxShape, OutboxStatus, canonical_text, parse_object, whole_number,
};

/// Entries to one recipient within so many milliseconds were one transfer.
const WINDOW_MS: u64 = 60_000;

/// A row of the outbox: what follows `{addr}.outbox.`, and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxRowText<'r> {
    /// Id of the entry.
    pub id: &'r str,
    /// The row.
    pub text: &'r str,
}

/// How an outbox of the old shape is moved to the new one (profile notes, section 9.5).
///
/// To be written in this order, or at once: the backup, the entries, the mark, and then the old rows go. So a crash at any
/// step leaves either the old rows, from which the whole is made again, or the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMigration {
    /// Key and text of the old rows as they were.
    pub backup: (String, String),
    /// Keys and texts of the new entries.
    pub entries: Vec<(String, String)>,
    /// Key and text of the mark that it is done.
    pub mark: (String, String),
    /// Keys of the old rows.
    pub removed: Vec<String>,
    /// Rows that are not of the new shape.
    pub old_rows: usize,
    /// Of those, rows that cannot be read. They stay.
    pub malformed: usize,
    /// Rows of the new shape. They stay.
    pub kept: usize,
}

/// Whether the outbox of an address was moved before, by its rows' keys.
pub fn outbox_mark_key(address: &AddressId) -> String {
    format!("{address}.legacyOutbox.migrated")
}

/// The key of the backup.
pub fn outbox_backup_key(address: &AddressId) -> String {
    format!("{address}.legacyOutbox.backup")
}

/// An entry of the old shape, as far as the new one needs it.
struct OldEntry {
    token_id: String,
    recipient_key: String,
    nametag: Option<String>,
    status: OldStatus,
    created_at_ms: u64,
    retries: u64,
    error: Option<String>,
}

/// Old statuses, as they weigh when several entries become one: the greatest counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OldStatus {
    Failed,
    Open,
    Done,
}

impl OldEntry {
    fn parse(text: &str) -> Option<Self> {
        let all = parse_object(text).ok()?;
        let text = |field: &str| {
            let text = all.get(field)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        Some(Self {
            token_id: text("sourceTokenId")?,
            recipient_key: text("recipientPubkey")?,
            nametag: text("recipientNametag"),
            status: match all.get("status")?.as_str()? {
                "failed" => OldStatus::Failed,
                "pending" | "submitted" => OldStatus::Open,
                "delivered" | "confirmed" => OldStatus::Done,
                _ => return None,
            },
            created_at_ms: whole_number(all.get("createdAt")?)?,
            retries: all.get("retryCount").and_then(whole_number).unwrap_or(0),
            error: text("error"),
        })
    }
}

/// Plans the migration of an address's outbox. A caller that finds the mark under [`outbox_mark_key`] has nothing to do.
///
/// Old entries to one recipient whose times fall into one minute become one new entry, in the order of recipient and
/// minute. `next_id` draws the ids of the new entries; `clock` numbers them.
///
/// # Errors
/// [`LamportError::WornOut`] if the clock cannot number them.
pub fn plan_outbox_migration<'r>(
    address: &AddressId,
    rows: impl IntoIterator<Item = OutboxRowText<'r>>,
    now_ms: u64,
    clock: &mut LamportClock,
    mut next_id: impl FnMut() -> String,
) -> Result<OutboxMigration, LamportError> {
    let key = |id: &str| format!("{address}.outbox.{id}");
    let mut groups: BTreeMap<(JsText, u64), Vec<OldEntry>> = BTreeMap::new();
    let mut backup = Map::new();
    let (mut removed, mut malformed, mut kept) = (Vec::new(), 0, 0);
    for row in rows {
        let value = serde_json::from_str::<Value>(row.text).unwrap_or_default();
        if is_of_new_shape(&value) {
            kept += 1;
            continue;
        }
        let Some(entry) = OldEntry::parse(row.text) else {
            malformed += 1;
            continue;
        };
        backup.insert(key(row.id), row.text.into());
        removed.push(key(row.id));
        let group = (
            entry.recipient_key.as_str().into(),
            entry.created_at_ms / WINDOW_MS,
        );
        groups.entry(group).or_default().push(entry);
    }
    let mut entries = Vec::new();
    for group in groups.values() {
        let id = next_id();
        let lamport = clock.next(&[])?.get();
        let entry = new_entry(&id, group, now_ms, lamport);
        entries.push((key(&id), canonical_text(&entry)));
    }
    let mark = json!({ "v": 1, "migratedAt": now_ms, "entries": entries.len() });
    Ok(OutboxMigration {
        backup: (
            outbox_backup_key(address),
            canonical_text(&Value::Object(backup)),
        ),
        mark: (outbox_mark_key(address), canonical_text(&mark)),
        old_rows: removed.len() + malformed,
        entries,
        removed,
        malformed,
        kept,
    })
}

/// Entries of the new shape, and deletions, which have none.
fn is_of_new_shape(value: &Value) -> bool {
    let is_tombstone = value.get("tombstoned").and_then(Value::as_bool) == Some(true);
    is_tombstone || OutboxShape::of(value) == OutboxShape::Uxf1
}

fn new_entry(id: &str, group: &[OldEntry], now_ms: u64, lamport: u64) -> Value {
    let tokens: BTreeSet<JsText> = group
        .iter()
        .map(|entry| entry.token_id.as_str().into())
        .collect();
    let tokens: Vec<_> = tokens.iter().map(JsText::as_str).collect();
    let recipient_key = group
        .first()
        .map_or("", |entry| entry.recipient_key.as_str());
    let created_at = group
        .iter()
        .map(|entry| entry.created_at_ms)
        .min()
        .unwrap_or(now_ms);
    let bundle_cid = match tokens.as_slice() {
        [token] => format!("txf-{token}"),
        _ => format!("legacy-{recipient_key}-{created_at}"),
    };
    let status = match group.iter().map(|entry| entry.status).max() {
        Some(OldStatus::Done) => OutboxStatus::Finalized,
        Some(OldStatus::Open) => OutboxStatus::Sending,
        Some(OldStatus::Failed) | None => OutboxStatus::FailedPermanent,
    };
    let nametag = group.iter().find_map(|entry| entry.nametag.as_deref());
    let recipient =
        nametag.map_or_else(|| recipient_key.to_owned(), |nametag| format!("@{nametag}"));
    let mut all = json!({
        "_schemaVersion": "uxf-1",
        "id": id,
        "bundleCid": bundle_cid,
        "tokenIds": tokens,
        "deliveryMethod": "txf-legacy",
        "recipient": recipient,
        "recipientTransportPubkey": recipient_key,
        "mode": "txf",
        "status": status.as_str(),
        "submitRetryCount": group.iter().map(|entry| entry.retries).max().unwrap_or(0),
        "proofErrorCount": 0,
        "createdAt": created_at,
        "updatedAt": now_ms,
        "lamport": lamport,
    });
    let optional = [
        ("recipientNametag", nametag),
        (
            "error",
            group.iter().find_map(|entry| entry.error.as_deref()),
        ),
    ];
    if let Some(all) = all.as_object_mut() {
        let present = optional
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
        all.extend(present);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::merge::OutboxEntry;

    fn old(token: &str, key: &str, status: &str, at: u64) -> String {
        json!({
            "id": "old", "status": status, "sourceTokenId": token, "recipientPubkey": key,
            "salt": "s", "commitmentJson": "{}", "amount": "1", "createdAt": at, "updatedAt": at,
        })
        .to_string()
    }

    fn plan(rows: &[String]) -> OutboxMigration {
        let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
        let ids: Vec<_> = (0..rows.len()).map(|n| format!("L{n}")).collect();
        let rows = ids
            .iter()
            .zip(rows)
            .map(|(id, text)| OutboxRowText { id, text });
        let mut next = 0;
        let next_id = || {
            next += 1;
            format!("n{next}")
        };
        let mut clock = LamportClock::default();
        plan_outbox_migration(&address, rows, 1_700_000_000_000, &mut clock, next_id).unwrap()
    }

    #[test]
    fn every_token_of_the_old_rows_is_in_exactly_one_new_entry_that_reads() {
        let rows = [
            old("t1", "a", "pending", 59_999),
            old("t2", "a", "failed", 1),
            old("t3", "a", "failed", 60_000),
            old("t4", "b", "confirmed", 1),
        ];
        let plan = plan(&rows);
        let entries: Vec<_> = plan
            .entries
            .iter()
            .map(|(_, text)| OutboxEntry::parse(text).unwrap())
            .collect();
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry.to_visible_json()["tokenIds"].to_string(),
                    entry.to_visible_json()["status"].to_string(),
                )
            })
            .collect();
        let expected = [
            (r#"["t1","t2"]"#, r#""sending""#),
            (r#"["t3"]"#, r#""failed-permanent""#),
            (r#"["t4"]"#, r#""finalized""#),
        ];
        assert_eq!(
            shown,
            expected.map(|(tokens, status)| (tokens.to_owned(), status.to_owned()))
        );
        assert_eq!(plan.removed.len(), 4);
        let backup: Value = serde_json::from_str(&plan.backup.1).unwrap();
        assert_eq!(backup.as_object().unwrap().len(), 4);
    }

    #[test]
    fn what_cannot_be_read_stays_and_so_does_what_is_new() {
        let moved = plan(&[old("t", "a", "pending", 1)]).entries.remove(0).1;
        let deleted = json!({ "tombstoned": true, "deletedAt": 1, "lamport": 1 }).to_string();
        let odd = old("t", "a", "waiting", 1);
        let plan = plan(&[moved, deleted, odd, "{".to_owned()]);
        assert!(plan.removed.is_empty() && plan.entries.is_empty());
        assert_eq!((plan.kept, plan.malformed, plan.old_rows), (2, 2, 2));
    }
}

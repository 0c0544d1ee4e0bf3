use serde_json::{Map, Value};

use super::entry::{HIDDEN, OutboxEntry, OutboxMergeError};
use crate::profile::envelope::LamportTime;
use crate::profile::merge::json::{RowError, canonical_text, parse_object, whole_number};
use crate::profile::merge::merge_optional;

/// A deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutboxTombstone {
    /// Number of the deletion. Zero if it was written without one.
    pub lamport: LamportTime,
    /// When, milliseconds since 1970. Zero if it was written without a time.
    pub deleted_at_ms: u64,
}

/// What stands under an outbox key: an entry, a deletion, or both, of which the later one shows.
///
/// A deletion hides an entry whose number is not greater. The entry is kept behind it, and an entry keeps the deletions
/// that it outlived, because only then does it not matter in which order they arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    entry: Option<OutboxEntry>,
    tombstone: Option<OutboxTombstone>,
}

impl OutboxRow {
    /// A row with an entry.
    pub const fn live(entry: OutboxEntry) -> Self {
        Self {
            entry: Some(entry),
            tombstone: None,
        }
    }

    /// A row that was deleted.
    pub const fn deleted(tombstone: OutboxTombstone) -> Self {
        Self {
            entry: None,
            tombstone: Some(tombstone),
        }
    }

    /// Reads the text of a row.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn parse(text: &str) -> Result<Self, RowError> {
        let mut all = parse_object(text)?;
        if all.get("tombstoned").and_then(Value::as_bool) == Some(true) {
            let tombstone = read_tombstone(&all)?;
            let hidden = all
                .get(HIDDEN)
                .and_then(|hidden| hidden.get("entry"))
                .and_then(Value::as_object);
            let entry = hidden.and_then(|entry| OutboxEntry::from_fields(entry.clone()).ok());
            return Ok(Self {
                entry,
                tombstone: Some(tombstone),
            }
            .filter_shown(true));
        }
        let hidden = all.get_mut(HIDDEN).and_then(Value::as_object_mut);
        let outlived = hidden.and_then(|hidden| hidden.remove("outlived"));
        let tombstone = outlived
            .as_ref()
            .and_then(Value::as_object)
            .and_then(|all| read_tombstone(all).ok());
        let entry = OutboxEntry::from_fields(all)?;
        Ok(Self {
            entry: Some(entry),
            tombstone,
        }
        .filter_shown(false))
    }

    /// Drops what is kept behind the visible part if it contradicts it: another writer changed the row then.
    fn filter_shown(mut self, is_tombstone: bool) -> Self {
        if self.entry().is_none() != is_tombstone {
            if is_tombstone {
                self.entry = None;
            } else {
                self.tombstone = None;
            }
        }
        self
    }

    /// The entry, unless it is deleted.
    pub fn entry(&self) -> Option<&OutboxEntry> {
        let entry = self.entry.as_ref()?;
        let hidden = self
            .tombstone
            .is_some_and(|tombstone| tombstone.lamport >= entry.lamport());
        (!hidden).then_some(entry)
    }

    /// Id of the entry, shown or hidden; `None` for a deletion of an entry never seen.
    pub fn id(&self) -> Option<&str> {
        self.entry.as_ref().map(OutboxEntry::id)
    }

    /// Merges two versions of one row.
    ///
    /// # Errors
    /// [`OutboxMergeError::IdMismatch`].
    pub fn merge(self, other: Self) -> Result<Self, OutboxMergeError> {
        let entry = match (self.entry, other.entry) {
            (Some(a), Some(b)) => Some(a.merge(b)?),
            (a, b) => a.or(b),
        };
        Ok(Self {
            entry,
            tombstone: merge_optional(self.tombstone, other.tombstone, Ord::max),
        })
    }

    /// The text of the row. Equal rows have equal text.
    pub fn format(&self) -> String {
        let all = match (&self.entry, self.tombstone) {
            (Some(entry), None) => entry.to_fields(),
            (Some(entry), Some(tombstone)) if self.entry().is_some() => {
                let mut all = entry.to_fields();
                let hidden = all.entry(HIDDEN).or_insert_with(|| Map::new().into());
                if let Some(hidden) = hidden.as_object_mut() {
                    hidden.insert("outlived".to_owned(), tombstone_fields(tombstone).into());
                }
                all
            }
            (Some(entry), Some(tombstone)) => {
                let mut all = tombstone_fields(tombstone);
                let hidden = Map::from_iter([("entry".to_owned(), entry.to_fields().into())]);
                all.insert(HIDDEN.to_owned(), hidden.into());
                all
            }
            (None, tombstone) => tombstone_fields(tombstone.unwrap_or(OutboxTombstone {
                lamport: LamportTime::default(),
                deleted_at_ms: 0,
            })),
        };
        canonical_text(&Value::Object(all))
    }
}

fn read_tombstone(all: &Map<String, Value>) -> Result<OutboxTombstone, RowError> {
    let number = |field: &'static str| match all.get(field) {
        None => Ok(0),
        Some(value) => whole_number(value).ok_or(RowError::Field { field }),
    };
    Ok(OutboxTombstone {
        lamport: LamportTime::new(number("lamport")?)
            .ok_or(RowError::Field { field: "lamport" })?,
        deleted_at_ms: number("deletedAt")?,
    })
}

fn tombstone_fields(tombstone: OutboxTombstone) -> Map<String, Value> {
    Map::from_iter([
        ("tombstoned".to_owned(), true.into()),
        ("deletedAt".to_owned(), tombstone.deleted_at_ms.into()),
        ("lamport".to_owned(), tombstone.lamport.get().into()),
    ])
}

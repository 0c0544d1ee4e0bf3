use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::edit::Edit;
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;
use crate::profile::ProfileError;
use crate::profile::envelope::LamportTime;
use crate::profile::merge::{RowError, canonical_text, parse_object, whole_number};

/// Schema of the entries.
pub(super) const SCHEMA: &str = "uxf-1";
/// Characters of a row that is no entry which a report gives.
const REPORTED_CHARS: usize = 512;

/// What stands under the key of an entry.
pub(super) enum Row {
    Live(Map<String, Value>),
    Deleted(Deletion),
}

/// That an entry was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    /// When, in milliseconds since 1970, if that is known.
    pub(super) at_ms: Option<u64>,
    pub(super) lamport: LamportTime,
}

/// A row that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its key.
    pub key: String,
    /// What it begins with, up to 512 characters; `None` if it cannot be opened.
    pub start: Option<String>,
}

/// Entries of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries, in the order of their ids.
    pub entries: Vec<T>,
    /// Rows that are none. They hide no entry.
    pub unreadable: Vec<UnreadableRow>,
}

impl Row {
    pub(super) fn parse(text: &str) -> Result<Self, RowError> {
        let all = parse_object(text)?;
        let lamport = all.get("lamport").map_or(Some(0), whole_number);
        let lamport = lamport.and_then(LamportTime::new);
        let lamport = lamport.ok_or(RowError::Field { field: "lamport" })?;
        if all.get("tombstoned").and_then(Value::as_bool) != Some(true) {
            return Ok(Self::Live(all));
        }
        Ok(Self::Deleted(Deletion {
            at_ms: all.get("deletedAt").and_then(whole_number),
            lamport,
        }))
    }

    /// The number of the write that shows; zero for a row that has none, or none that can be read.
    pub(super) fn lamport_of(text: &str) -> LamportTime {
        match Self::parse(text) {
            Ok(Self::Deleted(deletion)) => deletion.lamport,
            Ok(Self::Live(all)) => {
                let lamport = all.get("lamport").and_then(whole_number);
                lamport.and_then(LamportTime::new).unwrap_or_default()
            }
            Err(_) => LamportTime::default(),
        }
    }
}

/// The row of a deleted entry.
pub(super) fn deleted(now_ms: u64, lamport: Option<LamportTime>) -> String {
    let mut all = json!({ "tombstoned": true, "deletedAt": now_ms });
    if let (Some(lamport), Some(all)) = (lamport, all.as_object_mut()) {
        all.insert("lamport".to_owned(), lamport.get().into());
    }
    canonical_text(&all)
}

pub(super) fn not_an_entry(key: &str, source: RowError) -> Error {
    let key = key.to_owned();
    CollectionError::Row { key, source }.into()
}

/// An entry as a row.
pub(super) fn write<T: Serialize>(key: &str, entry: &T) -> Result<String, Error> {
    let value = serde_json::to_value(entry).map_err(|source| ProfileError::Type {
        key: key.to_owned(),
        source,
    })?;
    Ok(canonical_text(&value))
}

/// A row as an entry.
pub(super) fn read<T: DeserializeOwned>(all: Map<String, Value>) -> Result<T, RowError> {
    let entry = serde_json::from_value(Value::Object(all));
    entry.map_err(|_| RowError::Field { field: "entry" })
}

impl Collections {
    /// An entry; `None` if there is none or it was deleted.
    pub(super) fn get_entry<T: DeserializeOwned>(
        &self,
        kind: CollectionKind,
        id: &str,
    ) -> Result<Option<T>, Error> {
        let key = kind.key(self.wallet.address(), id)?;
        let Some(text) = self.text(&key)? else {
            return Ok(None);
        };
        match Row::parse(&text) {
            Ok(Row::Live(all)) => read(all).map(Some),
            Ok(Row::Deleted(_)) => Ok(None),
            Err(error) => Err(error),
        }
        .map_err(|error| not_an_entry(&key, error))
    }

    fn text(&self, key: &str) -> Result<Option<String>, Error> {
        let value = self.wallet.profile().get(key)?;
        Ok(value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()))
    }

    /// All entries. One that cannot be read hides no other.
    pub(super) fn list_entries<T>(
        &self,
        kind: CollectionKind,
        read: impl Fn(&str, &str) -> Result<Option<T>, RowError>,
    ) -> Result<Listed<T>, Error> {
        self.list_prefix(&kind.prefix(self.wallet.address()), usize::MAX, read)
    }

    pub(super) fn list_prefix<T>(
        &self,
        prefix: &str,
        most: usize,
        read: impl Fn(&str, &str) -> Result<Option<T>, RowError>,
    ) -> Result<Listed<T>, Error> {
        let snapshot = self.wallet.engine().snapshot()?;
        let view = snapshot.profile(self.wallet.profile());
        let mut listed = Listed {
            entries: Vec::new(),
            unreadable: Vec::new(),
        };
        for row in view.prefix(prefix)? {
            if listed.entries.len() >= most {
                break;
            }
            let (key, value) = match row {
                Ok(row) => row,
                Err(Error::Profile(ProfileError::Open { key, .. })) => {
                    listed.unreadable.push(UnreadableRow { key, start: None });
                    continue;
                }
                Err(error) => return Err(error),
            };
            let text = String::from_utf8_lossy(value.as_bytes());
            match read(key.strip_prefix(prefix).unwrap_or_default(), &text) {
                Ok(Some(entry)) => listed.entries.push(entry),
                Ok(None) => {}
                Err(_) => listed.unreadable.push(UnreadableRow {
                    start: Some(text.chars().take(REPORTED_CHARS).collect()),
                    key,
                }),
            }
        }
        Ok(listed)
    }

    /// Reads the rows of a collection whose entries are of one type and name themselves.
    pub(super) fn list_typed<T: DeserializeOwned>(
        &self,
        kind: CollectionKind,
    ) -> Result<Listed<T>, Error> {
        self.list_entries(kind, |_, text| match Row::parse(text)? {
            Row::Live(all) => read(all).map(Some),
            Row::Deleted(_) => Ok(None),
        })
    }

    /// Writes an entry that has no number, unless there is one: the same again is no error and changes nothing.
    pub(super) fn put_entry<T: Serialize + DeserializeOwned + PartialEq + Clone>(
        &self,
        kind: CollectionKind,
        id: &str,
        entry: &T,
    ) -> Result<(), Error> {
        let key = kind.key(self.wallet.address(), id)?;
        self.edit(|edit| match edit.row(&key)? {
            None => {
                let text = write(&key, entry)?;
                edit.put(&key, &text)
            }
            Some(Row::Deleted(_)) => {
                let (collection, id) = (kind, id.to_owned());
                Err(CollectionError::Tombstoned { collection, id }.into())
            }
            Some(Row::Live(all)) => match read::<T>(all) {
                Ok(found) if found == *entry => Ok(()),
                _ => {
                    let (collection, id) = (kind, id.to_owned());
                    Err(CollectionError::Exists { collection, id }.into())
                }
            },
        })
    }

    /// Changes an entry that has no number.
    pub(super) fn update_entry<T: Serialize + DeserializeOwned + Clone>(
        &self,
        kind: CollectionKind,
        id: &str,
        mut change: impl FnMut(&mut T) -> Result<(), Error>,
    ) -> Result<T, Error> {
        let key = kind.key(self.wallet.address(), id)?;
        self.edit(|edit| {
            let mut entry: T = edit.live(kind, id, &key)?;
            change(&mut entry)?;
            let text = write(&key, &entry)?;
            edit.put(&key, &text)?;
            Ok(entry)
        })
    }

    /// Deletes an entry that has no number. Whether there was one.
    pub(super) fn delete_entry(&self, kind: CollectionKind, id: &str) -> Result<bool, Error> {
        let key = kind.key(self.wallet.address(), id)?;
        self.delete_key(&key)
    }

    pub(super) fn delete_key(&self, key: &str) -> Result<bool, Error> {
        self.edit(|edit| match edit.text(key)? {
            None => Ok(false),
            Some(text) if matches!(Row::parse(&text), Ok(Row::Deleted(_))) => Ok(false),
            // Also one that is no entry: it is deleted as well.
            Some(_) => {
                let text = deleted(self.now_ms(), None);
                edit.put(key, &text)?;
                Ok(true)
            }
        })
    }
}

impl Edit<'_> {
    /// What stands under a key.
    pub(super) fn row(&mut self, key: &str) -> Result<Option<Row>, Error> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let row = Row::parse(&text).map_err(|error| not_an_entry(key, error))?;
        Ok(Some(row))
    }

    /// An entry that must be there.
    pub(super) fn live<T: DeserializeOwned>(
        &mut self,
        kind: CollectionKind,
        id: &str,
        key: &str,
    ) -> Result<T, Error> {
        let (collection, id) = (kind, id.to_owned());
        match self.row(key)? {
            Some(Row::Live(all)) => read(all).map_err(|error| not_an_entry(key, error)),
            Some(Row::Deleted(_)) => Err(CollectionError::Tombstoned { collection, id }.into()),
            None => Err(CollectionError::NotFound { collection, id }.into()),
        }
    }
}

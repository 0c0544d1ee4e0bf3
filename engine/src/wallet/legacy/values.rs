use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::files::FileRole;
use super::spent_list::{plan_spent, put_spent, spent_list};
use super::{LegacyError, LegacyWallet};
use crate::error::Error;
use crate::profile::keys::{AddressId, Class, classify, to_profile_key};
use crate::profile::merge::{Merged, Merger, canonical_text, whole_number};
use crate::profile::{Profile, ProfileError};
use crate::wallet::outbox_mark_key;
use crate::wallet::spent::list_key;

/// Behind the address in the key of a history, of which the records of both sides are kept.
const HISTORY: &str = ".transactionHistory";
/// What must be the same on both sides if both have it.
const IDENTITY: [&str; 2] = ["identity.mnemonic", "identity.masterKey"];

/// What became of the values of a legacy wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValuesMoved {
    /// The profile did not have them.
    pub moved: u64,
    /// The profile has them.
    pub same: u64,
    /// They were joined with what the profile has.
    pub joined: u64,
    /// The profile has another value, which stays. The legacy one is left behind.
    pub kept: u64,
    /// State of a transport that is gone, which nobody needs.
    pub excluded: u64,
    /// They cannot be taken: they are no text, or too long, or their class cannot read them. They are left behind.
    pub refused: u64,
}

impl ValuesMoved {
    /// Whether nothing is left behind.
    pub const fn is_complete(&self) -> bool {
        self.kept == 0 && self.refused == 0
    }
}

/// A value on its way in.
pub(super) struct Incoming {
    pub(super) key: String,
    pub(super) text: zeroize::Zeroizing<String>,
}

impl LegacyWallet {
    /// Checks that the legacy wallet is the profile's, as far as both say whose they are.
    ///
    /// # Errors
    /// [`LegacyError::OtherIdentity`]; those of reading.
    pub fn check_identity(&self, profile: &Profile) -> Result<(), LegacyError> {
        for incoming in self.incoming() {
            let Some(key) = IDENTITY.iter().find(|key| **key == incoming.key) else {
                continue;
            };
            if let Some(own) = profile.get(key)?
                && own != *incoming.text.as_bytes()
            {
                return Err(LegacyError::OtherIdentity { key });
            }
        }
        Ok(())
    }

    /// The values that have a place in a profile.
    pub(super) fn incoming(&self) -> Vec<Incoming> {
        let values = self.values.iter().filter_map(|(name, text)| {
            let translated = to_profile_key(name, None);
            (!translated.excluded).then(|| Incoming {
                key: translated.profile_key,
                text: text.clone(),
            })
        });
        values.collect()
    }

    pub(super) fn move_values(&self, profile: &Profile) -> Result<ValuesMoved, LegacyError> {
        let incoming = self.incoming();
        let mut report = ValuesMoved {
            excluded: (self.values.len() - incoming.len()) as u64,
            refused: self.odd_values,
            ..ValuesMoved::default()
        };
        for value in incoming {
            report.count(&put(profile, &value)?);
        }
        Ok(report)
    }

    /// Moves the lists beside the tokens of an address.
    pub(super) fn move_lists(
        &self,
        profile: &Profile,
        address: &AddressId,
        report: &mut ValuesMoved,
    ) -> Result<(), LegacyError> {
        for file in self.addresses.get(address).into_iter().flatten() {
            let is_list = !matches!(
                file.role(),
                FileRole::Token { .. } | FileRole::Meta | FileRole::Unknown
            );
            if !is_list {
                continue;
            }
            let Ok(text) = String::from_utf8(file.read()?) else {
                report.refused += 1;
                continue;
            };
            let Some(incoming) = list_value(address, file.role(), text) else {
                report.refused += 1;
                continue;
            };
            report.count(&put(profile, &incoming)?);
        }
        Ok(())
    }
}

/// The value that a list becomes; `None` if it is none.
pub(super) fn list_value(
    address: &AddressId,
    role: FileRole<'_>,
    text: String,
) -> Option<Incoming> {
    let (key, text) = match role {
        FileRole::Tombstones => (list_key(address), text),
        FileRole::History => (format!("{address}{HISTORY}"), text),
        FileRole::List(name) => {
            let name = name.strip_prefix('_').unwrap_or(name);
            (format!("{address}.legacy.{name}"), text)
        }
        FileRole::Token { .. } | FileRole::Meta | FileRole::Unknown => return None,
    };
    let text = text.into();
    Some(Incoming { key, text })
}

/// A history and what it lacks of a legacy one, the newest first; `None` if one of them is none. A legacy one is a list,
/// or records under the keys by which they are kept once.
fn join_history(own: Option<&[u8]>, legacy: &str) -> Option<String> {
    let records = |value: Value| match value {
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::Object(record) => Some(record),
                _ => None,
            })
            .collect::<Option<Vec<_>>>(),
        Value::Object(all) => all
            .into_iter()
            .map(|(key, record)| match record {
                Value::Object(mut record) => {
                    record.insert("dedupKey".to_owned(), key.into());
                    Some(record)
                }
                _ => None,
            })
            .collect(),
        _ => None,
    };
    let mut all = match own {
        Some(own) => records(serde_json::from_slice(own).ok()?)?,
        None => Vec::new(),
    };
    let name = |record: &Map<String, Value>| match record.get("dedupKey") {
        Some(Value::String(key)) => key.clone(),
        _ => canonical_text(&Value::Object(record.clone())),
    };
    let mut known: BTreeSet<_> = all.iter().map(name).collect();
    let before = all.len();
    for record in records(serde_json::from_str(legacy).ok()?)? {
        if known.insert(name(&record)) {
            all.push(record);
        }
    }
    if let (Some(own), true) = (own, all.len() == before) {
        return String::from_utf8(own.to_vec()).ok();
    }
    let time = |record: &Map<String, Value>| record.get("timestamp").and_then(whole_number);
    all.sort_by_key(|record| core::cmp::Reverse(time(record)));
    let all: Value = all.into_iter().map(Value::Object).collect();
    Some(all.to_string())
}

/// What became of a value.
pub(super) enum Fate {
    Moved,
    Same,
    Joined,
    Kept,
    Refused,
}

impl ValuesMoved {
    const fn count(&mut self, fate: &Fate) {
        let count = match fate {
            Fate::Moved => &mut self.moved,
            Fate::Same => &mut self.same,
            Fate::Joined => &mut self.joined,
            Fate::Kept => &mut self.kept,
            Fate::Refused => &mut self.refused,
        };
        *count += 1;
    }
}

/// What would become of a value, or became of it before.
pub(super) fn fate(profile: &Profile, value: &Incoming) -> Result<Fate, LegacyError> {
    match spent_list(value) {
        Some((address, spent)) => Ok(plan_spent(profile, &address, spent)?.0),
        None => Ok(plan(profile, value)?.0),
    }
}

/// What becomes of a value, and the text to be written for it where that is another one.
fn plan(profile: &Profile, value: &Incoming) -> Result<(Fate, Option<String>), LegacyError> {
    let Incoming { key, text } = value;
    let class = classify(key);
    if let Class::Synced(merger) = class
        && !merger.reads(key, text)
    {
        return Ok((Fate::Refused, None));
    }
    let own = match profile.get(key) {
        Ok(own) => own,
        Err(Error::Profile(ProfileError::Open { .. })) => return Ok((Fate::Kept, None)),
        Err(error) => return Err(error.into()),
    };
    if key.ends_with(HISTORY) {
        let own = own.as_ref().map(AsRef::as_ref);
        return Ok(match (join_history(own, text), own) {
            (None, _) => (Fate::Refused, None),
            (Some(joined), Some(own)) if joined.as_bytes() == own => (Fate::Same, None),
            (Some(joined), Some(_)) => (Fate::Joined, Some(joined)),
            (Some(joined), None) => (Fate::Moved, Some(joined)),
        });
    }
    let Some(own) = own else {
        // An outbox that was moved on is not taken for one that is still to be moved.
        let address = key.strip_suffix(".outbox").map(AddressId::parse);
        if let Some(Ok(address)) = address
            && profile.get(&outbox_mark_key(&address))?.is_some()
        {
            return Ok((Fate::Same, None));
        }
        return Ok((Fate::Moved, None));
    };
    if own == *text.as_bytes() {
        return Ok((Fate::Same, None));
    }
    let fate = match class {
        Class::Synced(Merger::LastWriter)
        | Class::DeviceLocal
        | Class::CacheOnly
        | Class::Identity => Fate::Kept,
        Class::Synced(merger) => {
            let own = String::from_utf8_lossy(own.as_bytes());
            match merger.merge(key, &own, text) {
                Merged::Value(joined) if joined == *own => Fate::Same,
                _ => Fate::Joined,
            }
        }
    };
    Ok((fate, None))
}

fn put(profile: &Profile, value: &Incoming) -> Result<Fate, LegacyError> {
    if let Some((address, spent)) = spent_list(value) {
        return put_spent(profile, &address, spent);
    }
    let (fate, text) = plan(profile, value)?;
    if !matches!(fate, Fate::Moved | Fate::Joined) {
        return Ok(fate);
    }
    let text = text.as_deref().unwrap_or(&value.text);
    match profile.put(&value.key, text.as_bytes()) {
        Ok(()) => Ok(fate),
        Err(
            Error::Profile(
                ProfileError::KeyLength { .. }
                | ProfileError::ValueLength { .. }
                | ProfileError::Unmergeable { .. }
                | ProfileError::Seal(_),
            )
            | Error::LimitExceeded { .. },
        ) => Ok(Fate::Refused),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_are_joined_by_record_whatever_form_they_have() {
        let own = br#"[{"dedupKey":"a","timestamp":1},{"timestamp":9}]"#;
        let listed = r#"[{"timestamp":9},{"dedupKey":"b","timestamp":5}]"#;
        let joined = join_history(Some(own), listed).unwrap();
        assert_eq!(
            joined,
            r#"[{"timestamp":9},{"dedupKey":"b","timestamp":5},{"dedupKey":"a","timestamp":1}]"#
        );
        let keyed = r#"{"b":{"timestamp":7},"a":{}}"#;
        let again = join_history(Some(joined.as_bytes()), keyed).unwrap();
        assert_eq!(again, joined, "what is known stays as it is");
        for wrong in ["5", "[5]", r#"{"a":5}"#, "["] {
            assert_eq!(join_history(None, wrong), None, "{wrong}");
        }
        assert_eq!(join_history(Some(b"damaged"), "[]"), None);
    }
}

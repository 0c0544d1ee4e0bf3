//! Where the profile says which states of an address's tokens were spent.
//!
//! Each state has a key of its own, so that noting or looking for one costs the same however many there are, and there
//! is no number of them that is too many. The name is made of digests: ids have any length and any characters, and
//! names of keys are not sealed. The value says which states are meant, so states whose digests are the same share a
//! value and nothing else. Nothing takes an entry away.
//!
//! The reference has one list of all, which can be no longer than a value. One that is there counts beside the
//! entries; nothing is added to it.

use super::STATE_HASH_BYTES_MAX;
use crate::error::Error;
use crate::inventory::TOKEN_ID_BYTES_MAX;
use crate::profile::keys::AddressId;
use crate::profile::merge::SpentSet;
use crate::profile::{ProfileError, ProfileView, Value, ValueVersion};

/// Hex digits of a digest in the key of an entry.
const DIGITS: usize = 16;

/// Key of the reference's list.
pub(crate) fn list_key(address: &AddressId) -> String {
    format!("{address}.tombstones")
}

/// What the keys of entries begin with.
pub(crate) fn entry_prefix(address: &AddressId) -> String {
    format!("{address}.tombstones.")
}

/// Key of the entry of a state.
pub(crate) fn entry_key(address: &AddressId, token_id: &str, state_hash: &str) -> String {
    let (token, state) = (digest(token_id), digest(state_hash));
    format!("{address}.tombstones.{token}.{state}")
}

/// The value of an entry with one state.
pub(crate) fn entry_text(token_id: &str, state_hash: &str, time: u64) -> String {
    let mut spent = SpentSet::default();
    spent.add(token_id, state_hash, time);
    spent.format()
}

/// Whether a state has a name by which it can be noted. A token with a longer one is not taken.
pub(crate) fn can_be_noted(token_id: &str, state_hash: &str) -> bool {
    (1..=TOKEN_ID_BYTES_MAX).contains(&token_id.len())
        && (1..=STATE_HASH_BYTES_MAX).contains(&state_hash.len())
}

fn digest(text: &str) -> String {
    let mut digits = blake3::hash(text.as_bytes()).to_hex().to_string();
    digits.truncate(DIGITS);
    digits
}

/// What is known of one state.
pub(crate) struct Noted {
    /// The earliest time it is known to be spent since; `None` if it is not.
    pub(crate) since: Option<u64>,
    /// Its key, and what tells it from every other state of that key.
    pub(crate) key: String,
    pub(crate) version: Option<ValueVersion>,
}

/// What the entries say of a state.
pub(crate) fn look_up(
    view: &ProfileView<'_>,
    address: &AddressId,
    token_id: &str,
    state_hash: &str,
) -> Result<Noted, Error> {
    let key = entry_key(address, token_id, state_hash);
    let version = view.version(&key)?;
    let since = match version {
        None => None,
        Some(_) => read(view, &key)?.time_of(token_id, state_hash),
    };
    Ok(Noted {
        since,
        key,
        version,
    })
}

/// The states under a key. What cannot be read is an error: taken for nothing it would bring tokens back.
pub(crate) fn read(view: &ProfileView<'_>, key: &str) -> Result<SpentSet, Error> {
    match view.get(key)? {
        None => Ok(SpentSet::default()),
        Some(value) => parse(key, &value),
    }
}

/// Gives every state of an address to a function: those of the list, then those of the entries.
pub(crate) fn read_all(
    view: &ProfileView<'_>,
    address: &AddressId,
    mut give: impl FnMut(&str, &str, u64),
) -> Result<(), Error> {
    let listed = read(view, &list_key(address))?;
    let mut give_set = |spent: &SpentSet| {
        for (token_id, state_hash, time) in spent.iter() {
            give(token_id, state_hash, time);
        }
    };
    give_set(&listed);
    for entry in view.prefix(&entry_prefix(address))? {
        let (key, value) = entry?;
        give_set(&parse(&key, &value)?);
    }
    Ok(())
}

fn parse(key: &str, value: &Value) -> Result<SpentSet, Error> {
    // What devices wrote was bounded. What it comes to may be longer than a row that is read.
    let list = serde_json::from_slice(value.as_bytes()).ok();
    let spent = list.and_then(|list: serde_json::Value| SpentSet::from_json(&list).ok());
    let key = || key.to_owned();
    spent.ok_or_else(|| ProfileError::Unmergeable { key: key() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::keys::{Class, classify};
    use crate::profile::merge::Merger;

    #[test]
    fn the_key_of_an_entry_is_short_and_of_the_class_of_the_list_whatever_the_ids_are() {
        let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
        let long = "x".repeat(1 << 16);
        for (token_id, state_hash) in [("ab", "cd"), ("a.b", ""), (&long, &long)] {
            let key = entry_key(&address, token_id, state_hash);
            assert_eq!(key.len(), entry_prefix(&address).len() + 2 * DIGITS + 1);
            assert_eq!(classify(&key), Class::Synced(Merger::SpentSet));
        }
        let key = |token_id, state_hash| entry_key(&address, token_id, state_hash);
        assert_ne!(key("ab", "cd"), key("a", "bcd"));
        assert_ne!(key("ab", "cd"), key("cd", "ab"));
        assert!(Merger::SpentSet.reads(&key("ab", "cd"), &entry_text("ab", "cd", 5)));
        assert_eq!(
            key("ab", "cd"),
            "DIRECT_0d5508_b1bbbf.tombstones.2dc99999a6aaef3f.e8cf3ad3c77be082"
        );
    }

    #[test]
    fn a_state_without_a_name_or_with_one_that_no_token_has_is_not_noted() {
        let longest = "x".repeat(STATE_HASH_BYTES_MAX);
        assert!(can_be_noted("t", &longest));
        for (token_id, state_hash) in [("", "s"), ("t", ""), ("t", &format!("{longest}x"))] {
            assert!(!can_be_noted(token_id, state_hash));
        }
    }
}

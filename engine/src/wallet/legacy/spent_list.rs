//! The list of spent states that a legacy wallet has.

use serde_json::Value;

use super::LegacyError;
use super::values::{Fate, Incoming};
use crate::profile::Profile;
use crate::profile::keys::AddressId;
use crate::profile::merge::SpentSet;
use crate::wallet::spent::{can_be_noted, entry_key, entry_text, list_key, look_up, read};

/// Spent states that are noted in one commit.
const NOTED_AT_ONCE: usize = 1_024;

/// The list of spent states of an address, if the value is one; inside it, `None` if it cannot be read. It may be
/// longer than any value: its states go into entries of their own.
pub(super) fn spent_list(value: &Incoming) -> Option<(AddressId, Option<SpentSet>)> {
    let (address, _) = value.key.split_once('.')?;
    let address = AddressId::parse(address).ok()?;
    let is_list = value.key == list_key(&address);
    is_list.then(|| {
        let list = serde_json::from_str(&value.text).ok();
        let spent = list.and_then(|list: Value| SpentSet::from_json(&list).ok());
        (address, spent)
    })
}

/// What becomes of a list of spent states, and those of it that say more than the profile does.
pub(super) fn plan_spent(
    profile: &Profile,
    address: &AddressId,
    spent: Option<SpentSet>,
) -> Result<(Fate, SpentSet), LegacyError> {
    let mut new = SpentSet::default();
    let Some(spent) = spent else {
        return Ok((Fate::Refused, new));
    };
    let snapshot = profile.engine().snapshot()?;
    let view = snapshot.profile(profile);
    let listed = read(&view, &list_key(address))?;
    let (mut is_any_known, mut is_any_odd) = (false, false);
    for (token_id, state_hash, time) in spent.iter() {
        if !can_be_noted(token_id, state_hash) {
            is_any_odd = true;
            continue;
        }
        let entry = look_up(&view, address, token_id, state_hash)?.since;
        let since = [entry, listed.time_of(token_id, state_hash)];
        let since = since.into_iter().flatten().min();
        is_any_known |= since.is_some();
        if since.is_none_or(|since| time < since) {
            new.add(token_id, state_hash, time);
        }
    }
    let fate = match (new.is_empty(), is_any_known) {
        // The others are noted all the same.
        _ if is_any_odd => Fate::Refused,
        (true, _) => Fate::Same,
        (false, true) => Fate::Joined,
        (false, false) => Fate::Moved,
    };
    Ok((fate, new))
}

/// Notes spent states. They decide what counts: without them nothing may be moved in.
pub(super) fn put_spent(
    profile: &Profile,
    address: &AddressId,
    spent: Option<SpentSet>,
) -> Result<Fate, LegacyError> {
    let (fate, new) = plan_spent(profile, address, spent)?;
    let all: Vec<_> = new.iter().collect();
    for states in all.chunks(NOTED_AT_ONCE) {
        let mut batch = profile.engine().begin();
        for (token_id, state_hash, time) in states {
            let key = entry_key(address, token_id, state_hash);
            let text = entry_text(token_id, state_hash, *time);
            batch.put_value(profile, &key, text.as_bytes())?;
        }
        batch.commit()?;
    }
    Ok(fate)
}

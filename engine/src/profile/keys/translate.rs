use super::address::{ADDRESS_ID_LEN, PREFIX};
use super::schema::{KEY_TABLE, KeyRule, Scope};

/// What an application may put before every name.
const SDK_PREFIX: &str = "sphere_";
/// SDK prefix and profile prefix of the two event times.
const EVENT_TIMES: [(&str, &str); 2] = [
    ("last_wallet_event_ts_", "transport.lastWalletEventTs."),
    ("last_dm_event_ts_", "transport.lastDmEventTs."),
];
/// Names of an old kind of state: they read as nothing and writes to them are ignored.
const EXCLUDED: [&str; 3] = ["ipfs_seq_", "ipfs_cid_", "ipfs_ver_"];
/// Stands in a key when a name needs an address and none is known. Not an error in the reference.
const ADDRESS_PLACE: &str = "{addr}";

/// A name as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The profile key.
    pub profile_key: String,
    /// Reads of it never ask the replicated store.
    pub cache_only: bool,
    /// Reads give nothing and writes are ignored.
    pub excluded: bool,
}

impl Translated {
    fn plain(profile_key: String) -> Self {
        Self {
            profile_key,
            cache_only: false,
            excluded: false,
        }
    }

    fn of(rule: &KeyRule, address: &str) -> Self {
        Self {
            profile_key: rule.profile_key.replace(ADDRESS_PLACE, address),
            cache_only: rule.is_cache_only(),
            excluded: false,
        }
    }
}

/// Translates an application's name (profile notes, section 1.3, whose numbered steps this follows).
///
/// ```
/// use uxf_engine::profile::keys::to_profile_key;
///
/// let current = Some("DIRECT_0d5508_b1bbbf");
/// assert_eq!(to_profile_key("sphere_outbox", current).profile_key, "DIRECT_0d5508_b1bbbf.outbox");
/// assert!(to_profile_key("mnemonic", current).cache_only);
/// assert!(to_profile_key("ipfs_seq_k51", current).excluded);
/// ```
pub fn to_profile_key(sdk_key: &str, current_address: Option<&str>) -> Translated {
    let name = sdk_key.strip_prefix(SDK_PREFIX).unwrap_or(sdk_key);
    if EXCLUDED.iter().any(|prefix| name.starts_with(prefix)) {
        return Translated {
            excluded: true,
            ..Translated::plain(name.to_owned())
        };
    }
    for (sdk, profile) in EVENT_TIMES {
        if let Some(rest) = name.strip_prefix(sdk) {
            return Translated::plain(format!("{profile}{rest}"));
        }
    }
    if let Some((address, rest)) = split_address(name) {
        return match rule_of(rest) {
            Some(rule) if !rest.starts_with("swap:") => Translated::of(rule, address),
            _ => Translated::plain(format!("{address}.{rest}")),
        };
    }
    match (rule_of(name), current_address) {
        (Some(rule), current) => Translated::of(rule, current.unwrap_or(ADDRESS_PLACE)),
        (None, Some(address)) if name.starts_with("swap:") => {
            Translated::plain(format!("{address}.{name}"))
        }
        (None, _) => Translated::plain(name.to_owned()),
    }
}

/// Translates a profile key back.
///
/// Not a full inverse, as in the reference: keys of single entries come back unchanged, and the first suffix of the
/// table that fits is taken, so `{addr}.groupchat.messages` comes back as messages of the address `{addr}.groupchat`.
pub fn to_sdk_key(profile_key: &str) -> String {
    for (sdk, profile) in EVENT_TIMES {
        if let Some(rest) = profile_key.strip_prefix(profile) {
            return format!("{sdk}{rest}");
        }
    }
    if let Some((address, id)) = profile_key.split_once(".swap:") {
        return format!("{address}_swap:{id}");
    }
    let global = |rule: &&KeyRule| rule.scope == Scope::Global && rule.profile_key == profile_key;
    if let Some(rule) = KEY_TABLE.iter().find(global) {
        return rule.sdk_key.to_owned();
    }
    let of_address = KEY_TABLE
        .iter()
        .filter(|rule| rule.scope == Scope::PerAddress);
    for rule in of_address {
        if let Some(address) = profile_key.strip_suffix(rule.suffix()) {
            return format!("{address}_{}", rule.sdk_key);
        }
    }
    profile_key.to_owned()
}

fn rule_of(sdk_key: &str) -> Option<&'static KeyRule> {
    KEY_TABLE.iter().find(|rule| rule.sdk_key == sdk_key)
}

/// Address part and the rest of a name that has one.
fn split_address(name: &str) -> Option<(&str, &str)> {
    if name.starts_with(PREFIX) {
        let (address, rest) = name.split_at_checked(ADDRESS_ID_LEN)?;
        return Some((address, rest.strip_prefix('_')?));
    }
    let at = name.rfind("_swap:").filter(|at| *at > 0)?;
    let (address, rest) = name.split_at_checked(at)?;
    let rest = rest.strip_prefix('_')?;
    (rest.len() > "swap:".len()).then_some((address, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_name_of_the_table_comes_back_except_the_one_the_reference_confuses() {
        let address = "DIRECT_0d5508_b1bbbf";
        for rule in KEY_TABLE {
            let there = to_profile_key(rule.sdk_key, Some(address)).profile_key;
            let expected = match rule.scope {
                Scope::Global => rule.sdk_key.to_owned(),
                Scope::PerAddress => format!("{address}_{}", rule.sdk_key),
            };
            if rule.sdk_key == "group_chat_messages" {
                assert_eq!(to_sdk_key(&there), format!("{address}.groupchat_messages"));
            } else {
                assert_eq!(to_sdk_key(&there), expected);
            }
        }
    }

    #[test]
    fn the_last_swap_of_a_name_ends_its_address() {
        assert_eq!(
            to_profile_key("a_swap:b_swap:c", None).profile_key,
            "a_swap:b.swap:c"
        );
        assert_eq!(to_profile_key("_swap:c", None).profile_key, "_swap:c");
        assert_eq!(to_profile_key("swap:c", None).profile_key, "swap:c");
    }

    #[test]
    fn a_name_of_an_address_without_a_known_address_keeps_the_placeholder() {
        assert_eq!(to_profile_key("outbox", None).profile_key, "{addr}.outbox");
    }
}

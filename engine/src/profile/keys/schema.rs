use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::address::{ADDRESS_ID_LEN, PREFIX};
use crate::profile::merge::Merger;

/// Where the values of a key live, and what becomes of concurrent ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Replicated to every device of the profile; two values meet in this merger.
    Synced(Merger),
    /// Kept on this device, never replicated.
    DeviceLocal,
    /// Kept on this device and safe to lose: it can be fetched again.
    CacheOnly,
    /// Seed material and derivation facts. Never in the replicated part, whatever asks for it.
    Identity,
}

impl Class {
    /// Whether values of this class go to other devices.
    pub const fn is_replicated(self) -> bool {
        matches!(self, Self::Synced(_))
    }
}

/// Whether a key exists once or once for each address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One value for the profile.
    Global,
    /// One value for each address; the profile key starts with `{addr}.`.
    PerAddress,
}

/// A key with a fixed name: a row of the static table (profile notes, section 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// What the application calls it, without `sphere_` and without an address.
    pub sdk_key: &'static str,
    /// What the store calls it; `{addr}` stands for the address id.
    pub profile_key: &'static str,
    /// Once, or once for each address.
    pub scope: Scope,
    /// Where it lives.
    pub class: Class,
}

impl KeyRule {
    /// Whether reads never ask the replicated store.
    pub const fn is_cache_only(&self) -> bool {
        matches!(self.class, Class::CacheOnly | Class::Identity)
    }

    /// The profile key behind the address, dot included: `.outbox`. The whole key if it is global.
    pub(super) fn suffix(&self) -> &'static str {
        self.profile_key
            .strip_prefix("{addr}")
            .unwrap_or(self.profile_key)
    }
}

/// A family of keys, one for each entry (profile notes, sections 1.3, 1.4 and 1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// How its keys start, behind the address and its dot if the scope says so.
    pub prefix: &'static str,
    /// Once, or once for each address.
    pub scope: Scope,
    /// Where they live.
    pub class: Class,
}

const fn global(sdk_key: &'static str, profile_key: &'static str, class: Class) -> KeyRule {
    KeyRule {
        sdk_key,
        profile_key,
        scope: Scope::Global,
        class,
    }
}

const fn per_address(sdk_key: &'static str, profile_key: &'static str, merger: Merger) -> KeyRule {
    KeyRule {
        sdk_key,
        profile_key,
        scope: Scope::PerAddress,
        class: Class::Synced(merger),
    }
}

const fn family(scope: Scope, prefix: &'static str, class: Class) -> Collection {
    Collection {
        prefix,
        scope,
        class,
    }
}

const LATEST: Class = Class::Synced(Merger::LastWriter);

/// Every key with a fixed name. The order matters to [`to_sdk_key`](super::to_sdk_key): the first suffix that fits wins.
#[rustfmt::skip]
pub const KEY_TABLE: &[KeyRule] = &[
    global("mnemonic", "identity.mnemonic", Class::Identity),
    global("master_key", "identity.masterKey", Class::Identity),
    global("chain_code", "identity.chainCode", Class::Identity),
    global("derivation_path", "identity.derivationPath", Class::Identity),
    global("base_path", "identity.basePath", Class::Identity),
    global("derivation_mode", "identity.derivationMode", Class::Identity),
    global("wallet_source", "identity.walletSource", Class::Identity),
    global("wallet_exists", "wallet_exists", LATEST),
    global("current_address_index", "identity.currentAddressIndex", Class::Identity),
    global("address_nametags", "addresses.nametags", LATEST),
    global("tracked_addresses", "addresses.tracked", LATEST),
    global("group_chat_relay_url", "groupchat.relayUrl", LATEST),
    global("token_registry_cache", "tokens.registryCache", Class::CacheOnly),
    global("token_registry_cache_ts", "tokens.registryCacheTs", Class::CacheOnly),
    global("price_cache", "prices.cache", Class::CacheOnly),
    global("price_cache_ts", "prices.cacheTs", Class::CacheOnly),
    per_address("pending_transfers", "{addr}.pendingTransfers", Merger::LastWriter),
    per_address("outbox", "{addr}.outbox", Merger::LastWriter),
    per_address("conversations", "{addr}.conversations", Merger::LastWriter),
    per_address("messages", "{addr}.messages", Merger::LastWriter),
    per_address("transaction_history", "{addr}.transactionHistory", Merger::LastWriter),
    per_address("pending_v5_tokens", "{addr}.pendingV5Tokens", Merger::LastWriter),
    per_address("group_chat_groups", "{addr}.groupchat.groups", Merger::LastWriter),
    per_address("group_chat_messages", "{addr}.groupchat.messages", Merger::LastWriter),
    per_address("group_chat_members", "{addr}.groupchat.members", Merger::LastWriter),
    per_address("group_chat_processed_events", "{addr}.groupchat.processedEvents", Merger::TextSet),
    per_address("processed_split_group_ids", "{addr}.processedSplitGroupIds", Merger::TextSet),
    per_address("processed_combined_transfer_ids", "{addr}.processedCombinedTransferIds", Merger::TextSet),
    per_address("cancelled_invoices", "{addr}.accounting.cancelledInvoices", Merger::TextSet),
    per_address("closed_invoices", "{addr}.accounting.closedInvoices", Merger::TextSet),
    per_address("frozen_balances", "{addr}.accounting.frozenBalances", Merger::LastWriter),
    per_address("auto_return", "{addr}.accounting.autoReturn", Merger::LastWriter),
    per_address("auto_return_ledger", "{addr}.accounting.autoReturnLedger", Merger::Ledger),
    per_address("inv_ledger_index", "{addr}.accounting.invLedgerIndex", Merger::Ledger),
    per_address("token_scan_state", "{addr}.accounting.tokenScanState", Merger::LastWriter),
    per_address("swap_index", "{addr}.swap.index", Merger::LastWriter),
    per_address("mintOutbox", "{addr}.mintOutbox", Merger::LastWriter),
    per_address("invalidTokens", "{addr}.invalidTokens", Merger::LastWriter),
    per_address("invalidatedNametags", "{addr}.invalidatedNametags", Merger::TextSet),
    per_address("tombstones", "{addr}.tombstones", Merger::SpentSet),
    per_address("audit", "{addr}.audit", Merger::LastWriter),
    per_address("invalid", "{addr}.invalid", Merger::LastWriter),
    per_address("finalizationQueue", "{addr}.finalizationQueue", Merger::LastWriter),
    per_address("sent", "{addr}.sent", Merger::LastWriter),
];

/// Every family of keys whose names are made at run time.
#[rustfmt::skip]
pub const COLLECTIONS: &[Collection] = &[
    family(Scope::PerAddress, "outbox.", Class::Synced(Merger::Outbox)),
    family(Scope::PerAddress, "sent.", Class::Synced(Merger::Slot)),
    family(Scope::PerAddress, "audit.", Class::Synced(Merger::Audit)),
    family(Scope::PerAddress, "audit-orphan.", Class::Synced(Merger::Audit)),
    family(Scope::PerAddress, "manifest.", Class::Synced(Merger::Manifest)),
    family(Scope::PerAddress, "tombstones.", Class::Synced(Merger::SpentSet)),
    family(Scope::PerAddress, "mintOutbox.", LATEST),
    family(Scope::PerAddress, "invalid.", LATEST),
    family(Scope::PerAddress, "invalid-orphan.", LATEST),
    family(Scope::PerAddress, "finalizationQueue.", LATEST),
    family(Scope::PerAddress, "recipientContext.request.", LATEST),
    family(Scope::PerAddress, "recipientContext.finalization.", LATEST),
    family(Scope::PerAddress, "legacyOutbox.", LATEST),
    family(Scope::PerAddress, "swap:", LATEST),
    family(Scope::Global, "tokens.bundle.", Class::Synced(Merger::BundleRef)),
    family(Scope::Global, "identity.", Class::Identity),
    // Left out of everything devices exchange: each device follows the transport by itself.
    family(Scope::Global, "transport.lastWalletEventTs.", Class::DeviceLocal),
    family(Scope::Global, "transport.lastDmEventTs.", Class::DeviceLocal),
    family(Scope::Global, "deriver.", Class::DeviceLocal),
    family(Scope::Global, "profile_snapshot_blob_", Class::DeviceLocal),
    family(Scope::Global, "profile_last_pointer_", Class::DeviceLocal),
    family(Scope::Global, "profile_pending_publish_cid_", Class::DeviceLocal),
    family(Scope::Global, "profile_pending_deferred_publish_", Class::DeviceLocal),
    family(Scope::Global, "processed_wallet_event_ids", Class::DeviceLocal),
    family(Scope::Global, "failed_event_cooldowns", Class::DeviceLocal),
    family(Scope::Global, "mux_processed_event_ids", Class::DeviceLocal),
];

/// The class of a profile key.
///
/// A key that no rule names is replicated, last writer wins, so that an application's own keys reach its other devices.
/// A key that carries the application's name of seed material is identity whatever stands around it: such a name must
/// not become a replicated key by slipping past translation.
///
/// ```
/// use uxf_engine::profile::keys::{Class, classify};
/// use uxf_engine::profile::merge::Merger;
///
/// assert_eq!(classify("DIRECT_0d5508_b1bbbf.outbox.7f3a"), Class::Synced(Merger::Outbox));
/// assert_eq!(classify("identity.mnemonic"), Class::Identity);
/// assert_eq!(classify("sphere_mnemonic"), Class::Identity);
/// assert_eq!(classify("prices.cache"), Class::CacheOnly);
/// assert_eq!(classify("anything.else"), Class::Synced(Merger::LastWriter));
/// ```
pub fn classify(profile_key: &str) -> Class {
    if names_identity(profile_key) {
        return Class::Identity;
    }
    let behind_address = behind_address(profile_key);
    let of_an_address = behind_address.and_then(|rest| BY_NAME.per_address.get(rest));
    if let Some(class) = BY_NAME.global.get(profile_key).or(of_an_address) {
        return *class;
    }
    let family = COLLECTIONS
        .iter()
        .find(|family| match (family.scope, behind_address) {
            (Scope::Global, _) => profile_key.starts_with(family.prefix),
            (Scope::PerAddress, Some(rest)) => rest.starts_with(family.prefix),
            (Scope::PerAddress, None) => false,
        });
    family.map_or(LATEST, |family| family.class)
}

/// What stands behind `{addr}.`; a literal `{addr}` is what translation leaves when no address is known.
fn behind_address(profile_key: &str) -> Option<&str> {
    if let Some(rest) = profile_key.strip_prefix("{addr}.") {
        return Some(rest);
    }
    if !profile_key.starts_with(PREFIX) {
        return None;
    }
    let (_, rest) = profile_key.split_at_checked(ADDRESS_ID_LEN)?;
    rest.strip_prefix('.')
}

fn names_identity(profile_key: &str) -> bool {
    let bare = profile_key.strip_prefix("sphere_").unwrap_or(profile_key);
    if bare.starts_with("identity.") {
        return true;
    }
    // An address may be of any length here: a malformed one must not open a way around.
    let of_an_address = || {
        let names = BY_NAME.identity.iter();
        names
            .filter_map(|name| bare.strip_suffix(name))
            .any(|before| before.ends_with(['_', '.']))
    };
    BY_NAME.identity.contains(bare) || (bare.starts_with(PREFIX) && of_an_address())
}

/// The table the other way round: every key that is written or folded is looked up in it.
struct ByName {
    /// Both names of each key of identity.
    identity: HashSet<&'static str>,
    global: HashMap<&'static str, Class>,
    /// By what stands behind the address.
    per_address: HashMap<&'static str, Class>,
}

static BY_NAME: LazyLock<ByName> = LazyLock::new(|| {
    let mut by_name = ByName {
        identity: HashSet::new(),
        global: HashMap::new(),
        per_address: HashMap::new(),
    };
    for rule in KEY_TABLE {
        if rule.class == Class::Identity {
            by_name.identity.extend([rule.sdk_key, rule.profile_key]);
        }
        let (names, name) = match rule.scope {
            Scope::Global => (&mut by_name.global, rule.profile_key),
            Scope::PerAddress => (
                &mut by_name.per_address,
                rule.suffix().strip_prefix('.').unwrap_or_default(),
            ),
        };
        names.entry(name).or_insert(rule.class);
    }
    by_name
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rules_of_the_table_share_a_name() {
        for (index, rule) in KEY_TABLE.iter().enumerate() {
            for other in &KEY_TABLE[index + 1..] {
                assert_ne!(rule.sdk_key, other.sdk_key);
                assert_ne!(rule.profile_key, other.profile_key);
            }
            assert_eq!(
                rule.scope == Scope::PerAddress,
                rule.profile_key.starts_with("{addr}.")
            );
        }
    }

    #[test]
    fn seed_material_is_identity_under_every_spelling_of_its_name() {
        for rule in KEY_TABLE
            .iter()
            .filter(|rule| rule.class == Class::Identity)
        {
            for spelling in [
                rule.profile_key.to_owned(),
                rule.sdk_key.to_owned(),
                format!("sphere_{}", rule.sdk_key),
                format!("DIRECT_0d5508_b1bbbf_{}", rule.sdk_key),
                format!("DIRECT_0d5508_b1bbbf.{}", rule.sdk_key),
                format!("sphere_DIRECT_0d5508_b1bbbf_{}", rule.sdk_key),
                format!("DIRECT_0d5508_b1bbbf.{}", rule.profile_key),
                format!("DIRECT_abc_{}", rule.sdk_key),
            ] {
                assert_eq!(classify(&spelling), Class::Identity, "{spelling}");
            }
        }
        assert_eq!(classify("identity.somethingNew"), Class::Identity);
    }

    #[test]
    fn entries_of_a_collection_have_its_class_and_its_old_single_key_does_not() {
        let class = |key: &str| classify(&format!("DIRECT_0d5508_b1bbbf.{key}"));
        assert_eq!(class("outbox.1"), Class::Synced(Merger::Outbox));
        assert_eq!(class("outbox"), LATEST);
        assert_eq!(class("sent.1"), Class::Synced(Merger::Slot));
        assert_eq!(class("audit.t.h"), Class::Synced(Merger::Audit));
        assert_eq!(class("audit-orphan.h"), Class::Synced(Merger::Audit));
        assert_eq!(class("tombstones"), Class::Synced(Merger::SpentSet));
        assert_eq!(class("tombstones.t.s"), Class::Synced(Merger::SpentSet));
        assert_eq!(class("swap:1"), LATEST);
        assert_eq!(classify("outbox.1"), LATEST, "no address, no outbox entry");
    }

    #[test]
    fn what_a_device_keeps_for_itself_is_never_replicated() {
        for key in [
            "deriver.DIRECT_0d5508_b1bbbf.all",
            "profile_snapshot_blob_DIRECT_0d5508_b1bbbf_pending",
            "transport.lastWalletEventTs.d3d435c4f89dc160",
            "processed_wallet_event_ids",
            "tokens.registryCache",
        ] {
            assert!(!classify(key).is_replicated(), "{key}");
        }
    }
}

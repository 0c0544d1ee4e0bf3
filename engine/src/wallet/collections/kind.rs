use super::error::CollectionError;
use crate::profile::keys::AddressId;

/// Longest id of an entry, in bytes.
const ID_BYTES_MAX: usize = 256;

/// The collections, by the names in their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CollectionKind {
    /// Transfers on their way out.
    Outbox,
    /// Transfers that left.
    Sent,
    /// Mints under way, by token id.
    MintOutbox,
    /// Finalizations under way.
    FinalizationQueue,
    /// Contexts of requests, by request id.
    RequestContext,
    /// Contexts of finalizations, by token id.
    FinalizationContext,
    /// Tokens that cannot count.
    Invalid,
    /// The same where no token id is known.
    InvalidOrphan,
    /// Tokens that do not count and may.
    Audit,
    /// The same where no token id is known.
    AuditOrphan,
    /// What is known of tokens beyond their elements.
    Manifest,
}

impl CollectionKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Outbox,
        Self::Sent,
        Self::MintOutbox,
        Self::FinalizationQueue,
        Self::RequestContext,
        Self::FinalizationContext,
        Self::Invalid,
        Self::InvalidOrphan,
        Self::Audit,
        Self::AuditOrphan,
        Self::Manifest,
    ];

    /// What stands between address and id in a key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Sent => "sent",
            Self::MintOutbox => "mintOutbox",
            Self::FinalizationQueue => "finalizationQueue",
            Self::RequestContext => "recipientContext.request",
            Self::FinalizationContext => "recipientContext.finalization",
            Self::Invalid => "invalid",
            Self::InvalidOrphan => "invalid-orphan",
            Self::Audit => "audit",
            Self::AuditOrphan => "audit-orphan",
            Self::Manifest => "manifest",
        }
    }

    /// What the keys of an address's entries begin with.
    pub fn prefix(self, address: &AddressId) -> String {
        format!("{address}.{}.", self.as_str())
    }

    /// The key of an entry.
    pub(super) fn key(self, address: &AddressId, id: &str) -> Result<String, CollectionError> {
        // An id with this in it would be cut at the wrong place where a key is taken apart.
        let is_ambiguous = id.contains(&format!(".{}.", self.as_str()));
        if id.is_empty() || id.len() > ID_BYTES_MAX || is_ambiguous {
            return Err(CollectionError::Id { collection: self });
        }
        Ok(format!("{address}.{}.{id}", self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::keys::{COLLECTIONS, Scope};

    #[test]
    fn every_collection_is_a_family_of_the_key_table_and_no_other_one_s() {
        for kind in CollectionKind::ALL {
            let prefix = format!("{}.", kind.as_str());
            let families = COLLECTIONS.iter().filter(|family| {
                family.scope == Scope::PerAddress && prefix.starts_with(family.prefix)
            });
            let found: Vec<_> = families.map(|family| family.prefix).collect();
            assert_eq!(found, [prefix]);
        }
    }

    #[test]
    fn an_id_that_would_make_a_key_ambiguous_is_refused() {
        let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
        let key = |id: &str| CollectionKind::Outbox.key(&address, id);
        assert_eq!(key("a.b").unwrap(), "DIRECT_0d5508_b1bbbf.outbox.a.b");
        for wrong in ["", "a.outbox.b", &"x".repeat(257)] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}

use core::fmt;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use thiserror::Error;

use crate::profile::keys::AddressId;

/// Most rows of one token that a listing gives.
pub const DISPOSITIONS_LISTED_MAX: usize = 1024;
/// Says in a record which shape it has.
pub(super) const SCHEMA: &str = "uxf-1";

/// Why a token does not simply count (profile notes, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the reference's; section 7 of the notes lists them"
)]
pub enum DispositionReason {
    Structural,
    PredicateEval,
    AuthInvalid,
    ContinuityBroken,
    ProofInvalid,
    ProofThrow,
    OracleRejected,
    BeliefDivergence,
    ClientError,
    ParentRejected,
    RaceLost,
    NotOurState,
    OffRecordSpend,
    GatewayFetchFailed,
}

impl DispositionReason {
    /// All fourteen.
    pub const ALL: [Self; 14] = [
        Self::Structural,
        Self::PredicateEval,
        Self::AuthInvalid,
        Self::ContinuityBroken,
        Self::ProofInvalid,
        Self::ProofThrow,
        Self::OracleRejected,
        Self::BeliefDivergence,
        Self::ClientError,
        Self::ParentRejected,
        Self::RaceLost,
        Self::NotOurState,
        Self::OffRecordSpend,
        Self::GatewayFetchFailed,
    ];

    /// The name in a record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Structural => "structural",
            Self::PredicateEval => "predicate-eval",
            Self::AuthInvalid => "auth-invalid",
            Self::ContinuityBroken => "continuity-broken",
            Self::ProofInvalid => "proof-invalid",
            Self::ProofThrow => "proof-throw",
            Self::OracleRejected => "oracle-rejected",
            Self::BeliefDivergence => "belief-divergence",
            Self::ClientError => "client-error",
            Self::ParentRejected => "parent-rejected",
            Self::RaceLost => "race-lost",
            Self::NotOurState => "not-our-state",
            Self::OffRecordSpend => "off-record-spend",
            Self::GatewayFetchFailed => "gateway-fetch-failed",
        }
    }

    /// Reads the name in a record.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Whether the operator is to be told at once, because the fault is this program's.
    pub const fn raises_alert(self) -> bool {
        matches!(self, Self::ClientError)
    }
}

/// The two collections of tokens that do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DispositionCollection {
    /// They never will.
    Invalid,
    /// They may.
    Audit,
}

impl DispositionCollection {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Audit => "audit",
        }
    }

    /// The key of a record: `{addr}.audit.{token id}.{content hash}`, and without a token id
    /// `{addr}.audit-orphan.{content hash}`; `invalid` likewise. Token ids are in lower case.
    ///
    /// ```
    /// use uxf_engine::profile::keys::AddressId;
    /// use uxf_engine::wallet::{ContentHash, DispositionCollection};
    ///
    /// let address = AddressId::parse("DIRECT_637ba5_b93adc").unwrap();
    /// let hash = ContentHash::parse(&"0A".repeat(32)).unwrap();
    /// let key = DispositionCollection::Audit.key(&address, "AB", &hash);
    /// assert_eq!(key, format!("DIRECT_637ba5_b93adc.audit.ab.{}", "0a".repeat(32)));
    /// ```
    pub fn key(self, address: &AddressId, token_id: &str, hash: &ContentHash) -> String {
        let collection = self.as_str();
        if token_id.is_empty() {
            return format!("{address}.{collection}-orphan.{hash}");
        }
        format!("{}{hash}", self.prefix(address, token_id))
    }

    /// What the keys of all records of one token begin with.
    pub fn prefix(self, address: &AddressId, token_id: &str) -> String {
        format!("{address}.{}.{}.", self.as_str(), token_id.to_lowercase())
    }
}

/// A text that is no content hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a content hash has 64 hex digits; this is {found_bytes} bytes of other text")]
pub struct ContentHashError {
    /// Length of the refused text in bytes.
    pub found_bytes: usize,
}

/// Hash of the content of a token that was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Reads 64 hex digits of either case.
    ///
    /// # Errors
    /// [`ContentHashError`].
    pub fn parse(text: &str) -> Result<Self, ContentHashError> {
        let refused = ContentHashError {
            found_bytes: text.len(),
        };
        let mut digest = [0; 32];
        // 64 bytes exactly, so that no prefix is taken for a part of it.
        if text.len() != 64 || const_hex::decode_to_slice(text, &mut digest).is_err() {
            return Err(refused);
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

/// The record of a token that cannot count.
pub fn invalid_record(
    token_id: &str,
    hash: &ContentHash,
    reason: DispositionReason,
    recorded_at_ms: u64,
) -> Value {
    json!({
        "_schemaVersion": SCHEMA,
        "tokenId": token_id.to_lowercase(),
        "observedTokenContentHash": hash.to_string(),
        "reason": reason.as_str(),
        "recordedAt": recorded_at_ms,
    })
}

/// The tokens that fall with others: those split from a token that is lost, and those split from them, each once, the
/// nearest first. `split_from` gives the tokens that name one as their `splitParent`.
pub fn cascade<I: IntoIterator<Item = String>>(
    lost: &str,
    mut split_from: impl FnMut(&str) -> I,
) -> Vec<String> {
    let mut seen = BTreeSet::from([lost.to_owned()]);
    let mut fallen: Vec<String> = Vec::new();
    let mut parent = lost.to_owned();
    let mut next = 0;
    loop {
        for child in split_from(&parent) {
            if seen.insert(child.clone()) {
                fallen.push(child);
            }
        }
        let Some(child) = fallen.get(next) else {
            return fallen;
        };
        parent.clone_from(child);
        next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_another_length_or_alphabet_is_refused() {
        for wrong in [
            "",
            "0x",
            &"0x".repeat(32),
            &"ab".repeat(31),
            &"ab".repeat(33),
            &"zz".repeat(32),
        ] {
            let refused = ContentHashError {
                found_bytes: wrong.len(),
            };
            assert_eq!(ContentHash::parse(wrong), Err(refused), "{wrong}");
        }
        let prefixed = format!("0x{}", "ab".repeat(31));
        assert!(ContentHash::parse(&prefixed).is_err());
    }

    #[test]
    fn every_observation_has_a_key_of_its_own_with_and_without_a_token_id() {
        let address = AddressId::parse("DIRECT_637ba5_b93adc").unwrap();
        let hashes = ["ab", "cd"].map(|half| ContentHash::parse(&half.repeat(32)).unwrap());
        let mut keys = BTreeSet::new();
        for collection in [DispositionCollection::Invalid, DispositionCollection::Audit] {
            for hash in &hashes {
                for token_id in ["aa", "", "orphan"] {
                    keys.insert(collection.key(&address, token_id, hash));
                }
            }
            // Whoever lists a token's records is shown no orphan.
            let orphan = collection.key(&address, "", &hashes[0]);
            assert!(!orphan.starts_with(&collection.prefix(&address, "orphan")));
        }
        assert_eq!(keys.len(), 12);
    }

    #[test]
    fn a_loss_falls_on_what_was_split_from_it_once_even_in_a_ring() {
        let children = |parent: &str| -> Vec<String> {
            let children: &[&str] = match parent {
                "a" => &["b", "c"],
                "b" => &["d"],
                "c" => &["d", "a"],
                _ => &[],
            };
            children.iter().map(|child| (*child).to_owned()).collect()
        };
        assert_eq!(cascade("a", children), ["b", "c", "d"]);
        assert!(cascade("d", children).is_empty());
    }
}

use core::fmt;

use sha2::{Digest as _, Sha256};
use uxf_codec::canonical::Value;
use uxf_codec::json::{Node, write_value};

use super::TxfToken;

/// What a token that is not minted yet is known by, in the order in which it is hashed.
const PENDING_FIELDS: [&str; 6] = [
    "tokenId",
    "tokenType",
    "salt",
    "recipient",
    "tokenData",
    "recipientDataHash",
];

/// What tells two states of tokens apart at an import: the hash of the state, or for a token that is not minted yet, and
/// so has no state, a hash of what it is to be minted from (profile notes, section 9.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DedupKey {
    /// Hash of the state.
    State(String),
    /// SHA-256 of what the genesis is made from.
    Pending([u8; 32]),
}

impl DedupKey {
    /// The key of a token.
    ///
    /// ```
    /// use uxf_codec::json::Tape;
    /// use uxf_engine::wallet::{DedupKey, TxfToken};
    ///
    /// let mut tape = Tape::new();
    /// let token = br#"{"genesis":{"data":{"tokenId":"ab"}},"transactions":[{"newStateHash":"cd"}]}"#;
    /// let token = TxfToken::new(tape.parse(token).unwrap()).unwrap();
    /// assert_eq!(DedupKey::of(&token), DedupKey::State("cd".into()));
    /// ```
    pub fn of(token: &TxfToken<'_>) -> Self {
        match token.state_hash() {
            Some(hash) => Self::State(hash.into_owned()),
            None => Self::pending(token.genesis_data()),
        }
    }

    /// The key of a token that is not minted yet: SHA-256 of the JSON array of its genesis data. What is absent is
    /// `null`; an empty text stays one.
    pub fn pending(genesis_data: Option<Node<'_>>) -> Self {
        let mut array = vec![b'['];
        for (place, field) in PENDING_FIELDS.iter().enumerate() {
            if place > 0 {
                array.push(b',');
            }
            let value = genesis_data.and_then(|data| data.get(field));
            // A number beyond all floats is infinite to the reference, which writes that as null.
            let value = value.map_or(Value::Null, |node| node.to_value().unwrap_or(Value::Null));
            write_value(&mut array, &value);
        }
        array.push(b']');
        Self::Pending(Sha256::digest(&array).into())
    }

    /// Hash of the state, if the token has one.
    pub fn state_hash(&self) -> Option<&str> {
        match self {
            Self::State(hash) => Some(hash),
            Self::Pending(_) => None,
        }
    }

    /// Whether the token is not minted yet.
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}

impl fmt::Display for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(hash) => f.write_str(hash),
            Self::Pending(digest) => write!(f, "pending-{}", const_hex::encode(digest)),
        }
    }
}

/// What happened, in the history of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the names are the reference's and say what they are"
)]
pub enum HistoryKind {
    Sent,
    Received,
    Split,
    Mint,
}

impl HistoryKind {
    const ALL: [Self; 4] = [Self::Sent, Self::Received, Self::Split, Self::Mint];

    /// The name in a record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::Received => "RECEIVED",
            Self::Split => "SPLIT",
            Self::Mint => "MINT",
        }
    }

    /// Reads the name in a record.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The key under which a record of this kind is kept once (profile notes, section 8): by transfer and coin or by
    /// transfer if something was sent, else by token. `None` if there is neither; every such record is one of its own.
    ///
    /// ```
    /// use uxf_engine::wallet::HistoryKind;
    ///
    /// let key = HistoryKind::Sent.dedup_key(Some("t"), Some("tr"), Some("c"));
    /// assert_eq!(key.as_deref(), Some("SENT_transfer_tr_c"));
    /// ```
    pub fn dedup_key(
        self,
        token_id: Option<&str>,
        transfer_id: Option<&str>,
        coin_id: Option<&str>,
    ) -> Option<String> {
        let present = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        match (self, present(transfer_id), present(coin_id)) {
            (Self::Sent, Some(transfer), Some(coin)) => {
                Some(format!("SENT_transfer_{transfer}_{coin}"))
            }
            (Self::Sent, Some(transfer), None) => Some(format!("SENT_transfer_{transfer}")),
            _ => present(token_id).map(|token| format!("{}_{token}", self.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_codec::json::Tape;

    fn key(token: &str) -> DedupKey {
        let mut tape = Tape::new();
        DedupKey::of(&TxfToken::new(tape.parse(token.as_bytes()).unwrap()).unwrap())
    }

    #[test]
    fn an_empty_hash_is_none() {
        let token = r#"{"genesis":{"inclusionProof":{"authenticator":{"stateHash":"g"}}},
            "transactions":[{"newStateHash":"","inclusionProof":{"authenticator":{"stateHash":""}}}]}"#;
        assert_eq!(key(token), DedupKey::State("g".into()));
    }

    #[test]
    fn a_token_without_a_state_is_known_by_what_it_is_minted_from() {
        let salted = |salt: &str| key(&format!(r#"{{"genesis":{{"data":{{"salt":{salt}}}}}}}"#));
        assert!(salted(r#""1""#).is_pending());
        assert_eq!(salted("null"), key("{}"));
        for other in [r#""2""#, r#""""#, "1", "null"] {
            assert_ne!(salted(r#""1""#), salted(other), "{other}");
        }
    }

    #[test]
    fn numbers_are_hashed_as_the_reference_writes_them() {
        let data = |number: &str| key(&format!(r#"{{"genesis":{{"data":{{"salt":{number}}}}}}}"#));
        assert_eq!(data("1.0"), data("1"));
        assert_eq!(data("1e400"), data("null"));
    }

    #[test]
    fn a_record_that_names_nothing_has_no_key() {
        assert_eq!(
            HistoryKind::Mint.dedup_key(None, Some("tr"), Some("c")),
            None
        );
        assert_eq!(HistoryKind::Sent.dedup_key(Some(""), Some(""), None), None);
        assert_eq!(HistoryKind::parse("sent"), None);
    }
}

use serde_json::{Map, Value, json};

use super::history::number;
use super::{
    DerivedEvent, DerivedSent, DerivedTombstone, OwnAddress, TokenFile, derive_history,
    derive_sent, derive_tombstones,
};

/// All views of a wallet together, so that they are written and read as one and never torn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivedViews {
    /// Spent states.
    pub tombstones: Vec<DerivedTombstone>,
    /// What was sent away.
    pub sent: Vec<DerivedSent>,
    /// What happened.
    pub history: Vec<DerivedEvent>,
}

impl DerivedViews {
    /// Derives all of them.
    ///
    /// ```
    /// use uxf_codec::json::Tape;
    /// use uxf_engine::wallet::views::{DerivedViews, TokenFile};
    ///
    /// let mut tape = Tape::new();
    /// let file = br#"{"archived-t":{"genesis":{"data":{"tokenId":"t"}},"transactions":[{"newStateHash":"s"}]}}"#;
    /// let views = DerivedViews::of(&TokenFile::new(tape.parse(file).unwrap()), None);
    /// assert_eq!(views.tombstones[0].state_hash, "s");
    /// assert_eq!(views.sent[0].recipient, "unknown");
    /// ```
    pub fn of(file: &TokenFile<'_>, own: Option<&OwnAddress>) -> Self {
        Self {
            tombstones: derive_tombstones(file),
            sent: derive_sent(file),
            history: derive_history(file, own),
        }
    }

    /// The views of several files that share no token, as those of one file of all their tokens.
    #[must_use]
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.tombstones.extend(part.tombstones);
            all.sent.extend(part.sent);
            all.history.extend(part.history);
        }
        all.history = number(all.history);
        all
    }

    /// The one value in which the reference keeps them: `{tombstones, sent, history}`, every record with the time
    /// `now_ms`, in milliseconds since 1970.
    pub fn to_json(&self, now_ms: u64) -> Value {
        let tombstones = self.tombstones.iter().map(|spent| {
            json!({ "tokenId": spent.token_id, "stateHash": spent.state_hash, "timestamp": now_ms })
        });
        let sent = self.sent.iter().map(|sent| {
            json!({
                "tokenId": sent.token_id,
                "recipient": sent.recipient,
                "txHash": sent.transaction_hash,
                "sentAt": now_ms,
            })
        });
        let history = self
            .history
            .iter()
            .map(|event| event_to_json(event, now_ms));
        json!({
            "tombstones": tombstones.collect::<Vec<_>>(),
            "sent": sent.collect::<Vec<_>>(),
            "history": history.collect::<Vec<_>>(),
        })
    }
}

fn event_to_json(event: &DerivedEvent, now_ms: u64) -> Value {
    let mut all: Map<String, Value> = Map::new();
    let mut set = |name: &str, value: Value| all.insert(name.to_owned(), value);
    set("dedupKey", event.dedup_key.as_str().into());
    set("id", event.id.as_str().into());
    set("type", event.kind.as_str().into());
    set("amount", event.amount.as_str().into());
    set("coinId", event.coin_id.as_str().into());
    set("symbol", event.coin_id.as_str().into());
    set("timestamp", now_ms.into());
    set("tokenId", event.token_id.as_str().into());
    if let Some(recipient) = &event.recipient {
        set("recipientAddress", recipient.as_str().into());
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::keys::AddressId;
    use crate::wallet::views::NotAnAddress;
    use uxf_codec::json::Tape;

    fn views(file: &str, own: Option<&str>) -> DerivedViews {
        let mut tape = Tape::new();
        let own = own.map(|own| OwnAddress::new(own).unwrap());
        let node = tape.parse(file.as_bytes()).unwrap();
        DerivedViews::of(&TokenFile::new(node), own.as_ref())
    }

    #[test]
    fn what_lies_beside_the_tokens_is_no_token() {
        let token = r#"{"genesis":{"data":{"tokenId":"t","recipient":"me"}},"transactions":[]}"#;
        for name in crate::wallet::RESERVED_NAMES {
            let views = views(&format!(r#"{{"{name}":{token}}}"#), Some("me"));
            assert_eq!(views, DerivedViews::default(), "{name}");
        }
    }

    #[test]
    fn the_views_of_parts_are_those_of_the_whole() {
        let token = |id: &str| {
            format!(
                r#"{{"genesis":{{"data":{{"tokenId":"{id}"}}}},"transactions":[{{"newStateHash":"s"}}]}}"#
            )
        };
        let [a, b, c, d] = ["a", "b", "c", "d"].map(token);
        let first = format!(r#""_a":{a},"archived-b":{b}"#);
        let second = format!(r#""_c":{c},"archived-d":{d}"#);
        let whole = views(&format!("{{{first},{second}}}"), Some("me"));
        let parts = [first, second].map(|part| views(&format!("{{{part}}}"), Some("me")));
        assert_eq!(DerivedViews::joined(parts), whole);
        assert_eq!(whole.history.len(), 4);
    }

    #[test]
    fn the_id_of_an_address_is_not_taken_for_the_address() {
        let id = "DIRECT_0d5508_b1bbbf";
        let address_id = AddressId::parse(id).unwrap();
        assert_eq!(OwnAddress::new(id), Err(NotAnAddress { address_id }));
        assert!(OwnAddress::new("DIRECT://0d5508b1bbbf").is_ok());
    }

    #[test]
    fn a_token_minted_for_another_was_received_once_it_moved() {
        let file = |transactions: &str| {
            format!(
                r#"{{"_t":{{"genesis":{{"data":{{"tokenId":"t","recipient":"you"}}}},"transactions":{transactions}}}}}"#
            )
        };
        assert!(views(&file("[]"), Some("me")).history.is_empty());
        assert_eq!(views(&file("[{}]"), Some("me")).history.len(), 1);
        assert!(views(&file("[{}]"), None).history.is_empty());
    }
}

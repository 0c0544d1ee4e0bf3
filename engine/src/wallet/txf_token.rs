use std::borrow::Cow;

use uxf_codec::json::{Kind, Node};

/// A token as a token file holds it, read where it lies.
///
/// Nothing is checked but what is asked for: a field that is absent, of another type or an empty text is `None`. Whether
/// the token is one is for deconstructing it to say.
///
/// ```
/// use uxf_codec::json::Tape;
/// use uxf_engine::wallet::TxfToken;
///
/// let mut tape = Tape::new();
/// let node = tape.parse(br#"{"genesis":{"data":{"tokenId":"ab"}},"transactions":[]}"#).unwrap();
/// let token = TxfToken::new(node).unwrap();
/// assert_eq!(token.token_id().as_deref(), Some("ab"));
/// assert!(!token.has_state());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TxfToken<'t> {
    node: Node<'t>,
}

/// Text of a field; none if it is empty.
fn text<'t>(node: Option<Node<'t>>, path: &[&str]) -> Option<Cow<'t, str>> {
    let node = path.iter().try_fold(node?, |node, name| node.get(name))?;
    node.as_text().filter(|text| !text.is_empty())
}

fn object<'t>(node: Node<'t>, field: &str) -> Option<Node<'t>> {
    node.get(field).filter(|node| node.kind() == Kind::Object)
}

impl<'t> TxfToken<'t> {
    /// Looks at a value as a token; `None` if it is no object.
    pub fn new(node: Node<'t>) -> Option<Self> {
        (node.kind() == Kind::Object).then_some(Self { node })
    }

    /// The value itself.
    pub const fn node(&self) -> Node<'t> {
        self.node
    }

    /// Id of the token, which its genesis gives it.
    pub fn token_id(&self) -> Option<Cow<'t, str>> {
        text(self.genesis_data(), &["tokenId"])
    }

    /// Whether it has a genesis.
    pub fn has_genesis(&self) -> bool {
        object(self.node, "genesis").is_some()
    }

    /// Whether it has a state.
    pub fn has_state(&self) -> bool {
        object(self.node, "state").is_some()
    }

    /// What the genesis was made from.
    pub fn genesis_data(&self) -> Option<Node<'t>> {
        object(object(self.node, "genesis")?, "data")
    }

    /// The transfers since the genesis, oldest first.
    pub fn transactions(&self) -> impl Iterator<Item = Node<'t>> + use<'t> {
        self.node
            .get("transactions")
            .into_iter()
            .flat_map(|list| list.items())
    }

    /// The last transfer.
    pub fn last_transaction(&self) -> Option<Node<'t>> {
        self.transactions().last()
    }

    /// State hash that the last transfer arrives at, as the transfer itself says.
    pub fn new_state_hash(&self) -> Option<Cow<'t, str>> {
        text(self.last_transaction(), &["newStateHash"])
    }

    /// State hash of the token as it is: from the last transfer, else from that transfer's proof, else from the token's
    /// note of itself, else from the proof of the genesis (profile notes, section 9.1). `None` if none of them says so:
    /// the token is not minted yet.
    pub fn state_hash(&self) -> Option<Cow<'t, str>> {
        const PROVEN: [&str; 3] = ["inclusionProof", "authenticator", "stateHash"];
        let last = self.last_transaction();
        text(last, &["newStateHash"])
            .or_else(|| text(last, &PROVEN))
            .or_else(|| text(self.node.get("_integrity"), &["currentStateHash"]))
            .or_else(|| text(self.node.get("genesis"), &PROVEN))
    }

    /// State hash as the proofs alone say it, which is all that is left of it in a package: from that of the last transfer,
    /// else from that of the genesis.
    pub fn proven_state_hash(&self) -> Option<String> {
        const PROVEN: [&str; 3] = ["inclusionProof", "authenticator", "stateHash"];
        let hash = text(self.last_transaction(), &PROVEN);
        let hash = hash.or_else(|| text(self.node.get("genesis"), &PROVEN));
        hash.map(|hash| hash.to_ascii_lowercase())
    }

    /// Whether [`state_hash`](Self::state_hash) is that of the genesis although there were transfers since, because nothing
    /// says what state the last one arrived at.
    pub fn has_borrowed_state_hash(&self) -> bool {
        const PROVEN: [&str; 3] = ["inclusionProof", "authenticator", "stateHash"];
        let last = self.last_transaction();
        last.is_some()
            && text(last, &["newStateHash"]).is_none()
            && text(last, &PROVEN).is_none()
            && text(self.node.get("_integrity"), &["currentStateHash"]).is_none()
    }

    /// Whether the last transfer, if there is one, has its proof.
    pub fn is_last_transaction_proven(&self) -> bool {
        self.last_transaction()
            .is_none_or(|last| object(last, "inclusionProof").is_some())
    }

    /// Who the last transfer went to, as it says.
    pub fn last_recipient(&self) -> Option<Cow<'t, str>> {
        text(self.last_transaction(), &["data", "recipient"])
    }

    /// Who it was minted for.
    pub fn first_recipient(&self) -> Option<Cow<'t, str>> {
        text(self.genesis_data(), &["recipient"])
    }

    /// Hash of the last transfer, from its proof.
    pub fn last_transaction_hash(&self) -> Option<Cow<'t, str>> {
        text(
            self.last_transaction(),
            &["inclusionProof", "transactionHash"],
        )
    }

    /// Ids and amounts of the coins in it, in order. What is no pair of texts is passed over.
    pub fn coins(&self) -> impl Iterator<Item = (Cow<'t, str>, Cow<'t, str>)> + use<'t> {
        let pairs = self.genesis_data().and_then(|data| data.get("coinData"));
        pairs
            .into_iter()
            .flat_map(|list| list.items())
            .filter_map(|pair| {
                let mut parts = pair.items();
                let (coin_id, amount) = (parts.next()?, parts.next()?);
                Some((coin_id.as_text()?, amount.as_text()?))
            })
    }

    /// Id and amount of the first coin in it.
    pub fn first_coin(&self) -> Option<(Cow<'t, str>, Cow<'t, str>)> {
        let pair = self.genesis_data()?.get("coinData")?.items().next()?;
        let mut parts = pair.items();
        let (coin_id, amount) = (parts.next()?, parts.next()?);
        Some((coin_id.as_text()?, amount.as_text()?))
    }
}

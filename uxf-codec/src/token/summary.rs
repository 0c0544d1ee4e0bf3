use crate::element::ElementHash;
use crate::package::TokenId;

/// What a store notes of a token beside its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSummary {
    /// The id, lower case.
    pub token_id: TokenId,
    /// The token-root element.
    pub root: ElementHash,
    /// The type of the token in lower-case hex; empty if it has none.
    pub token_type: String,
    /// The id of the first coin, if there is a coin and its id is a text that is not empty.
    pub first_coin: Option<String>,
    /// The data of the newest state in lower-case hex, if there is any.
    pub state_data: Option<String>,
    /// Number of transactions.
    pub transactions: usize,
}

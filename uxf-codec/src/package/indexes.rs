use indexmap::{IndexMap, IndexSet};

use super::TokenId;

/// Tokens by type, coin and state, in the order in which they were noted. Format notes, section 7.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    /// Ids by token type, in lower-case hex.
    pub by_token_type: IndexMap<String, IndexSet<TokenId>>,
    /// Ids by coin id; only the first coin of a token counts.
    pub by_coin_id: IndexMap<String, IndexSet<TokenId>>,
    /// Id by the data of the newest state, in lower-case hex. The reference calls it a state hash; it is the data.
    pub by_state_data: IndexMap<String, TokenId>,
}

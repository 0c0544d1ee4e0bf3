use indexmap::{IndexMap, IndexSet};

use super::{Package, TokenId};
use crate::canonical::{ElementView, RawValue, list_items};
use crate::element::{ElementHash, ElementType};

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

/// What the indexes note of a token. Empty texts are not noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IndexKeys {
    pub(super) token_type: Option<String>,
    pub(super) first_coin: Option<String>,
    pub(super) state_data: Option<String>,
}

impl Indexes {
    /// Notes a token. What was noted of an older version of it stays, as in the reference.
    pub(super) fn note(&mut self, id: &TokenId, keys: IndexKeys) {
        let is_some = |text: &String| !text.is_empty();
        if let Some(token_type) = keys.token_type.filter(is_some) {
            let ids = self.by_token_type.entry(token_type).or_default();
            ids.insert(id.clone());
        }
        if let Some(coin) = keys.first_coin.filter(is_some) {
            let ids = self.by_coin_id.entry(coin).or_default();
            ids.insert(id.clone());
        }
        if let Some(data) = keys.state_data.filter(is_some) {
            self.by_state_data.insert(data, id.clone());
        }
    }

    /// Forgets a token.
    pub(super) fn forget(&mut self, id: &str) {
        for index in [&mut self.by_token_type, &mut self.by_coin_id] {
            index.retain(|_, ids| {
                ids.shift_remove(id);
                !ids.is_empty()
            });
        }
        self.by_state_data.retain(|_, noted| noted.as_str() != id);
    }
}

impl Package {
    /// Builds the indexes anew from the manifest and the elements, in the order of the manifest.
    ///
    /// Tokens of which elements are absent are noted as far as they can be read.
    pub fn rebuild_indexes(&mut self) {
        let mut indexes = Indexes::default();
        for (id, root) in &self.manifest {
            indexes.note(id, self.index_keys(root));
        }
        self.indexes = indexes;
    }

    fn index_keys(&self, root: &ElementHash) -> IndexKeys {
        let mut keys = IndexKeys::default();
        let Some(root) = self.view_of(Some(*root), ElementType::TokenRoot) else {
            return keys;
        };
        let genesis = self.view_of(root.one("genesis"), ElementType::Genesis);
        let data = genesis.and_then(|genesis| genesis.one("data"));
        if let Some(data) = self.view_of(data, ElementType::GenesisData) {
            keys.token_type = data.bytes("tokenType").map(const_hex::encode);
            keys.first_coin = first_coin(&data).map(str::to_owned);
        }
        if let Some(state) = self.view_of(root.one("state"), ElementType::TokenState) {
            keys.state_data = state.bytes("data").map(const_hex::encode);
        }
        keys
    }

    /// An element, if it is there, can be read and has the type it should have.
    fn view_of(
        &self,
        hash: Option<ElementHash>,
        element_type: ElementType,
    ) -> Option<ElementView<'_>> {
        let view = self.pool.view(&hash?).ok().flatten()?;
        (view.element_type() == element_type).then_some(view)
    }
}

fn first_coin<'a>(data: &ElementView<'a>) -> Option<&'a str> {
    let RawValue::List(coins) = data.field("coinData")? else {
        return None;
    };
    let RawValue::List(first) = list_items(coins).next()? else {
        return None;
    };
    match list_items(first).next()? {
        RawValue::Text(coin) => Some(coin),
        _ => None,
    }
}

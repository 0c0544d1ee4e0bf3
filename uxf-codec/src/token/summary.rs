use super::assemble::{get, open};
use crate::canonical::{ChildView, ElementView, RawValue, list_items};
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;
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

/// Reads back from its elements what [`Deconstructor::deconstruct`](super::Deconstructor::deconstruct) tells of a
/// token, as for rebuilding an index.
///
/// Hashes are not checked, and facts that stand in absent elements are left out: the reference indexes what is there.
///
/// # Errors
/// [`Error::MissingElement`] without the root; [`Error::TypeMismatch`] if it is no token-root;
/// [`Error::VerificationFailed`] if its id is no token id; what the source and
/// [`ElementView::parse`] fail with.
pub fn summary_of_root<S: ElementSource>(
    source: &S,
    root: &ElementHash,
) -> Result<TokenSummary, Error> {
    let bytes = get(source, root, "root")?;
    let view = open(bytes.as_ref(), root, ElementType::TokenRoot)?;
    let Some(token_id) = TokenId::new(&hex_of(&view, "tokenId").unwrap_or_default()) else {
        return Err(Error::VerificationFailed {
            at: format!("token-root {root}"),
            reason: "its id is not 64 to 68 hex digits".to_owned(),
        });
    };
    let mut summary = TokenSummary {
        token_id,
        root: *root,
        token_type: String::new(),
        first_coin: None,
        state_data: None,
        transactions: match view.child("transactions") {
            Some(ChildView::Many(list)) => list.len(),
            _ => 0,
        },
    };
    let data = read_child(source, view.one("genesis"), |genesis| genesis.one("data"))?.flatten();
    if let Some((token_type, coin)) = read_child(source, data, |data| {
        (hex_of(data, "tokenType"), first_coin(data))
    })? {
        summary.token_type = token_type.unwrap_or_default();
        summary.first_coin = coin;
    }
    summary.state_data =
        read_child(source, view.one("state"), |state| hex_of(state, "data"))?.flatten();
    Ok(summary)
}

fn read_child<S: ElementSource, T>(
    source: &S,
    child: Option<ElementHash>,
    read: impl FnOnce(&ElementView<'_>) -> T,
) -> Result<Option<T>, Error> {
    let Some(hash) = child else {
        return Ok(None);
    };
    let Some(bytes) = source.element(&hash)? else {
        return Ok(None);
    };
    Ok(Some(read(&ElementView::parse(bytes.as_ref())?)))
}

fn hex_of(view: &ElementView<'_>, field: &str) -> Option<String> {
    view.bytes(field).map(const_hex::encode)
}

fn first_coin(data: &ElementView<'_>) -> Option<String> {
    let Some(RawValue::List(coins)) = data.field("coinData") else {
        return None;
    };
    let Some(RawValue::List(coin)) = list_items(coins).next() else {
        return None;
    };
    match list_items(coin).next() {
        Some(RawValue::Text(id)) if !id.is_empty() => Some(id.to_owned()),
        _ => None,
    }
}

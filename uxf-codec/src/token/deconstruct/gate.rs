//! What must be true of the outermost token before anything is built, and what is noted of it.

use std::borrow::Cow;

use crate::element::ElementHash;
use crate::error::Error;
use crate::json::{Kind, Node};
use crate::package::TokenId;
use crate::token::TokenSummary;

#[cold]
pub(super) fn invalid_package(reason: &str) -> Error {
    Error::InvalidPackage {
        reason: reason.to_owned(),
    }
}

fn is_object(node: &Node<'_>) -> bool {
    matches!(node.kind(), Kind::Object | Kind::Array)
}

/// Tests in the reference's order that this is a token; its id in lower case. Format notes, section 5.1.
pub(super) fn pass(token: Node<'_>) -> Result<TokenId, Error> {
    if !is_object(&token) {
        return Err(invalid_package("a token must be a JSON object"));
    }
    let [placeholder, genesis, state] = token.fields(["_placeholder", "genesis", "state"]);
    if placeholder.and_then(|flag| flag.as_bool()) == Some(true) {
        return Err(invalid_package(
            "a placeholder is no token: it has no genesis",
        ));
    }
    let Some(genesis) = genesis.filter(is_object) else {
        return Err(invalid_package("the token must have an object `genesis`"));
    };
    if !state.is_some_and(|state| is_object(&state)) {
        return Err(invalid_package("the token must have an object `state`"));
    }
    let Some(data) = genesis.get("data").filter(is_object) else {
        return Err(invalid_package(
            "the token must have an object `genesis.data`",
        ));
    };
    let token_id = data.get("tokenId").and_then(|id| id.as_text());
    let Some(token_id) = token_id.filter(|id| is_token_id(id)) else {
        return Err(invalid_package(
            "`genesis.data.tokenId` must be a text of 64 to 68 hex digits",
        ));
    };
    // An odd number of digits passes the reference's gate and is refused as hex later, with that code.
    match TokenId::new(&token_id.to_ascii_lowercase()) {
        Some(token_id) => Ok(token_id),
        None => Err(invalid_package("`genesis.data.tokenId` is no token id")),
    }
}

fn is_token_id(text: &str) -> bool {
    (64..=68).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Gathers what is noted of a token that has been taken apart.
pub(super) fn summarise(token: Node<'_>, token_id: TokenId, root: ElementHash) -> TokenSummary {
    let [state, genesis, transactions] = token.fields(["state", "genesis", "transactions"]);
    let data = genesis.and_then(|genesis| genesis.get("data"));
    let [token_type, coins] = match data {
        Some(data) => data.fields(["tokenType", "coinData"]),
        None => [None; 2],
    };
    let first_coin = coins
        .and_then(|coins| coins.items().next())
        .and_then(|pair| pair.items().next())
        .and_then(|id| id.as_text());
    TokenSummary {
        token_id,
        root,
        token_type: lower_hex(token_type).unwrap_or_default(),
        first_coin: first_coin.filter(|id| !id.is_empty()).map(Cow::into_owned),
        state_data: state.and_then(|state| lower_hex(state.get("data"))),
        transactions: transactions.map_or(0, |list| list.items().count()),
    }
}

fn lower_hex(value: Option<Node<'_>>) -> Option<String> {
    let text = value?.as_text()?;
    (!text.is_empty()).then(|| text.to_ascii_lowercase())
}

use indexmap::{IndexMap, IndexSet};

use super::read::{entries, hash, is_object};
use crate::error::Error;
use crate::instance_chain::{ChainEntry, ChainIndex, ChainMember};
use crate::json::{Kind, Node};
use crate::package::{Indexes, TokenId};

/// Reads the records of instance chains. What records share goes to the one that the rule for forks prefers.
pub(super) fn read_chains(node: Option<Node<'_>>) -> Result<ChainIndex, Error> {
    let mut index = ChainIndex::default();
    let Some(records) = node.filter(|node| is_object(*node)) else {
        return Ok(index);
    };
    for (_, record) in entries(records) {
        let head = hash(record.get("head"), "instance chain head")?;
        let members = record
            .get("chain")
            .filter(|node| node.kind() == Kind::Array);
        let members =
            members.ok_or_else(|| malformed("instanceChainIndex", "chain must be an array"))?;
        let chain = members.items().map(|member| {
            // The kind is a label that is believed; what is no text can only mean no kind.
            let kind = member.get("kind").and_then(|kind| kind.as_text());
            Ok(ChainMember {
                hash: hash(member.get("hash"), "instance chain member")?,
                kind: kind.unwrap_or_default().into_owned(),
            })
        });
        let chain = chain.collect::<Result<Vec<_>, Error>>()?;
        index.insert(ChainEntry { head, chain });
    }
    Ok(index)
}

/// Reads the secondary indexes, which are believed; missing ones are empty.
pub(super) fn read_indexes(node: Option<Node<'_>>) -> Result<Indexes, Error> {
    let Some(node) = node.filter(|node| is_object(*node)) else {
        return Ok(Indexes::default());
    };
    let mut by_state_data = IndexMap::new();
    if let Some(states) = node.get("byStateHash").filter(|node| is_object(*node)) {
        for (key, id) in entries(states) {
            if let Some(id) = token_id(id) {
                by_state_data.insert(key.into_owned(), id);
            }
        }
    }
    Ok(Indexes {
        by_token_type: read_ids_by(node.get("byTokenType"))?,
        by_coin_id: read_ids_by(node.get("byCoinId"))?,
        by_state_data,
    })
}

fn read_ids_by(node: Option<Node<'_>>) -> Result<IndexMap<String, IndexSet<TokenId>>, Error> {
    let Some(node) = node.filter(|node| is_object(*node)) else {
        return Ok(IndexMap::new());
    };
    let ids_by = entries(node)
        .into_iter()
        .map(|(key, ids)| match ids.kind() {
            Kind::Array | Kind::Null | Kind::Text => {
                Ok((key.into_owned(), ids.items().filter_map(token_id).collect()))
            }
            Kind::Object | Kind::Number | Kind::Bool => {
                Err(malformed("indexes", "ids must be an array"))
            }
        });
    ids_by.collect()
}

fn token_id(node: Node<'_>) -> Option<TokenId> {
    TokenId::new(&node.as_text()?)
}

fn malformed(field: &str, reason: &'static str) -> Error {
    Error::MalformedField {
        field: field.to_owned(),
        reason,
    }
}

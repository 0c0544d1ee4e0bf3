use serde_json::json;
use uxf_codec::token::summary_of_root;

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{count, short};

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let inventory = store::inventory(cli, &engine)?;
    let snapshot = engine.snapshot()?;
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for token in snapshot.tokens(&inventory)? {
        let (id, root) = token?;
        let summary = summary_of_root(&snapshot, &root)
            .map_err(|error| Failure::from(uxf_engine::Error::from(error)))?;
        rows.push(vec![
            id.clone(),
            short(&summary.token_type),
            summary.first_coin.as_deref().map(short).unwrap_or_default(),
            count(summary.transactions as u64),
        ]);
        documents.push(json!({
            "tokenId": id.as_str(),
            "root": root.to_string(),
            "tokenType": summary.token_type,
            "firstCoin": summary.first_coin,
            "stateData": summary.state_data,
            "transactions": summary.transactions,
        }));
    }
    out.say(format!(
        "{} tokens in inventory {:?}",
        count(rows.len() as u64),
        inventory.name()
    ));
    if !rows.is_empty() {
        out.table(&["token", "type", "coin", "transactions"], rows);
    }
    out.document(&json!({ "inventory": inventory.name(), "tokens": documents }));
    Ok(Outcome::Done)
}

//! An application that keeps its wallet in a store: tokens go in, survive closing, come out, and go.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use uxf_codec::json::ArrayItems;
use uxf_codec::token::StateIndex;
use uxf_engine::{Engine, EngineOptions, Error};

const TOKENS: &[u8] = include_bytes!("../../samples/genuine-tokens.json");

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let directory = tempfile::tempdir()?;

    let engine = Engine::open(directory.path(), EngineOptions::new())?;
    let wallet = engine.inventory("wallet")?;
    let mut received = Vec::new();
    for token in ArrayItems::new(TOKENS) {
        // Durable when it returns: a power cut from here on does not lose the token.
        received.push(wallet.ingest(token?)?);
    }
    let stats = engine.stats()?;
    println!(
        "{} tokens, {} elements, {} bytes instead of {} of JSON",
        stats.tokens,
        stats.elements,
        stats.element_bytes,
        TOKENS.len()
    );
    drop((wallet, engine));

    let engine = Engine::open(directory.path(), EngineOptions::new())?;
    let wallet = engine.inventory("wallet")?;
    assert_eq!(wallet.tokens()?.count(), received.len());
    for token in &received {
        let id = token.token_id.as_str();
        let newest = wallet.assemble(id)?;
        let first = wallet.assemble_at(id, StateIndex::At(0))?;
        assert!(first.len() <= newest.len());
        assert_eq!(wallet.root(id)?, Some(token.root));
        println!(
            "{}.. with {} transactions: {} bytes, {} when it was minted",
            id.get(..8).unwrap_or(id),
            token.transactions,
            newest.len(),
            first.len()
        );
    }

    // Several changes at once are applied together or not at all.
    let mut batch = engine.begin();
    for token in &received {
        batch.remove_token(&wallet, token.token_id.as_str())?;
    }
    batch.commit()?;
    engine.sweep(u64::MAX)?;
    assert_eq!(engine.stats()?.elements, 0);
    let gone = received
        .first()
        .map(|token| wallet.assemble(token.token_id.as_str()));
    assert!(matches!(gone, Some(Err(Error::Codec(_)))));
    println!("all spent, nothing is left");
    Ok(())
}

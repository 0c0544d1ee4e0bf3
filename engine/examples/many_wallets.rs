//! A service that keeps the wallets of many users in one store, where they share what their tokens have in common.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use uxf_codec::json::ArrayItems;
use uxf_engine::{Engine, EngineOptions};

const TOKENS: &[u8] = include_bytes!("../../samples/genuine-tokens.json");
const USERS: u64 = 50;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let directory = tempfile::tempdir()?;
    let engine = Engine::open(directory.path(), EngineOptions::new())?;
    let tokens: Vec<&[u8]> = ArrayItems::new(TOKENS).collect::<Result<_, _>>()?;

    let first = engine.inventory("user-0")?;
    let mut batch = engine.begin();
    for token in &tokens {
        batch.ingest(&first, token)?;
    }
    let outcome = batch.commit()?;
    let alone = engine.stats()?.elements;
    assert_eq!(outcome.stored, alone);
    println!(
        "one wallet: {alone} elements, {} bytes",
        outcome.stored_bytes
    );

    // Handles are cheap, and many threads may write; commits that wait are made together.
    std::thread::scope(|scope| {
        let users: Vec<_> = (1..USERS)
            .map(|user| {
                let (engine, tokens) = (&engine, &tokens);
                scope.spawn(move || {
                    let wallet = engine.inventory(&format!("user-{user}"))?;
                    let mut batch = engine.begin();
                    for token in tokens {
                        batch.ingest(&wallet, token)?;
                    }
                    batch.commit()
                })
            })
            .collect();
        for user in users {
            let outcome = user.join().map_err(|_| "a user's thread panicked")??;
            assert_eq!(outcome.stored, 0);
        }
        Ok::<(), Box<dyn core::error::Error>>(())
    })?;
    let stats = engine.stats()?;
    assert_eq!((stats.inventories, stats.elements), (USERS, alone));
    assert_eq!(stats.tokens, USERS * tokens.len() as u64);
    println!(
        "{} wallets: {} tokens, still {} elements, in {} commits",
        stats.inventories,
        stats.tokens,
        stats.elements,
        engine.metrics().commits_total
    );

    // A token stays as long as one wallet has it.
    let ids: Vec<String> = first
        .tokens()?
        .map(|token| token.map(|(id, _)| id))
        .collect::<Result<_, _>>()?;
    for id in &ids {
        assert!(first.remove(id)?);
    }
    engine.sweep(u64::MAX)?;
    assert_eq!(engine.stats()?.elements, alone);
    assert!(engine.check_integrity(&mut |_| ())?.is_clean());
    println!("one user left, the others have everything");
    Ok(())
}

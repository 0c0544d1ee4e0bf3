use serde_json::json;
use uxf_codec::token::{AssembleOptions, Assembler};
use uxf_engine::Engine;

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let bar = out.progress("checking", 0);
    let integrity = engine.check_integrity(&mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    let integrity = integrity?;
    let (tokens, bad) = assemble_all(&engine)?;
    let mut problems: Vec<String> = integrity.problems.iter().map(ToString::to_string).collect();
    problems.extend(bad);
    out.say(format!(
        "checked {} elements ({}) and {} tokens",
        count(integrity.elements),
        bytes(integrity.bytes),
        count(tokens)
    ));
    for problem in &problems {
        out.say(format!("  {problem}"));
    }
    out.document(&json!({
        "elements": integrity.elements,
        "elementBytes": integrity.bytes,
        "tokens": tokens,
        "problems": problems,
    }));
    if problems.is_empty() {
        out.say("all good");
        return Ok(Outcome::Done);
    }
    if out.is_json() {
        return Err(Failure::silent());
    }
    Err(Failure::new(format!(
        "the store is damaged: {} problems",
        count(problems.len() as u64)
    ))
    .with_help("keep the file; export what still reads, and import it into a new store"))
}

/// Puts every token of every inventory together, hashes checked. How many there are, and what is wrong with which.
fn assemble_all(engine: &Engine) -> Result<(u64, Vec<String>), Failure> {
    let snapshot = engine.snapshot()?;
    let mut assembler = Assembler::new();
    let mut json = Vec::new();
    let (mut tokens, mut bad) = (0, Vec::new());
    for name in engine.inventories()? {
        let inventory = engine.inventory(&name)?;
        for token in snapshot.tokens(&inventory)? {
            let (id, root) = token?;
            json.clear();
            tokens += 1;
            let whole =
                assembler.assemble(&snapshot, &root, &AssembleOptions::default(), &mut json);
            if let Err(error) = whole {
                bad.push(format!(
                    "token {id} of inventory {name:?}: {}",
                    chain(&error)
                ));
            }
        }
    }
    Ok((tokens, bad))
}

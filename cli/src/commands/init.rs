use serde_json::json;

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let directory = cli.store();
    if store::exists(&directory) {
        return Err(Failure::new(format!(
            "there is a store in {} already",
            directory.display()
        ))
        .with_help("use it as it is, or name another directory with --store DIR"));
    }
    let engine = store::open_or_make(cli)?;
    engine.inventory(&cli.inventory)?;
    engine.close()?;
    out.say(format!("made an empty store in {}", directory.display()));
    out.document(&json!({ "store": directory, "inventory": cli.inventory }));
    Ok(Outcome::Done)
}

use serde_json::json;

use super::{Outcome, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::bytes;

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let outcome = engine.compact()?;
    let (before, after) = (outcome.file_bytes_before, outcome.file_bytes_after);
    out.say(format!("{} before, {} after", bytes(before), bytes(after)));
    out.document(&json!({ "fileBytesBefore": before, "fileBytesAfter": after }));
    Ok(Outcome::Done)
}

use uxf_codec::token::StateIndex;

use super::{Outcome, store};
use crate::args::{Cli, Show};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(cli: &Cli, args: &Show, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let inventory = store::inventory(cli, &engine)?;
    let found = store::find_tokens(
        &inventory,
        &engine.snapshot()?,
        core::slice::from_ref(&args.token),
    )?;
    let state = args.at.map_or(StateIndex::Latest, StateIndex::At);
    for id in found {
        let token = inventory.assemble_at(id.as_str(), state)?;
        out.raw(&readable(&token, out.is_json())?);
    }
    Ok(Outcome::Done)
}

/// The token as it is for a machine, or indented for a person. The order of keys stays.
fn readable(token: &[u8], is_json: bool) -> Result<String, Failure> {
    if is_json {
        return Ok(String::from_utf8_lossy(token).into_owned());
    }
    let value: serde_json::Value = serde_json::from_slice(token).map_err(Failure::new)?;
    serde_json::to_string_pretty(&value).map_err(Failure::new)
}

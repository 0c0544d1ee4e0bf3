use serde_json::json;

use super::{Outcome, profile};
use crate::args::{Cli, Key};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(cli: &Cli, args: &Key, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let had_value = profile.get(&args.key)?.is_some();
    // Without a value here it still counts against what other devices wrote before.
    profile.delete(&args.key)?;
    let key = profile::printable(&args.key);
    out.say(if had_value {
        format!("deleted {key}")
    } else {
        format!("{key} had no value here; deleted for the other devices")
    });
    out.document(&json!({ "key": args.key, "hadValue": had_value }));
    profile.engine().close()?;
    Ok(Outcome::Done)
}

use serde_json::json;

use super::{Outcome, store};
use crate::args::{Cli, Gc};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, args: &Gc, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let outcome = if args.dry_run {
        engine.sweep_preview()?
    } else {
        engine.sweep(u64::MAX)?
    };
    let what = if args.dry_run {
        "would delete"
    } else {
        "deleted"
    };
    out.say(format!(
        "{what} {} elements ({})",
        count(outcome.elements),
        bytes(outcome.bytes)
    ));
    if outcome.remaining > 0 {
        out.say(format!(
            "{} more are still protected",
            count(outcome.remaining)
        ));
    }
    out.document(&json!({
        "dryRun": args.dry_run,
        "elements": outcome.elements,
        "bytes": outcome.bytes,
        "remaining": outcome.remaining,
    }));
    Ok(Outcome::Done)
}

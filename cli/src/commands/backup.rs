use serde_json::json;

use super::{Outcome, store};
use crate::args::{Backup, Cli};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, args: &Backup, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let copied = engine
        .backup_to(&args.to)
        .map_err(|error| Failure::from(&error).about(args.to.display()))?;
    out.say(format!(
        "copied {} elements ({}) to {}",
        count(copied.elements),
        bytes(copied.element_bytes),
        args.to.display()
    ));
    out.document(&json!({ "to": args.to, "elements": copied.elements, "elementBytes": copied.element_bytes }));
    Ok(Outcome::Done)
}

use serde_json::json;
use uxf_engine::Engine;
use uxf_engine::profile::CompactedLog;

use super::{Outcome, profile, store};
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::{Output, complain};
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    let engine = store::open(cli)?;
    let profiles = engine.profiles()?.len();
    let mut outcome = Outcome::Done;
    let mut compacted = None;
    if profiles > 0 {
        match compact_profile(cli, &engine) {
            Ok(log) => {
                let dropped = log.operations.saturating_sub(log.live);
                out.say(format!(
                    "{} of this device's {} operations no longer counted",
                    count(dropped),
                    count(log.operations)
                ));
                compacted = Some(log);
            }
            // The space in the file does not depend on it.
            Err(failure) => {
                outcome = Outcome::InPart;
                complain(&failure.about("the profile was left as it is"), false);
            }
        }
    }
    if profiles > 1 {
        let others = profiles - usize::from(compacted.is_some());
        out.say(format!(
            "{others} profiles of other seeds are left as they are"
        ));
    }
    let file = engine.compact()?;
    let (before, after) = (file.file_bytes_before, file.file_bytes_after);
    out.say(format!("{} before, {} after", bytes(before), bytes(after)));
    out.document(&json!({
        "operations": compacted.map(|log| log.operations),
        "liveOperations": compacted.map(|log| log.live),
        "fileBytesBefore": before,
        "fileBytesAfter": after,
    }));
    Ok(outcome)
}

/// Compacts the log of this device, and deletes what it held.
fn compact_profile(cli: &Cli, engine: &Engine) -> Result<CompactedLog, Failure> {
    let log = profile::of(cli, engine)?.compact()?;
    engine.sweep(u64::MAX)?;
    Ok(log)
}

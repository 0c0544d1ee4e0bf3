use serde_json::json;
use uxf_engine::oplog::OpKind;
use uxf_engine::profile::{LoggedOperation, Profile};

use super::{Outcome, profile};
use crate::args::{Cli, Log};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{count, utc};

pub(super) fn run(cli: &Cli, args: &Log, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let names = profile::Names::of(&profile)?;
    let operations = newest(&profile, args.limit)?;
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for operation in &operations {
        let what = match operation.kind {
            OpKind::Delete => "delete",
            _ => "put",
        };
        rows.push(vec![
            utc(operation.time.millis()),
            names.name(operation.log.device),
            count(operation.seq),
            what.to_owned(),
            profile::printable(&operation.key),
        ]);
        documents.push(json!({
            "timeMs": operation.time.millis(),
            "device": operation.log.device.to_string(),
            "epoch": operation.log.epoch.as_u64().to_string(),
            "seq": operation.seq,
            "what": what,
            "key": operation.key,
        }));
    }
    if rows.is_empty() {
        out.say("nothing was written yet");
    } else {
        out.table(&["time", "device", "seq", "what", "key"], rows);
    }
    out.document(&json!({ "operations": documents }));
    Ok(Outcome::Done)
}

/// The newest operations of all logs, newest first. Never holds more than twice as many.
fn newest(profile: &Profile, limit: usize) -> Result<Vec<LoggedOperation>, Failure> {
    let mut kept = Vec::new();
    let trim = |kept: &mut Vec<LoggedOperation>| {
        kept.sort_by_key(|one| core::cmp::Reverse((one.time, one.log, one.seq)));
        kept.truncate(limit);
    };
    profile.history(|operation| {
        kept.push(operation);
        if kept.len() > limit.saturating_mul(2) {
            trim(&mut kept);
        }
    })?;
    trim(&mut kept);
    Ok(kept)
}

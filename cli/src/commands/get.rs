use serde_json::json;
use uxf_engine::oplog::HybridTime;

use super::{Outcome, profile};
use crate::args::{Cli, Key};
use crate::failure::Failure;
use crate::output::Output;

pub(super) fn run(cli: &Cli, args: &Key, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let Some(value) = profile.get(&args.key)? else {
        let key = profile::printable(&args.key);
        return Err(Failure::new(format!("{key} has no value"))
            .with_help("`uxf keys` lists those that have one"));
    };
    if !out.is_json() {
        out.bytes(value.as_bytes());
        return Ok(Outcome::Done);
    }
    let (device, seq) = match value.written_by() {
        Some((log, seq)) => (Some(log.device.to_string()), Some(seq)),
        None => (None, None),
    };
    out.document(&json!({
        "key": args.key,
        "value": core::str::from_utf8(value.as_bytes()).ok(),
        "hex": const_hex::encode(value.as_bytes()),
        "timeMs": value.time().map(HybridTime::millis),
        "device": device,
        "seq": seq,
    }));
    Ok(Outcome::Done)
}

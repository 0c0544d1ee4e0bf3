use serde_json::json;

use super::{Outcome, profile};
use crate::args::{Cli, Keys};
use crate::failure::{Failure, chain};
use crate::output::{Output, complain};
use crate::text::{bytes, count, utc};

pub(super) fn run(cli: &Cli, args: &Keys, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let names = profile::Names::of(&profile)?;
    let snapshot = profile.engine().snapshot()?;
    let view = snapshot.profile(&profile);
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    let mut outcome = Outcome::Done;
    for info in view.keys(&args.prefix)? {
        let info = info?;
        let size = match view.get(&info.key) {
            Ok(value) => value.map(|value| value.as_bytes().len() as u64),
            // One that cannot be opened hides no other.
            Err(error) => {
                outcome = Outcome::InPart;
                complain(&Failure::new(chain(&error)), false);
                None
            }
        };
        rows.push(vec![
            profile::printable(&info.key),
            size.map_or_else(|| "unreadable".to_owned(), bytes),
            utc(info.time.millis()),
            names.name(info.log.device),
        ]);
        documents.push(json!({
            "key": info.key,
            "bytes": size,
            "timeMs": info.time.millis(),
            "device": info.log.device.to_string(),
        }));
    }
    out.say(format!("{} keys", count(rows.len() as u64)));
    if !rows.is_empty() {
        out.table(&["key", "size", "time", "device"], rows);
    }
    out.document(&json!({ "keys": documents }));
    Ok(outcome)
}

use std::fs::File;
use std::io::{self, Read};

use serde_json::json;
use zeroize::Zeroizing;

use super::{Outcome, profile};
use crate::args::{Cli, Put};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::bytes;

/// Longest value that is read, in bytes. The store takes less, and says so itself.
const VALUE_BYTES_MAX: usize = 16 << 20;

pub(super) fn run(cli: &Cli, args: &Put, out: &Output) -> Result<Outcome, Failure> {
    let value = value(args)?;
    let profile = profile::open(cli)?;
    profile.put(&args.key, &value)?;
    let size = value.len();
    out.say(format!(
        "{}: {}",
        profile::printable(&args.key),
        bytes(size as u64)
    ));
    out.document(&json!({ "key": args.key, "bytes": size }));
    profile.engine().close()?;
    Ok(Outcome::Done)
}

fn value(args: &Put) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match (&args.file, args.value.as_deref()) {
        (Some(path), _) => File::open(path)
            .map_err(Failure::from)
            .and_then(read)
            .map_err(|failure| failure.about(path.display())),
        (None, Some("-")) => {
            read(io::stdin().lock()).map_err(|failure| failure.about("standard input"))
        }
        (None, value) => Ok(Zeroizing::new(
            value.unwrap_or_default().as_bytes().to_vec(),
        )),
    }
}

fn read(from: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut value = Zeroizing::new(Vec::new());
    let mut from = from.take(VALUE_BYTES_MAX as u64 + 1);
    from.read_to_end(&mut value)?;
    if value.len() > VALUE_BYTES_MAX {
        let most = bytes(VALUE_BYTES_MAX as u64);
        return Err(Failure::new(format!("is larger than {most}")));
    }
    Ok(value)
}

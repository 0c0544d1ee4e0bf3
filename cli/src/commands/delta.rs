use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::json;
use uxf_engine::oplog::{VECTOR_BYTES_MAX, VersionVector};
use uxf_engine::profile::IngestOutcome;

use super::new_file::NewFile;
use super::{Outcome, profile};
use crate::args::{Cli, Delta};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, args: &Delta, out: &Output) -> Result<Outcome, Failure> {
    match args {
        Delta::Export { file, since } => export(cli, file, since.as_deref(), out),
        Delta::Vector { file } => vector(cli, file, out),
        Delta::Import { file } => import(cli, file, out),
    }
}

fn export(cli: &Cli, to: &Path, since: Option<&Path>, out: &Output) -> Result<Outcome, Failure> {
    let theirs = match since {
        Some(path) => read_vector(path).map_err(|failure| failure.about(path.display()))?,
        None => VersionVector::default(),
    };
    let profile = profile::open(cli)?;
    let mut file = begin(to)?;
    let export = profile
        .export_delta(&theirs, &mut file.out)
        .map_err(|error| Failure::from(&error).about(to.display()))?;
    let size = file.out.get_ref().metadata()?.len();
    file.keep()?;
    let checkpoints = match export.checkpoints {
        0 => String::new(),
        number => format!(" and {} checkpoints", count(number)),
    };
    out.say(format!(
        "{}: {} commits{checkpoints}, {}",
        to.display(),
        count(export.commits),
        bytes(size)
    ));
    out.document(&json!({
        "file": to,
        "commits": export.commits,
        "checkpoints": export.checkpoints,
        "blocks": export.blocks,
        "bytes": size,
    }));
    Ok(Outcome::Done)
}

fn vector(cli: &Cli, to: &Path, out: &Output) -> Result<Outcome, Failure> {
    let vector = profile::open(cli)?.version_vector()?;
    let mut file = begin(to)?;
    let written = file.out.write_all(&vector.encode());
    written.map_err(|error| Failure::new(error).about(to.display()))?;
    file.keep()?;
    let logs = vector.iter().len();
    out.say(format!("{}: {} logs", to.display(), count(logs as u64)));
    out.document(&json!({ "file": to, "logs": logs }));
    Ok(Outcome::Done)
}

fn import(cli: &Cli, from: &Path, out: &Output) -> Result<Outcome, Failure> {
    let file = File::open(from).map_err(|error| Failure::new(error).about(from.display()))?;
    let profile = profile::open(cli)?;
    let taken = profile
        .import_delta(file)
        .map_err(|error| Failure::from(&error).about(from.display()))?;
    profile.engine().close()?;
    say_taken(from, &taken, out);
    Ok(Outcome::Done)
}

/// Says what a delta file has brought.
pub(super) fn say_taken(from: &Path, taken: &IngestOutcome, out: &Output) {
    out.say(format!(
        "{}: {} commits new, {} known",
        from.display(),
        count(taken.applied),
        count(taken.known)
    ));
    if taken.checkpoints > 0 {
        out.say(format!("  {} checkpoints new", count(taken.checkpoints)));
    }
    if taken.parked > 0 {
        out.say(format!(
            "  {} commits are of a time that has not come; they count from then on",
            count(taken.parked)
        ));
    }
    out.document(&json!({
        "file": from,
        "applied": taken.applied,
        "known": taken.known,
        "checkpoints": taken.checkpoints,
        "parked": taken.parked,
    }));
}

fn begin(to: &Path) -> Result<NewFile, Failure> {
    NewFile::begin(to).map_err(|error| Failure::new(error).about(to.display()))
}

fn read_vector(path: &Path) -> Result<VersionVector, Failure> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(VECTOR_BYTES_MAX as u64 + 1);
    file.read_to_end(&mut bytes)?;
    VersionVector::decode(&bytes)
        .map_err(|error| Failure::new(error).with_help("`uxf delta vector FILE` writes one"))
}

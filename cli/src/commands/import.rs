use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use uxf_engine::{ImportOptions, ImportReport, Inventory, Progress};

use super::{Outcome, store};
use crate::args::{Cli, Import};
use crate::failure::{Failure, chain};
use crate::output::{Output, complain};
use crate::text::{bytes, count, short};

pub(super) fn run(cli: &Cli, args: &Import, out: &Output) -> Result<Outcome, Failure> {
    if args.dry_run {
        return Err(Failure::new("only an import with verdicts can be tried")
            .with_help("add --strict, and the tokens are judged for the profile's wallet"));
    }
    let is_new = !store::exists(&cli.store());
    let engine = store::open_or_make(cli)?;
    if is_new {
        out.say(format!("made a store in {}", cli.store().display()));
    }
    let inventory = engine.inventory(&cli.inventory)?;
    let (mut accepted, mut refused) = (0, 0);
    let mut documents = Vec::new();
    for file in &args.files {
        match import_file(&inventory, file, args.max_file << 20, out) {
            Ok(report) => {
                accepted += report.accepted();
                refused += report.rejected.len() + usize::from(report.instances_left_out > 0);
                say(file, &report, out);
                documents.push(document(file, &report));
            }
            Err(failure) => {
                refused += 1;
                complain(&failure, false);
                let document =
                    json!({ "file": file, "error": failure.message(), "help": failure.help() });
                documents.push(document);
            }
        }
    }
    engine.close()?;
    out.document(&json!({ "store": cli.store(), "inventory": cli.inventory, "files": documents }));
    match (accepted, refused) {
        (_, 0) => Ok(Outcome::Done),
        (0, _) => Err(Failure::silent()),
        _ => Ok(Outcome::InPart),
    }
}

fn import_file(
    inventory: &Inventory,
    file: &Path,
    bytes_max: u64,
    out: &Output,
) -> Result<ImportReport, Failure> {
    let input = read(file, bytes_max)?;
    let bar = out.progress("importing", input.len() as u64);
    let report = |done| bar.set_position(done);
    let result = inventory.import(&input, &ImportOptions::new(), Progress::new(&report));
    bar.finish_and_clear();
    result.map_err(|error| Failure::from(&error).about(file.display()))
}

/// Reads a file whole, unless it is larger than it may be.
pub(super) fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::new(error).about(file.display());
    let opened = File::open(file).map_err(failed)?;
    if opened.metadata().map_err(failed)?.is_dir() {
        return Err(Failure::new("is a directory")
            .about(file.display())
            .with_help("name the files in it"));
    }
    let mut input = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits, also for pipes.
    opened
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut input)
        .map_err(failed)?;
    if input.len() as u64 > bytes_max {
        return Err(Failure::new(format!("is larger than {}", bytes(bytes_max)))
            .about(file.display())
            .with_help("allow more with --max-file MIB if you trust it"));
    }
    if input.is_empty() {
        return Err(Failure::new("is empty").about(file.display()));
    }
    Ok(input)
}

pub(super) fn say(file: &Path, report: &ImportReport, out: &Output) {
    out.say(format!(
        "{}: {}, {} added, {} updated, {} unchanged, {} refused; {} elements new ({})",
        file.display(),
        report.kind,
        count(report.added),
        count(report.updated),
        count(report.unchanged),
        count(report.rejected.len() as u64),
        count(report.stored),
        bytes(report.stored_bytes),
    ));
    if report.instances_left_out > 0 {
        out.say(format!(
            "  {} newer instances were left out: the file lacks something they name",
            count(report.instances_left_out)
        ));
    }
    for rejected in &report.rejected {
        let id = rejected
            .token_id
            .as_deref()
            .map(|id| format!(" ({})", short(id)));
        out.say(format!(
            "  token {}{} refused: {}",
            rejected.index,
            id.unwrap_or_default(),
            chain(&rejected.error)
        ));
    }
}

pub(super) fn document(file: &Path, report: &ImportReport) -> Value {
    let rejected: Vec<Value> = report
        .rejected
        .iter()
        .map(|rejected| {
            json!({
                "index": rejected.index,
                "tokenId": rejected.token_id,
                "code": rejected.error.code(),
                "error": chain(&rejected.error),
            })
        })
        .collect();
    json!({
        "file": file,
        "kind": report.kind.to_string(),
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "elementsNew": report.stored,
        "elementBytesNew": report.stored_bytes,
        "instancesLeftOut": report.instances_left_out,
        "rejected": rejected,
    })
}

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use serde_json::json;
use uxf_codec::carriage::car::CarProfile;
use uxf_codec::package::{Timestamp, TokenId};
use uxf_engine::{ExportOptions, Inventory};

use super::new_file::NewFile;
use super::{Outcome, automerge, store};
use crate::args::{Cli, Export, Format};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::{bytes, count};

pub(super) fn run(cli: &Cli, args: &Export, out: &Output) -> Result<Outcome, Failure> {
    if args.format == Format::Automerge {
        return profile(cli, args, out);
    }
    if args.history {
        return Err(Failure::new("tokens are exported with their whole history")
            .with_help("leave --history to `--format automerge`"));
    }
    let engine = store::open(cli)?;
    let inventory = store::inventory(cli, &engine)?;
    let tokens = store::find_tokens(&inventory, &engine.snapshot()?, &args.tokens)?;
    if tokens.is_empty() {
        return Err(Failure::new("there are no tokens to export")
            .with_help("`uxf import FILE` brings some in"));
    }
    let written = write(&inventory, &tokens, args)?;
    for (file, size) in &written.files {
        out.say(format!("{}: {}", file.display(), bytes(*size)));
    }
    for cid in &written.bundles {
        out.say(format!("bundle {cid}"));
    }
    let exported = tokens.len() - written.too_large.len();
    out.say(format!("exported {} tokens", count(exported as u64)));
    for token in &written.too_large {
        out.say(format!(
            "  {token} does not fit into any CAR that other programs read; export it as JSON"
        ));
    }
    let files: Vec<_> = written
        .files
        .iter()
        .map(|(file, size)| json!({ "file": file, "bytes": size }))
        .collect();
    out.document(&json!({
        "tokens": exported,
        "files": files,
        "bundles": written.bundles,
        "tooLarge": written.too_large,
    }));
    match (exported, written.too_large.len()) {
        (_, 0) => Ok(Outcome::Done),
        (0, _) => Err(Failure::silent()),
        _ => Ok(Outcome::InPart),
    }
}

fn profile(cli: &Cli, args: &Export, out: &Output) -> Result<Outcome, Failure> {
    if !args.tokens.is_empty() || args.complete {
        return Err(
            Failure::new("an Automerge document has the profile and no tokens")
                .with_help("name neither tokens nor --complete with `--format automerge`"),
        );
    }
    automerge::export(cli, args, out)
}

#[derive(Debug, Default)]
struct Written {
    files: Vec<(PathBuf, u64)>,
    /// Ids of the bundles in the files, by which `uxf pin` stores and `uxf fetch` fetches them.
    bundles: Vec<String>,
    too_large: Vec<String>,
}

fn write(inventory: &Inventory, tokens: &[TokenId], args: &Export) -> Result<Written, Failure> {
    let profile = if args.complete {
        CarProfile::Complete
    } else {
        CarProfile::Exact
    };
    let options = ExportOptions::new(now()).profile(profile);
    let mut written = Written::default();
    match args.format {
        Format::Json => {
            let mut file = NewFile::begin(&args.out)?;
            let size = inventory.export_json(tokens, &mut file.out)?;
            written.files.push((file.keep()?, size));
        }
        Format::UxfJson => {
            let mut file = NewFile::begin(&args.out)?;
            let size = inventory.export_uxf_json(tokens, &options, &mut file.out)?;
            written.files.push((file.keep()?, size));
        }
        Format::Car => {
            let mut begun = Vec::new();
            let export = inventory.export_cars(tokens, &options, |number| {
                let file = NewFile::begin(&numbered(&args.out, number))?;
                let out = file.out.get_ref().try_clone()?;
                begun.push(file);
                Ok(BufWriter::new(out))
            })?;
            for (file, car) in begun.into_iter().zip(export.cars) {
                written.files.push((file.keep()?, car.bytes));
                written.bundles.push(car.root.to_cid_text());
            }
            written.too_large = export
                .too_large
                .iter()
                .map(|token| token.token_id.to_string())
                .collect();
        }
        Format::Automerge => {}
    }
    Ok(written)
}

/// FILE, FILE.2, FILE.3 ...
fn numbered(out: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return out.to_owned();
    }
    let mut name = out.as_os_str().to_owned();
    name.push(format!(".{}", number + 1));
    name.into()
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person's command is made at a time, and exports say which"
)]
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_secs(since.map_or(0, |since| since.as_secs()))
}

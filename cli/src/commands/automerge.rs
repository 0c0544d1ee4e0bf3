//! The profile as an Automerge document.

use crate::args::{Cli, Export};
use crate::commands::Outcome;
use crate::failure::Failure;
use crate::output::Output;

#[cfg(feature = "automerge")]
pub(super) fn export(cli: &Cli, args: &Export, out: &Output) -> Result<Outcome, Failure> {
    use std::io::Write as _;

    use uxf_engine::profile::automerge::AutomergeExport;

    let profile = super::profile::open(cli)?;
    let what = if args.history {
        AutomergeExport::History
    } else {
        AutomergeExport::State
    };
    let document = zeroize::Zeroizing::new(profile.export_automerge(what, |_| {})?);
    let size = document.len() as u64;
    let about = |error| Failure::new(error).about(args.out.display());
    let mut file = super::new_file::NewFile::begin_private(&args.out).map_err(about)?;
    file.out.write_all(&document).map_err(about)?;
    file.keep()?;
    out.say(format!(
        "{}: {}; the values in it are not sealed: whoever has the file reads them",
        args.out.display(),
        crate::text::bytes(size)
    ));
    out.document(&serde_json::json!({ "file": args.out, "bytes": size, "history": args.history }));
    Ok(Outcome::Done)
}

#[cfg(not(feature = "automerge"))]
pub(super) fn export(_: &Cli, _: &Export, _: &Output) -> Result<Outcome, Failure> {
    Err(Failure::new("this uxf was built without Automerge")
        .with_help("build it with the feature `automerge`, which is on by default"))
}

//! Runs every golden vector of a directory against the codec and the rules of the profile.
//!
//! The directory is laid out like `tests/vectors`; files are found by listing, never by name, so vectors that are
//! kept elsewhere run the same way. Fields that no check knows are noted as not covered instead of being passed
//! over. Where the reference's in-memory ("fresh") and canonical answers differ, the canonical one counts.

mod car;
mod chain_merges;
mod chains;
mod elements;
mod facts;
mod fresh;
mod invalid;
mod joins;
pub mod json;
mod large;
mod package_build;
mod packages;
mod profile;
mod report;
mod tokens;
mod transfer;
mod vectors;
mod wallet;

use std::path::Path;

pub use report::{Failure, Group, Report, Scope, Tally};
use vectors::Vectors;

/// The folders inside `uxf`, by which a directory is recognised as that folder itself.
const UXF_FOLDERS: &[&str] = &[
    "tokens", "expect", "packages", "chains", "joins", "transfer", "invalid",
];

/// Runs every vector under a directory.
///
/// The directory holds `uxf/`, `profile/` and perhaps other folders, or is itself laid out like one of the two.
pub fn run(directory: &Path) -> Report {
    let mut report = Report::new();
    let is_uxf_itself = UXF_FOLDERS.iter().any(|name| directory.join(name).is_dir());
    if is_uxf_itself {
        run_uxf(&mut report, directory);
        return report;
    }
    if profile::is_laid_out(directory) {
        profile::run(&mut report, directory);
        return report;
    }
    for folder in vectors::list(directory).iter().filter(|path| path.is_dir()) {
        let name = vectors::file_name(folder);
        match name.as_str() {
            "uxf" => run_uxf(&mut report, folder),
            "profile" => profile::run(&mut report, folder),
            _ => {
                let files = vectors::walk(folder);
                for file in files.iter().filter(|file| !vectors::is_readme(file)) {
                    report.not_covered(file.display().to_string());
                }
            }
        }
    }
    report
}

fn run_uxf(report: &mut Report, root: &Path) {
    let vectors = Vectors::new(root);
    tokens::run(report, &vectors);
    packages::run(report, &vectors);
    chains::run(report, &vectors);
    joins::run(report, &vectors);
    transfer::run(report, &vectors);
    invalid::run(report, &vectors);
    wallet::run(report, &vectors);
    for folder in vectors::list(root).iter().filter(|path| path.is_dir()) {
        if !UXF_FOLDERS.contains(&vectors::file_name(folder).as_str()) {
            for file in vectors::walk(folder) {
                report.not_covered(file.display().to_string());
            }
        }
    }
}

/// Runs the checks of one file; a panic in them is a failure of that file and not the end of the run.
pub(crate) fn guarded(
    report: &mut Report,
    group: (&str, &str),
    file: &str,
    checks: impl FnOnce(&mut Scope<'_>),
) {
    let mut scope = report.file(group.0, group.1, file);
    let outcome = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| checks(&mut scope)));
    if let Err(panic) = outcome {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("of unknown kind");
        scope.fail("all of it", "no panic", format!("panic: {text}"));
    }
}

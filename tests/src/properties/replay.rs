use std::fs;
use std::path::Path;

use super::{ALL, Violation};

/// What came of replaying a folder of inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayOutcome {
    /// Inputs that were run.
    pub inputs: usize,
    /// Inputs that broke their property, as `target/file`, and how.
    pub broken: Vec<(String, Violation)>,
    /// Folders that no property has the name of.
    pub unknown: Vec<String>,
}

/// Runs every file of `directory/TARGET/` through the property of that target.
///
/// # Errors
/// What reading the directory fails with.
pub fn replay(directory: &Path) -> std::io::Result<ReplayOutcome> {
    let mut outcome = ReplayOutcome::default();
    for folder in fs::read_dir(directory)? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        let target = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some((_, property)) = ALL.iter().find(|(name, _)| *name == target) else {
            outcome.unknown.push(target);
            continue;
        };
        for file in fs::read_dir(&folder)? {
            let file = file?.path();
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            outcome.inputs += 1;
            if let Err(violation) = property(&fs::read(&file)?) {
                outcome.broken.push((format!("{target}/{name}"), violation));
            }
        }
    }
    Ok(outcome)
}

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::json;

/// A directory laid out like `uxf/`.
#[derive(Debug)]
pub(super) struct Vectors {
    root: PathBuf,
}

impl Vectors {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Files of a folder, sorted, without READMEs. Empty if there is no such folder.
    pub(super) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files = list(&self.root.join(folder));
        files.retain(|path| path.is_file() && !is_readme(path));
        files
    }

    /// A file by its path relative to the root, `None` if it is not there.
    pub(super) fn bytes(&self, relative: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(relative)).ok()
    }

    /// A JSON file by its path relative to the root.
    pub(super) fn json(&self, relative: &str) -> Option<Value> {
        json::parse(&self.bytes(relative)?).ok()
    }
}

/// Reads a vector file as JSON.
pub(super) fn read_json(path: &Path) -> Result<Value, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    json::parse(&text).map_err(|error| error.to_string())
}

/// What a directory holds, sorted by name.
pub(super) fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// All files under a directory.
pub(super) fn walk(directory: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) =
        list(directory).into_iter().partition(|path| path.is_dir());
    for folder in folders {
        files.extend(walk(&folder));
    }
    files
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(super) fn is_readme(path: &Path) -> bool {
    file_name(path).starts_with("README")
}

//! A directory in which files appear.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::new_file::PARTIAL;

/// What lies in a directory, and what became of it.
pub(super) struct Inbox {
    directory: PathBuf,
    /// Whether a file is left alone until it was found unchanged.
    settles: bool,
    files: BTreeMap<PathBuf, Seen>,
}

/// A file as it was when it was last looked at.
struct Seen {
    len: u64,
    modified: Option<SystemTime>,
    state: State,
}

#[derive(Clone, PartialEq, Eq)]
enum State {
    /// It may still be growing.
    New,
    Ready,
    Done,
    /// For this reason; another file may bring what it lacked.
    Refused(String),
}

impl Inbox {
    pub(super) fn new(directory: &Path, settles: bool) -> Self {
        Self {
            directory: directory.to_owned(),
            settles,
            files: BTreeMap::new(),
        }
    }

    /// Looks at what is there. What has changed since the last time is new.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // One that has just gone is none.
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if metadata.is_file() && !is_partial(&path) {
                let seen = self.see(&path, &metadata);
                files.insert(path, seen);
            }
        }
        self.files = files;
        Ok(())
    }

    fn see(&self, path: &Path, metadata: &Metadata) -> Seen {
        let (len, modified) = (metadata.len(), metadata.modified().ok());
        let before = self.files.get(path);
        let before = before.filter(|seen| (seen.len, seen.modified) == (len, modified));
        let state = match before.map(|seen| &seen.state) {
            None if self.settles => State::New,
            None | Some(State::New) => State::Ready,
            Some(state) => state.clone(),
        };
        Seen {
            len,
            modified,
            state,
        }
    }

    /// If there is something new, that and what was refused before.
    pub(super) fn waiting(&self) -> Vec<PathBuf> {
        let mut files = self.files.values();
        if !files.any(|seen| seen.state == State::Ready) {
            return Vec::new();
        }
        let files = self.files.iter();
        files
            .filter(|(_, seen)| matches!(seen.state, State::Ready | State::Refused(_)))
            .map(|(path, _)| path.clone())
            .collect()
    }

    pub(super) fn done(&mut self, path: &Path) {
        if let Some(seen) = self.files.get_mut(path) {
            seen.state = State::Done;
        }
    }

    /// Whether that is news.
    pub(super) fn refuse(&mut self, path: &Path, reason: &str) -> bool {
        let state = State::Refused(reason.to_owned());
        match self.files.get_mut(path) {
            Some(seen) if seen.state != state => {
                seen.state = state;
                true
            }
            _ => false,
        }
    }
}

/// Whether `uxf` is still writing it.
fn is_partial(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().ends_with(PARTIAL.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, content: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn a_file_waits_until_it_is_found_unchanged_and_again_when_it_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::new(directory.path(), true);
        let path = file(directory.path(), "a", "1");
        inbox.look().unwrap();
        assert!(inbox.waiting().is_empty());
        file(directory.path(), "a", "12");
        inbox.look().unwrap();
        assert!(inbox.waiting().is_empty());
        inbox.look().unwrap();
        assert_eq!(inbox.waiting(), std::slice::from_ref(&path));
        inbox.done(&path);
        inbox.look().unwrap();
        assert!(inbox.waiting().is_empty());
        file(directory.path(), "a", "123");
        inbox.look().unwrap();
        inbox.look().unwrap();
        assert_eq!(inbox.waiting(), [path]);
    }

    #[test]
    fn what_was_refused_waits_for_something_new_and_is_news_once_for_each_reason() {
        let directory = tempfile::tempdir().unwrap();
        let mut inbox = Inbox::new(directory.path(), false);
        let refused = file(directory.path(), "a", "1");
        file(directory.path(), "b.partial", "1");
        fs::create_dir(directory.path().join("c")).unwrap();
        inbox.look().unwrap();
        assert_eq!(inbox.waiting(), std::slice::from_ref(&refused));
        assert!(inbox.refuse(&refused, "a gap"));
        inbox.look().unwrap();
        assert!(inbox.waiting().is_empty());
        let new = file(directory.path(), "b", "1");
        inbox.look().unwrap();
        assert_eq!(inbox.waiting(), [refused.clone(), new]);
        assert!(!inbox.refuse(&refused, "a gap"));
        assert!(inbox.refuse(&refused, "another gap"));
        fs::remove_file(&refused).unwrap();
        inbox.look().unwrap();
        assert!(!inbox.refuse(&refused, "gone"));
    }
}

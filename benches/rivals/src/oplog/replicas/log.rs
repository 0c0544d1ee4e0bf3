//! A file of its own for those who have none: encoded changes, one after the other, each written by one call and followed
//! by one `fdatasync`. There is no checksum, so a torn tail would not be found out: what a real log costs on top is a
//! present to those who use this one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::Outcome;

const LENGTH_BYTES: usize = 4;

/// A state, and the changes made since.
pub(super) struct Log {
    file: File,
    state_path: PathBuf,
    frame: Vec<u8>,
}

/// What a log held when it was opened.
pub(super) struct Recovered {
    pub(super) state: Option<Vec<u8>>,
    pub(super) changes: Vec<Vec<u8>>,
}

impl Log {
    pub(super) fn open(dir: &Path) -> Outcome<(Self, Recovered)> {
        let path = dir.join("log");
        let state_path = dir.join("state");
        let recovered = Recovered {
            state: read_if_there(&state_path)?,
            changes: split(&read_if_there(&path)?.unwrap_or_default())?,
        };
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let log = Self {
            file,
            state_path,
            frame: Vec::new(),
        };
        Ok((log, recovered))
    }

    pub(super) fn append(&mut self, change: &[u8]) -> Outcome<()> {
        self.frame.clear();
        let length = u32::try_from(change.len())?;
        self.frame.extend_from_slice(&length.to_le_bytes());
        self.frame.extend_from_slice(change);
        self.file.write_all(&self.frame)?;
        Ok(self.file.sync_data()?)
    }

    /// Puts one state in the place of everything so far.
    pub(super) fn replace(&mut self, state: &[u8]) -> Outcome<()> {
        let mut file = File::create(&self.state_path)?;
        file.write_all(state)?;
        file.sync_data()?;
        self.file.set_len(0)?;
        Ok(self.file.sync_data()?)
    }
}

fn read_if_there(path: &Path) -> Outcome<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn split(mut bytes: &[u8]) -> Outcome<Vec<Vec<u8>>> {
    let mut changes = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (change, rest) = rest.split_at_checked(length).ok_or("the log is torn")?;
        changes.push(change.to_vec());
        bytes = rest;
    }
    Ok(changes)
}

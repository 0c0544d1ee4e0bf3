use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::{LegacyDirectory, LegacyError};

/// Name of the lock.
pub(super) const LOCK_FILE: &str = ".migrate.lock";

/// Keeps other programs that ask for it from moving the same wallet. The lock of a program that is gone holds nobody up.
#[derive(Debug)]
#[must_use = "the lock ends when it is dropped"]
pub struct LegacyLock {
    held: Vec<(PathBuf, File)>,
}

impl LegacyDirectory {
    /// Locks the directory, and that of the tokens if it lies elsewhere.
    ///
    /// # Errors
    /// [`LegacyError::Busy`]: another program has it, or one of the reference that keeps a directory of the lock's name.
    /// [`LegacyError::Io`].
    pub fn lock(&self) -> Result<LegacyLock, LegacyError> {
        let mut lock = LegacyLock { held: Vec::new() };
        lock.take(self.path())?;
        if !self.tokens().starts_with(self.path()) && self.tokens().is_dir() {
            lock.take(self.tokens())?;
        }
        Ok(lock)
    }
}

impl LegacyLock {
    fn take(&mut self, directory: &Path) -> Result<(), LegacyError> {
        let path = directory.join(LOCK_FILE);
        let busy = || LegacyError::Busy { path: path.clone() };
        if path.is_dir() {
            return Err(busy());
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&path).map_err(LegacyError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(source)) => return Err(LegacyError::io(&path)(source)),
        }
        // Who held it before may have removed the file in between; then another program can lock another one.
        if !path.exists() {
            return Err(busy());
        }
        self.held.push((path, file));
        Ok(())
    }
}

impl Drop for LegacyLock {
    fn drop(&mut self) {
        for (path, _) in &self.held {
            match std::fs::remove_file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a lock file stays");
                }
            }
        }
    }
}

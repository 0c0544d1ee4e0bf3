use std::path::Path;

use super::files::LegacyFile;
use super::{LegacyError, LegacyLock, LegacyWallet, Moved};

/// What deleting a legacy wallet came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Files that are gone.
    pub files: u64,
    /// Files that stay, because they were changed since they were read.
    pub changed: u64,
}

impl LegacyWallet {
    /// Deletes the files of the wallet that were read, and no others, the file that makes it a wallet last; then its
    /// directories as far as they are empty. Cut off, it is repeated by moving and checking again.
    ///
    /// # Errors
    /// [`LegacyError::Io`].
    pub fn delete(self, _moved: &Moved, lock: LegacyLock) -> Result<Deleted, LegacyError> {
        let mut deleted = Deleted::default();
        for files in self.addresses.values() {
            for file in files {
                deleted.remove(file)?;
            }
        }
        if deleted.changed == 0 {
            deleted.remove(&self.file)?;
        }
        // Before the directories, in which its files lie.
        drop(lock);
        let tokens = self.directory.tokens();
        for address in self.addresses.keys() {
            remove_if_empty(&tokens.join(address.as_str()))?;
        }
        for directory in [tokens, self.directory.path()] {
            remove_if_empty(directory)?;
        }
        Ok(deleted)
    }
}

impl Deleted {
    fn remove(&mut self, file: &LegacyFile) -> Result<(), LegacyError> {
        if !file.is_unchanged() {
            self.changed += 1;
            return Ok(());
        }
        std::fs::remove_file(&file.path).map_err(LegacyError::io(&file.path))?;
        self.files += 1;
        Ok(())
    }
}

fn remove_if_empty(directory: &Path) -> Result<(), LegacyError> {
    let Ok(mut entries) = std::fs::read_dir(directory) else {
        return Ok(());
    };
    if entries.next().is_some() {
        return Ok(());
    }
    std::fs::remove_dir(directory).map_err(LegacyError::io(directory))
}

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::engine::{DATABASE_FILE, builder, open_error, sync_directory};
use crate::error::Error;
use crate::options::EngineOptions;

/// Name of the database file while it is being made.
const UNFINISHED_FILE: &str = "uxf.redb.unfinished";

/// A database that is made under another name and renamed when it is complete: a power cut while redb makes a file
/// leaves one that it cannot open.
pub(crate) struct NewFile {
    directory: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins to make a database in a directory, which must be there. Nobody else can until this one is dropped.
    pub(crate) fn begin(directory: &Path) -> Result<Self, Error> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(UNFINISHED_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                directory: directory.to_owned(),
                file,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked {
                path: directory.join(DATABASE_FILE),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Where the database will be.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(DATABASE_FILE)
    }

    /// Makes the empty database over what an earlier attempt left.
    pub(crate) fn database(&self, options: &EngineOptions) -> Result<redb::Database, Error> {
        self.file.set_len(0).map_err(failed)?;
        let file = self.file.try_clone().map_err(failed)?;
        builder(options)
            .create_file(file)
            .map_err(|error| open_error(error, &self.path()))
    }

    /// Renames the complete database. Durable when it returns.
    pub(crate) fn put_in_place(self, db: redb::Database) -> Result<(), Error> {
        let unfinished = self.directory.join(UNFINISHED_FILE);
        // Renamed while it is still locked, so that nobody begins another one in it.
        std::fs::rename(unfinished, self.path()).map_err(failed)?;
        drop(db);
        sync_directory(&self.directory).map_err(failed)
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Io {
        during: "making the store",
        source,
    }
}

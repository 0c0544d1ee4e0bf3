use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::error::Error;

/// Why a legacy wallet was not moved in. What was committed before stays, and moving again goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LegacyError {
    /// The directory is of another kind.
    #[error("{} is no legacy wallet: it is {found}", path.display())]
    NotLegacy {
        /// The directory.
        path: PathBuf,
        /// What kind of directory it is.
        found: &'static str,
    },
    /// The store is in the legacy wallet, or the other way round.
    #[error("{} and the store are one directory, or one is in the other", path.display())]
    SamePlace {
        /// The legacy wallet's directory.
        path: PathBuf,
    },
    /// Another program moves it.
    #[error("{} is held by another program", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The wallet is another one's than the profile's.
    #[error("the legacy wallet and the profile have different values of {key}")]
    OtherIdentity {
        /// What differs.
        key: &'static str,
    },
    /// The file of the wallet cannot be read as what it should be.
    #[error("{} is no file of a wallet", path.display())]
    NotAWalletFile {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than any that a wallet writes.
    #[error("{} has {found} bytes, the most is {limit}", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The cap in bytes.
        limit: u64,
    },
    /// The caller had it stop.
    #[error("stopped before everything was moved")]
    Stopped,
    /// Something of the wallet is not in the store as it should be, so nothing was deleted.
    #[error(
        "{missing} of {looked_at} things of the wallet are not in the store as they were; nothing was deleted"
    )]
    NotMoved {
        /// How many.
        missing: u64,
        /// Of how many.
        looked_at: u64,
    },
    /// The file system refused or failed an access.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The failure.
        #[source]
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl LegacyError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

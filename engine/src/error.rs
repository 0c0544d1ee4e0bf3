use std::path::PathBuf;

use thiserror::Error;
use uxf_codec::ElementHash;

use crate::bundles::ContentError;
use crate::profile::ProfileError;
use crate::wallet::collections::CollectionError;

/// What went wrong in the store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A token, element or import that the codec refuses.
    #[error(transparent)]
    Codec(#[from] uxf_codec::Error),
    /// Something about a profile that is refused.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// An entry of a wallet's collections that is refused.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// Bytes that are not the content they came as.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A bundle whose blocks are not all in the store.
    #[error("the bundle {cid} cannot be taken in: its {part} is not in the store")]
    BundleNotHere {
        /// The bundle.
        cid: String,
        /// What is not there.
        part: &'static str,
    },
    /// A file that is none of the forms tokens come in.
    #[error("neither a token, nor an array of tokens, nor UXF JSON, nor a CAR")]
    UnknownInput,
    /// A pin, a token or a new element names an element that the store does not have.
    #[error("element {hash} is not in the store, but {wanted_by} names it; put it first")]
    MissingElement {
        /// The absent element.
        hash: ElementHash,
        /// Who names it.
        wanted_by: &'static str,
    },
    /// Bytes to be kept unlooked-into are an element. What it names would not be kept with it, and would be missed by
    /// whoever puts it as the element it is.
    #[error("the bytes of {hash} are an element, which names others; put it as an element")]
    NotOpaque {
        /// The element.
        hash: ElementHash,
    },
    /// The root of a token is an element of another type, or none. Nothing of the batch was applied.
    #[error("token {token_id}: {hash} is no token-root")]
    NotATokenRoot {
        /// The token.
        token_id: String,
        /// What was to be its root.
        hash: ElementHash,
    },
    /// More references of an element were released than it has. Nothing of the batch was applied.
    #[error("element {hash} has {references} references, {released} cannot be released")]
    OverReleased {
        /// The element.
        hash: ElementHash,
        /// References it has.
        references: u64,
        /// References the batch takes away on balance.
        released: u64,
    },
    /// Something is larger than a limit of [`EngineOptions`](crate::EngineOptions) or of the format.
    #[error("{what}: {found} is over the limit of {limit}")]
    LimitExceeded {
        /// What is too large, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What was found.
        found: u64,
    },
    /// An option outside of its range.
    #[error("option {option}: {reason}")]
    InvalidOption {
        /// The option.
        option: &'static str,
        /// What its range is.
        reason: &'static str,
    },
    /// Another process, or another handle of this one, has the store open.
    #[error("the store {} is in use; close the other program or handle first", path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The store was written in a format this version does not know.
    #[error("the store has format version {found}, this program reads up to {supported}")]
    FormatVersion {
        /// Version in the file.
        found: u32,
        /// Newest version that can be read.
        supported: u32,
    },
    /// The operating system refused or failed an access to the file.
    #[error("the store's file failed while {during}")]
    Io {
        /// What was being done.
        during: &'static str,
        /// The failure.
        #[source]
        source: std::io::Error,
    },
    /// What is on disk contradicts itself. It is never repaired silently.
    #[error("{table} is damaged at {key}: {reason}")]
    Corrupted {
        /// The table, or `database` where redb found the damage.
        table: &'static str,
        /// The row.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Compaction needs the store without readers.
    #[error("a snapshot or an iterator over the store is open; close it and compact again")]
    SnapshotsOpen,
    /// A backup never overwrites a store.
    #[error("there is a store already at {}; choose an empty directory", path.display())]
    StoreExists {
        /// The database file in the way.
        path: PathBuf,
    },
    /// A backup does not hold what the store held; it was not put in place.
    #[error(
        "{table} has {expected} rows in the store and {found} in the backup, of which the first {same} are the same; \
         nothing was put in place"
    )]
    BackupDiffers {
        /// The table.
        table: &'static str,
        /// Rows of the store.
        expected: u64,
        /// Rows of the backup.
        found: u64,
        /// Rows from the first on that are the same in both.
        same: u64,
    },
    /// What a batch was worked out from was changed by somebody else meanwhile. Nothing of it was applied; worked out
    /// again it may be.
    #[error("{name} of the wallet was changed by somebody else meanwhile")]
    WalletChanged {
        /// The token id or bundle.
        name: String,
    },
    /// An earlier commit failed; whether it reached the disk is unknown. Reads go on, writes need the store reopened.
    #[error("an earlier commit failed, reopen the store to write again")]
    Poisoned,
    /// The engine is shut down.
    #[error("the engine is shut down")]
    Closed,
}

/// Who has to act on an [`Error`](enum@Error).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The calling program: it asked for something impossible.
    Caller,
    /// Whoever runs the program: another process, the disk, the version.
    Operator,
    /// The file is damaged: restore a backup.
    Corrupted,
    /// Nobody: the same call may succeed later.
    Transient,
}

impl Error {
    /// Who has to act.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Codec(_)
            | Self::Profile(_)
            | Self::Collection(_)
            | Self::Content(_)
            | Self::UnknownInput
            | Self::MissingElement { .. }
            | Self::NotOpaque { .. }
            | Self::NotATokenRoot { .. }
            | Self::OverReleased { .. }
            | Self::LimitExceeded { .. }
            | Self::InvalidOption { .. }
            | Self::StoreExists { .. }
            | Self::Closed => ErrorKind::Caller,
            Self::FormatVersion { .. }
            | Self::Io { .. }
            | Self::BackupDiffers { .. }
            | Self::Poisoned => ErrorKind::Operator,
            Self::Corrupted { .. } => ErrorKind::Corrupted,
            Self::Locked { .. }
            | Self::SnapshotsOpen
            | Self::WalletChanged { .. }
            | Self::BundleNotHere { .. } => ErrorKind::Transient,
        }
    }

    /// The codec's code where the codec refused, else the name of the variant in the same manner.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Codec(error) => error.code().as_str(),
            Self::Profile(error) => error.code(),
            Self::Collection(error) => error.code(),
            Self::Content(error) => error.code(),
            Self::BundleNotHere { .. } => "BUNDLE_NOT_FOUND",
            Self::UnknownInput => "UNKNOWN_INPUT",
            Self::MissingElement { .. } => "MISSING_ELEMENT",
            Self::NotOpaque { .. } => "NOT_OPAQUE",
            Self::NotATokenRoot { .. } => "NOT_A_TOKEN_ROOT",
            Self::OverReleased { .. } => "OVER_RELEASED",
            Self::LimitExceeded { .. } => "LIMIT_EXCEEDED",
            Self::InvalidOption { .. } => "INVALID_OPTION",
            Self::Locked { .. } => "LOCKED",
            Self::FormatVersion { .. } => "FORMAT_VERSION",
            Self::Io { .. } => "IO",
            Self::Corrupted { .. } => "CORRUPTED",
            Self::SnapshotsOpen => "SNAPSHOTS_OPEN",
            Self::StoreExists { .. } => "STORE_EXISTS",
            Self::WalletChanged { .. } => "WALLET_CHANGED",
            Self::BackupDiffers { .. } => "BACKUP_DIFFERS",
            Self::Poisoned => "POISONED",
            Self::Closed => "CLOSED",
        }
    }

    /// Damage in a row of one of our tables.
    pub(crate) fn corrupted(
        table: &'static str,
        key: impl core::fmt::Display,
        reason: impl Into<String>,
    ) -> Self {
        Self::Corrupted {
            table,
            key: key.to_string(),
            reason: reason.into(),
        }
    }

    /// What redb reported, sorted by who has to act.
    pub(crate) fn storage(during: &'static str, error: impl Into<redb::Error>) -> Self {
        let io = |source| Self::Io { during, source };
        match error.into() {
            redb::Error::Io(source) => io(source),
            redb::Error::Corrupted(reason) => Self::corrupted("database", during, reason),
            redb::Error::UpgradeRequired(found) => Self::FormatVersion {
                found: found.into(),
                supported: 3,
            },
            redb::Error::TableTypeMismatch { table, .. } => {
                Self::corrupted("database", table, "a table of another type")
            }
            other => io(std::io::Error::other(other)),
        }
    }
}

/// Names what was being done when redb failed.
pub(crate) trait During<T> {
    fn during(self, what: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<redb::Error>> During<T> for Result<T, E> {
    fn during(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| Error::storage(what, error))
    }
}

use thiserror::Error;

use crate::bundles::ContentError;

/// Why a file of a profile was not read or not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProfileFileError {
    /// The archive itself is broken, or over the limits of its kind.
    #[error(transparent)]
    Archive(#[from] uxf_codec::Error),
    /// A file has one root.
    #[error("an archive with {found} roots, a file of a profile has one")]
    Roots {
        /// How many it has.
        found: usize,
    },
    /// The first block is not the root.
    #[error("the archive does not begin with its root")]
    RootMissing,
    /// A block is not what its id says.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A block is not canonical, or not of the shape it must have.
    #[error("the {block} block has at byte {offset} not {expected}")]
    Malformed {
        /// Which block.
        block: &'static str,
        /// Where, in bytes.
        offset: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// A file of another version or kind.
    #[error("a file of version {found}, this reads version {expected}")]
    Version {
        /// Its version.
        found: u64,
        /// The version that is read.
        expected: u64,
    },
    /// Something is in the file twice.
    #[error("{what} {name} is in the file twice")]
    Duplicate {
        /// What it is.
        what: &'static str,
        /// Which one.
        name: String,
    },
    /// A block that the root names is not there.
    #[error("the block of the group {group} is not in the file")]
    GroupMissing {
        /// The group.
        group: String,
    },
    /// A group's block is that of another group, or has another number of entries than the root says.
    #[error("the block of the group {group} is of {found} with {entries} entries")]
    GroupMismatch {
        /// The group the root names.
        group: String,
        /// The group of the block.
        found: String,
        /// Entries in the block.
        entries: usize,
    },
    /// More or larger than a file may be.
    #[error("{what}: {found} is over the limit of {limit}")]
    LimitExceeded {
        /// What is too large, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What there is.
        found: u64,
    },
}

impl ProfileFileError {
    /// The code of the reference: a file that cannot be read leaves a profile without a beginning.
    pub const fn code(&self) -> &'static str {
        "PROFILE_NOT_INITIALIZED"
    }

    pub(super) fn check(what: &'static str, found: usize, limit: usize) -> Result<(), Self> {
        if found <= limit {
            return Ok(());
        }
        Err(Self::LimitExceeded {
            what,
            limit: limit as u64,
            found: found as u64,
        })
    }
}

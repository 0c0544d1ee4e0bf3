use thiserror::Error;

use super::kind::EntryKind;

/// Who an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The user of this device.
    User,
    /// This device by itself.
    System,
    /// Another device, whatever it said of itself.
    Replicated,
}

/// An entry claims an origin it cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The origin is missing or none of the three.
    #[error("an entry must say user, system or replicated")]
    Unknown,
    /// The kind of entry is none of the fifteen.
    #[error("an entry of unknown kind has no origin")]
    UnknownKind,
    /// The origin does not go with the kind of entry and the way it came.
    #[error("a {} entry says {} where only {} is possible", kind.as_str(), found.as_str(), expected.as_str())]
    Mismatch {
        /// Kind of the entry.
        kind: EntryKind,
        /// The only origin possible.
        expected: Origin,
        /// The origin claimed.
        found: Origin,
    },
}

impl OriginError {
    /// The code of the reference.
    pub const fn code(&self) -> &'static str {
        "SECURITY_ORIGIN_MISMATCH"
    }
}

impl Origin {
    /// The name in an envelope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Replicated => "replicated",
        }
    }

    /// Reads the name in an envelope.
    ///
    /// # Errors
    /// [`OriginError::Unknown`].
    pub fn parse(name: &str) -> Result<Self, OriginError> {
        match name {
            "user" => Ok(Self::User),
            "system" => Ok(Self::System),
            "replicated" => Ok(Self::Replicated),
            _ => Err(OriginError::Unknown),
        }
    }

    /// Checks the origin of a write made on this device: acts of the user say user, the rest says system.
    ///
    /// # Errors
    /// [`OriginError::Mismatch`].
    pub fn check_local(self, kind: EntryKind) -> Result<(), OriginError> {
        self.check(kind, kind.local_origin())
    }

    /// Checks the origin of an entry that came from another device and was stamped: it says replicated.
    ///
    /// # Errors
    /// [`OriginError::Mismatch`].
    pub fn check_replicated(self, kind: EntryKind) -> Result<(), OriginError> {
        self.check(kind, Self::Replicated)
    }

    fn check(self, kind: EntryKind, expected: Self) -> Result<(), OriginError> {
        if self == expected {
            Ok(())
        } else {
            Err(OriginError::Mismatch {
                kind,
                expected,
                found: self,
            })
        }
    }
}

use core::fmt;

use super::ElementHash;
use crate::limits::{HEADER_NUMBER_MAX, KIND_UNITS_MAX};

/// The first part of every element: its versions, its kind and what it replaces. Format notes, section 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the encoding of the content; 0 to 2^53-1.
    pub representation: u64,
    /// Version of the meaning of the content; 0 to 2^53-1.
    pub semantics: u64,
    /// The word for this kind of instance.
    pub kind: InstanceKind,
    /// The older instance that this one continues.
    pub predecessor: Option<ElementHash>,
}

impl Default for Header {
    /// The header of everything that ingestion produces: `[1, 1, "default", null]`.
    fn default() -> Self {
        Self {
            representation: 1,
            semantics: 1,
            kind: InstanceKind::default(),
            predecessor: None,
        }
    }
}

impl Header {
    /// Whether a number may stand for a version: 0 to 2^53-1.
    pub const fn is_version(number: u64) -> bool {
        number <= HEADER_NUMBER_MAX
    }
}

/// The kind of an instance: 1 to 64 characters `[A-Za-z0-9][A-Za-z0-9._-]*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKind(Box<str>);

impl InstanceKind {
    /// The kind of everything that ingestion produces.
    pub const DEFAULT: &'static str = "default";
    /// The kind of a root that a join has put together; it may be assembled and never exported.
    pub const ENRICHED_SYNTHETIC: &'static str = "enriched-synthetic";

    /// Checks a text and makes it a kind; `None` if it is too long or has other characters.
    pub fn new(text: &str) -> Option<Self> {
        Self::is_valid(text).then(|| Self(text.into()))
    }

    /// Whether a text may be a kind.
    pub fn is_valid(text: &str) -> bool {
        let mut bytes = text.bytes();
        text.len() <= KIND_UNITS_MAX
            && bytes
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric())
            && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for InstanceKind {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for InstanceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

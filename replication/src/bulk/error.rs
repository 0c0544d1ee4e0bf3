use core::fmt;
use std::io;

use cid::Cid;
use thiserror::Error;
use uxf_engine::bundles::{ContentError, RetryClass};

/// Why bulk storage did not do what was asked.
///
/// Nothing of what came with an error was kept. [`kind`](Self::kind) says who has to act, and
/// [`retry_class`](Self::retry_class) whether asking the same store again is of use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BulkError {
    /// The store does not have it.
    #[error("{store} does not have {cid}")]
    NotFound {
        /// The store.
        store: String,
        /// What was asked for.
        cid: Box<Cid>,
    },
    /// Bytes that are not what they came for, or an id by which nothing can be checked.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// An archive that is none, is cut off, or names what it does not hold.
    #[error("{store} gave an archive that is broken")]
    Archive {
        /// The store, or the source of a bundle that was to be stored.
        store: String,
        /// What is wrong with it.
        source: uxf_codec::Error,
    },
    /// An archive of something else.
    #[error("{store} gave an archive of {found} roots that is not that of {expected}")]
    OtherRoot {
        /// The store, or the source of a bundle that was to be stored.
        store: String,
        /// The root asked for.
        expected: Box<Cid>,
        /// How many roots it names.
        found: usize,
    },
    /// A block that is not canonical DAG-CBOR, though its id says so.
    #[error("the block {cid} has its hash, but is not canonical DAG-CBOR")]
    Block {
        /// Its id.
        cid: Box<Cid>,
        /// What is wrong with it.
        source: uxf_codec::Error,
    },
    /// A bundle that names a block by a codec that bundles do not have.
    #[error(
        "{cid} has the codec {codec:#x}; bundles have dag-cbor (0x71) and raw (0x55) blocks only"
    )]
    Codec {
        /// The id.
        cid: Box<Cid>,
        /// Its codec.
        codec: u64,
    },
    /// Larger than its cap.
    #[error("{what}: over the limit of {limit}")]
    TooLarge {
        /// What is too large, with its unit.
        what: &'static str,
        /// The cap.
        limit: u64,
    },
    /// Some of a bundle is missing.
    #[error("the bundle {root} is not whole: {missing} blocks are missing, one of them {first}")]
    Incomplete {
        /// The bundle.
        root: Box<Cid>,
        /// How many blocks are known to be missing; there may be more behind them.
        missing: usize,
        /// One of them.
        first: Box<Cid>,
    },
    /// It is there, but nothing keeps it from being collected.
    #[error("{store} has {cid}, but does not pin it")]
    NotPinned {
        /// The store.
        store: String,
        /// What should be pinned.
        cid: Box<Cid>,
    },
    /// The store stored something else, or says so.
    #[error("{store} was given {expected} and says that it stored {found:?}")]
    OtherId {
        /// The store.
        store: String,
        /// The id computed here.
        expected: Box<Cid>,
        /// What it said, at most 120 characters of it.
        found: String,
    },
    /// The store refused.
    #[error("{store} answered HTTP {status}: {message}")]
    Refused {
        /// The store.
        store: String,
        /// HTTP status.
        status: u16,
        /// What it said, at most 120 characters of it, printable ones.
        message: String,
    },
    /// A page or a document instead of blocks.
    #[error("{store} answered with {content_type:?} instead of blocks")]
    NotBlocks {
        /// The store.
        store: String,
        /// Type of the answer, at most 120 characters of it.
        content_type: String,
    },
    /// It sent the request elsewhere more often than is followed.
    #[error("{store} redirected more than {limit} times")]
    Redirects {
        /// The store.
        store: String,
        /// The cap.
        limit: u32,
    },
    /// It took longer than allowed.
    #[error("{store} took longer than the {limit_ms} ms it has")]
    TimedOut {
        /// The store.
        store: String,
        /// The cap in milliseconds.
        limit_ms: u64,
    },
    /// It cannot be reached, or hung up.
    #[error("{store} cannot be reached or hung up")]
    Network {
        /// The store.
        store: String,
        /// What happened.
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The object store failed.
    #[error("{store} failed")]
    Object {
        /// The store.
        store: String,
        /// What happened.
        source: Box<dyn core::error::Error + Send + Sync>,
        /// Whether it may not the next time.
        class: RetryClass,
    },
    /// The store cannot do this at all.
    #[error("{store} cannot {operation}")]
    Unsupported {
        /// The store.
        store: String,
        /// What it was asked to do, as in "pin".
        operation: &'static str,
    },
    /// An option with a value it cannot have.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// The option.
        option: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// Reading what was to be stored failed.
    #[error("reading the bundle that was to be stored failed")]
    Source(#[source] io::Error),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] uxf_engine::Error),
    /// None of the stores had all of it.
    #[error("none of {} stores could give {root}: {}", .tried.len(), Tried(.tried))]
    Nobody {
        /// What was asked for.
        root: Box<Cid>,
        /// Each failure in its order.
        tried: Vec<Attempt>,
    },
}

/// How a store failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The store.
    pub store: String,
    /// Why.
    pub error: BulkError,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BulkErrorKind {
    /// The calling program: it asked for something impossible.
    Caller,
    /// Whoever runs the program: a disk, a password, an address.
    Operator,
    /// The store lied or is broken: ask another one.
    Peer,
    /// Nobody: the same call may succeed later, or with another store.
    Transient,
}

impl BulkError {
    /// Who has to act.
    pub fn kind(&self) -> BulkErrorKind {
        match self {
            Self::Content(ContentError::NotACid { .. } | ContentError::UnknownMultihash { .. })
            | Self::Unsupported { .. }
            | Self::InvalidOption { .. }
            | Self::Codec { .. } => BulkErrorKind::Caller,
            Self::Content(_)
            | Self::Archive { .. }
            | Self::OtherRoot { .. }
            | Self::Block { .. }
            | Self::TooLarge { .. }
            | Self::OtherId { .. }
            | Self::NotBlocks { .. }
            | Self::Redirects { .. } => BulkErrorKind::Peer,
            Self::Source(_) | Self::Engine(_) => BulkErrorKind::Operator,
            Self::Refused { status, .. } => match RetryClass::of_status(*status) {
                RetryClass::Transient => BulkErrorKind::Transient,
                RetryClass::Permanent => BulkErrorKind::Operator,
            },
            Self::Object { class, .. } => match class {
                RetryClass::Transient => BulkErrorKind::Transient,
                RetryClass::Permanent => BulkErrorKind::Operator,
            },
            Self::NotFound { .. }
            | Self::Incomplete { .. }
            | Self::NotPinned { .. }
            | Self::TimedOut { .. }
            | Self::Network { .. }
            | Self::Nobody { .. } => BulkErrorKind::Transient,
        }
    }

    /// Whether asking the same store again is of use: its failures, its silence and anything unknown may pass; what it
    /// refuses, lacks or lies about will be so again at once.
    pub fn retry_class(&self) -> RetryClass {
        match self {
            Self::Refused { status, .. } => RetryClass::of_status(*status),
            Self::Object { class, .. } => *class,
            Self::TimedOut { .. } | Self::Network { .. } => RetryClass::Transient,
            Self::Nobody { tried, .. } => tried
                .iter()
                .map(|attempt| attempt.error.retry_class())
                .find(|class| class.is_transient())
                .unwrap_or(RetryClass::Permanent),
            _ => RetryClass::Permanent,
        }
    }

    /// The reference's word for it where it has one: to it, content that did not come or did not verify is content that
    /// was not found. Else the name of the variant in the same manner.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. }
            | Self::Content(_)
            | Self::Archive { .. }
            | Self::OtherRoot { .. }
            | Self::Block { .. }
            | Self::NotBlocks { .. }
            | Self::Nobody { .. } => "BUNDLE_NOT_FOUND",
            Self::Codec { .. } => "CODEC",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::Incomplete { .. } => "INCOMPLETE",
            Self::NotPinned { .. } => "NOT_PINNED",
            Self::OtherId { .. } => "OTHER_ID",
            Self::Refused { .. } => "REFUSED",
            Self::Redirects { .. } => "REDIRECTS",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Network { .. } => "NETWORK",
            Self::Object { .. } => "OBJECT_STORE",
            Self::Unsupported { .. } => "UNSUPPORTED",
            Self::InvalidOption { .. } => "INVALID_OPTION",
            Self::Source(_) => "SOURCE",
            Self::Engine(error) => error.code(),
        }
    }

    pub(crate) fn not_found(store: &str, cid: &Cid) -> Self {
        Self::NotFound {
            store: store.to_owned(),
            cid: Box::new(*cid),
        }
    }

    pub(crate) fn unsupported(store: &str, operation: &'static str) -> Self {
        Self::Unsupported {
            store: store.to_owned(),
            operation,
        }
    }
}

/// Failures in one line.
struct Tried<'t>(&'t [Attempt]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fmt::Display::fmt(&attempt.error, f)?;
        }
        Ok(())
    }
}

/// Makes what a stranger wrote fit for a message: printable ASCII, at most 120 characters.
#[cfg(feature = "http")]
pub(super) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 120;
    let printable = |c: char| if c.is_ascii_graphic() { c } else { ' ' };
    let text: String = text.chars().take(SHOWN_MAX).map(printable).collect();
    text.trim().to_owned()
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_brings_no_control_characters_and_no_length() {
        let hostile = format!("\x1b[31mred\r\n{}", "x".repeat(1_000));
        let shown = shown(&hostile);
        assert!(shown.starts_with("[31mred"), "{shown}");
        assert!(shown.len() <= 120 && shown.bytes().all(|b| (b' '..0x7f).contains(&b)));
    }
}

use core::fmt;

use thiserror::Error;

use crate::element::{ElementHash, ElementType};

/// What went wrong in the codec.
///
/// Every variant has an [`ErrorCode`]; those of the reference implementation keep its words, so that applications
/// which switch on them can be moved over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A hash or a byte field is not the hex it must be.
    #[error("{field}: {fault}")]
    InvalidHash {
        /// Where: a JSON path such as `genesis.data.salt`, or what was parsed.
        field: String,
        /// What is wrong with it.
        fault: HexFault,
    },
    /// An element that another one names is not there.
    #[error("element {hash} is missing, {wanted_by} names it")]
    MissingElement {
        /// The absent element.
        hash: ElementHash,
        /// Who names it: a role such as `token-root.genesis`, a token id, a chain.
        wanted_by: String,
    },
    /// The package or store has no token with this id.
    #[error("there is no token {token_id}")]
    TokenNotFound {
        /// What was asked for.
        token_id: String,
    },
    /// The token has fewer transactions than the state asked for.
    #[error(
        "state {index} does not exist, the token has {transactions} transactions; use 0 to {transactions}"
    )]
    StateIndexOutOfRange {
        /// State asked for.
        index: u64,
        /// Transactions of the token.
        transactions: u64,
    },
    /// An argument that no token could satisfy.
    #[error("{what}: {reason}")]
    InvalidInput {
        /// The argument.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// An element stands in a role for another type.
    #[error("element {hash} is a {found} where a {expected} is needed")]
    TypeMismatch {
        /// The element.
        hash: ElementHash,
        /// The type of the role.
        expected: ElementType,
        /// Its own type.
        found: ElementType,
    },
    /// A new instance does not continue its chain, or a chain contradicts itself.
    #[error("instance chain: {reason}")]
    InvalidInstanceChain {
        /// What is wrong with it.
        reason: String,
    },
    /// An import does not have the shape it must have.
    #[error("{at}: {reason}")]
    Serialization {
        /// Where in the import.
        at: String,
        /// What is wrong there.
        reason: String,
    },
    /// Bytes do not have the hash they are known by, or a token is not the one it is filed under.
    #[error("{at}: {reason}")]
    VerificationFailed {
        /// What was being verified.
        at: String,
        /// How it failed.
        reason: String,
    },
    /// The graph leads back to itself.
    #[error("element {hash} contains itself")]
    CycleDetected {
        /// An element on the cycle.
        hash: ElementHash,
    },
    /// A token or package that cannot be taken in.
    #[error("{reason}")]
    InvalidPackage {
        /// Why.
        reason: String,
    },
    /// Something is larger than its cap.
    #[error("{what}: {found} is over the limit of {limit}")]
    LimitExceeded {
        /// What is too large, with its unit.
        what: &'static str,
        /// The cap.
        limit: u64,
        /// What was found.
        found: u64,
    },
    /// A strict merge had to skip tokens; nothing was applied.
    #[error("{} of the merged tokens could not be joined, nothing was changed", skipped.len())]
    MergePartialFailure {
        /// Ids of the tokens that could not be joined.
        skipped: Vec<String>,
    },
    /// Text that is not JSON. The reference lets its parser's own exception through.
    #[error("not valid JSON at byte {offset}: {reason}")]
    MalformedJson {
        /// Byte offset in the text.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Bytes that are not strict DAG-CBOR. The reference lets its decoder's own exception through.
    #[error("not valid DAG-CBOR at byte {offset}: {reason}")]
    MalformedCbor {
        /// Byte offset in the block.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// Bytes that are not a CARv1. The reference lets its reader's own exception through.
    #[error("not a valid CAR at byte {offset}: {reason}")]
    MalformedCar {
        /// Byte offset in the file.
        offset: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A field of a token has the wrong shape. The reference lets a `TypeError` of its language through.
    #[error("{field}: {reason}")]
    MalformedField {
        /// Where: a JSON path such as `transactions[3].data.sourceState`.
        field: String,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The element source or sink failed.
    #[error("the element store failed")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The reader or writer that a caller handed in failed.
    #[error("the stream could not be read or written")]
    Stream(#[source] std::io::Error),
}

/// What is wrong with a hex text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HexFault {
    /// An odd number of digits.
    #[error("odd number of hex digits: {0}")]
    OddLength(usize),
    /// A character that is no hex digit.
    #[error("a character that is no hex digit")]
    NotHex,
    /// A character that is no lower-case hex digit, where case matters.
    #[error("a character that is no lower-case hex digit")]
    NotLowerHex,
    /// Another length than the one required.
    #[error("expected {expected} hex digits, found {found}")]
    Length {
        /// Digits required.
        expected: usize,
        /// Digits found.
        found: usize,
    },
    /// No text at all.
    #[error("expected a text of hex digits")]
    NotText,
}

/// Error codes. Those up to `MERGE_PARTIAL_FAILURE` are the reference's, word for word (format notes, section 20);
/// the rest name what it leaves untyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is the code of the Error variant with the same name"
)]
pub enum ErrorCode {
    InvalidHash,
    MissingElement,
    TokenNotFound,
    StateIndexOutOfRange,
    InvalidInput,
    TypeMismatch,
    InvalidInstanceChain,
    SerializationError,
    VerificationFailed,
    CycleDetected,
    InvalidPackage,
    LimitExceeded,
    MergePartialFailure,
    MalformedJson,
    MalformedCbor,
    MalformedCar,
    MalformedField,
    SourceFailed,
    StreamFailed,
}

impl ErrorCode {
    /// The code as the reference writes it, as `INVALID_HASH`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidHash => "INVALID_HASH",
            Self::MissingElement => "MISSING_ELEMENT",
            Self::TokenNotFound => "TOKEN_NOT_FOUND",
            Self::StateIndexOutOfRange => "STATE_INDEX_OUT_OF_RANGE",
            Self::InvalidInput => "INVALID_INPUT",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::InvalidInstanceChain => "INVALID_INSTANCE_CHAIN",
            Self::SerializationError => "SERIALIZATION_ERROR",
            Self::VerificationFailed => "VERIFICATION_FAILED",
            Self::CycleDetected => "CYCLE_DETECTED",
            Self::InvalidPackage => "INVALID_PACKAGE",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::MergePartialFailure => "MERGE_PARTIAL_FAILURE",
            Self::MalformedJson => "MALFORMED_JSON",
            Self::MalformedCbor => "MALFORMED_CBOR",
            Self::MalformedCar => "MALFORMED_CAR",
            Self::MalformedField => "MALFORMED_FIELD",
            Self::SourceFailed => "SOURCE_FAILED",
            Self::StreamFailed => "STREAM_FAILED",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// The stable code of this error.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidHash { .. } => ErrorCode::InvalidHash,
            Self::MissingElement { .. } => ErrorCode::MissingElement,
            Self::TokenNotFound { .. } => ErrorCode::TokenNotFound,
            Self::StateIndexOutOfRange { .. } => ErrorCode::StateIndexOutOfRange,
            Self::InvalidInput { .. } => ErrorCode::InvalidInput,
            Self::TypeMismatch { .. } => ErrorCode::TypeMismatch,
            Self::InvalidInstanceChain { .. } => ErrorCode::InvalidInstanceChain,
            Self::Serialization { .. } => ErrorCode::SerializationError,
            Self::VerificationFailed { .. } => ErrorCode::VerificationFailed,
            Self::CycleDetected { .. } => ErrorCode::CycleDetected,
            Self::InvalidPackage { .. } => ErrorCode::InvalidPackage,
            Self::LimitExceeded { .. } => ErrorCode::LimitExceeded,
            Self::MergePartialFailure { .. } => ErrorCode::MergePartialFailure,
            Self::MalformedJson { .. } => ErrorCode::MalformedJson,
            Self::MalformedCbor { .. } => ErrorCode::MalformedCbor,
            Self::MalformedCar { .. } => ErrorCode::MalformedCar,
            Self::MalformedField { .. } => ErrorCode::MalformedField,
            Self::Source(_) => ErrorCode::SourceFailed,
            Self::Stream(_) => ErrorCode::StreamFailed,
        }
    }

    /// The same error with the place of its field told from further out.
    #[cold]
    pub(crate) fn within(mut self, place: &str) -> Self {
        if let Self::InvalidHash { field, .. } | Self::MalformedField { field, .. } = &mut self {
            let separator = if field.is_empty() || field.starts_with('[') {
                ""
            } else {
                "."
            };
            *field = format!("{place}{separator}{field}");
        }
        self
    }
}

use core::fmt;

use thiserror::Error;

use crate::element::{ElementHash, ElementType};
use crate::limits::{POOL_ELEMENTS_MAX, VERIFY_DEPTH_MAX, VERIFY_ELEMENT_BYTES_MAX};
use crate::package::TokenId;

/// One thing that verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The token on whose way it was found, where it was found on the way of one.
    pub token_id: Option<TokenId>,
    /// The element it is about, where it is about one.
    pub element: Option<ElementHash>,
    /// What it is.
    pub finding: Finding,
}

impl Issue {
    pub(super) const fn of(finding: Finding) -> Self {
        Self {
            token_id: None,
            element: None,
            finding,
        }
    }

    pub(super) const fn about(element: ElementHash, finding: Finding) -> Self {
        Self {
            token_id: None,
            element: Some(element),
            finding,
        }
    }

    /// The code, as the reference has it.
    pub const fn code(&self) -> IssueCode {
        self.finding.code()
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(token) = &self.token_id {
            write!(f, "token {token}: ")?;
        }
        if let Some(element) = &self.element {
            write!(f, "element {element} ")?;
        }
        self.finding.fmt(f)
    }
}

/// What verification can find. The texts continue "element X ...".
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the texts beside the variants say what the fields are"
)]
pub enum Finding {
    /// The pool has too many elements to be looked at.
    #[error("the package has {elements} elements, more than {POOL_ELEMENTS_MAX} are not verified")]
    PoolTooLarge { elements: usize },
    /// An element is too large.
    #[error(
        "has {bytes} bytes of content and children as JSON text, over the limit of {VERIFY_ELEMENT_BYTES_MAX}"
    )]
    ElementTooLarge { bytes: usize },
    /// An element is filed under another hash than its own.
    #[error("has the hash {actual}")]
    HashMismatch { actual: ElementHash },
    /// Bytes are filed as an element and are none.
    #[error("is not an element: {reason}")]
    NotAnElement { reason: String },
    /// The root of a token is not there.
    #[error("is the root and is missing")]
    RootMissing,
    /// The root of a token is no token-root.
    #[error("stands as the root and is a {found}")]
    RootType { found: ElementType },
    /// The root of a token belongs to another one.
    #[error("is the root of the token {}", own.as_deref().unwrap_or("without an id"))]
    RootOfAnotherToken { own: Option<String> },
    /// The way from the root is too long.
    #[error("is more than {VERIFY_DEPTH_MAX} steps away from the root")]
    TooDeep,
    /// The graph leads back to an element.
    #[error("contains itself")]
    Cycle,
    /// An element that another one names is not there.
    #[error("is missing, a {parent} names it as its {role}")]
    Missing { parent: ElementType, role: String },
    /// An element stands in a role for another type.
    #[error("is a {found}, a {parent} names it as its {role}, which must be a {expected}")]
    ChildType {
        parent: ElementType,
        role: String,
        expected: ElementType,
        found: ElementType,
    },
    /// An instance chain has no members.
    #[error("an instance chain has no members")]
    ChainEmpty,
    /// An instance chain lists a member twice; the rest of it was not looked at.
    #[error("stands more than once in its instance chain")]
    ChainRepeats,
    /// A member of an instance chain is not there.
    #[error("is a member of an instance chain and missing")]
    ChainMemberMissing,
    /// An instance chain mixes types.
    #[error("is a {found} in an instance chain of {expected}")]
    ChainType {
        expected: ElementType,
        found: ElementType,
    },
    /// The original of an instance chain continues something.
    #[error("is the original of its instance chain and continues {predecessor}")]
    ChainOriginalContinues { predecessor: ElementHash },
    /// A member of an instance chain does not continue the next older one.
    #[error("does not continue {older}, the next older instance of its chain")]
    ChainLink { older: ElementHash },
    /// The head of an instance chain is not its first member.
    #[error("is the head of an instance chain that begins with {first}")]
    ChainHead { first: ElementHash },
    /// An instance chain records another kind than the member has.
    #[error("is recorded as {recorded} in its instance chain and is {found}")]
    ChainKind { recorded: String, found: String },
    /// Several instance chains have the same original.
    #[error("is the original of {heads} instance chains")]
    ChainForked { heads: usize },
    /// Elements that no token leads to.
    #[error("no token leads to {elements} elements")]
    Orphans { elements: usize },
}

impl Finding {
    /// The code, as the reference has it.
    pub const fn code(&self) -> IssueCode {
        match self {
            Self::PoolTooLarge { .. } | Self::ElementTooLarge { .. } => IssueCode::InvalidPackage,
            Self::HashMismatch { .. } | Self::NotAnElement { .. } | Self::Orphans { .. } => {
                IssueCode::VerificationFailed
            }
            Self::RootMissing | Self::Missing { .. } | Self::ChainMemberMissing => {
                IssueCode::MissingElement
            }
            Self::RootType { .. } => IssueCode::ManifestTypeMismatch,
            Self::RootOfAnotherToken { .. } => IssueCode::ManifestTokenIdMismatch,
            Self::TooDeep | Self::Cycle => IssueCode::CycleDetected,
            Self::ChildType { .. } => IssueCode::TypeMismatch,
            Self::ChainEmpty
            | Self::ChainRepeats
            | Self::ChainType { .. }
            | Self::ChainOriginalContinues { .. }
            | Self::ChainLink { .. }
            | Self::ChainHead { .. }
            | Self::ChainKind { .. }
            | Self::ChainForked { .. } => IssueCode::InvalidInstanceChain,
        }
    }
}

/// Codes of issues. Two of them exist only here; the others are also codes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the reference's words")]
pub enum IssueCode {
    InvalidPackage,
    VerificationFailed,
    MissingElement,
    ManifestTypeMismatch,
    ManifestTokenIdMismatch,
    TypeMismatch,
    CycleDetected,
    InvalidInstanceChain,
}

impl IssueCode {
    /// The code as the reference writes it, as `MISSING_ELEMENT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidPackage => "INVALID_PACKAGE",
            Self::VerificationFailed => "VERIFICATION_FAILED",
            Self::MissingElement => "MISSING_ELEMENT",
            Self::ManifestTypeMismatch => "MANIFEST_TYPE_MISMATCH",
            Self::ManifestTokenIdMismatch => "MANIFEST_TOKENID_MISMATCH",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::CycleDetected => "CYCLE_DETECTED",
            Self::InvalidInstanceChain => "INVALID_INSTANCE_CHAIN",
        }
    }
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

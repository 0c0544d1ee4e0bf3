use crate::error::Error;
use crate::instance_chain::{ChainIndex, Strategy};
use crate::limits::{STATE_INDEX_MAX, TOKEN_JSON_BYTES_MAX};

/// What to assemble and how.
#[derive(Clone, Copy, Debug)]
pub struct AssembleOptions<'c> {
    /// At which state. Default: the latest.
    pub state: StateIndex,
    /// Chains and which of their instances to take. Default: none, every element stands for itself.
    pub instances: Option<(&'c ChainIndex, &'c Strategy)>,
    /// Whether every element is hashed when it is met first. Default: true. A store that has hashed its elements
    /// itself may save the time.
    pub check_hashes: bool,
    /// Largest JSON, in bytes. Default: [`TOKEN_JSON_BYTES_MAX`].
    pub bytes_max: usize,
}

impl Default for AssembleOptions<'_> {
    fn default() -> Self {
        Self {
            state: StateIndex::Latest,
            instances: None,
            check_hashes: true,
            bytes_max: TOKEN_JSON_BYTES_MAX,
        }
    }
}

/// A state of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateIndex {
    /// The newest.
    #[default]
    Latest,
    /// The one after so many transactions; 0 is the state after the mint.
    At(u64),
}

impl StateIndex {
    /// A state index from a number of the reference's language.
    ///
    /// ```
    /// use uxf_codec::token::StateIndex;
    ///
    /// assert_eq!(StateIndex::from_number(2.0).unwrap(), StateIndex::At(2));
    /// assert!(StateIndex::from_number(0.5).is_err());
    /// assert!(StateIndex::from_number(4_294_967_296.0).is_err());
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidInput`] unless it is a whole number of 0 to 2^32-1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the range has been checked, and its end is exact as a float"
    )]
    pub fn from_number(number: f64) -> Result<Self, Error> {
        if number.fract() == 0.0 && (0.0..=STATE_INDEX_MAX as f64).contains(&number) {
            Ok(Self::At(number as u64))
        } else {
            Err(Self::refuse(&number.to_string()))
        }
    }

    /// Checks the range, which an index made by hand may not keep to.
    pub(super) fn checked(self) -> Result<Self, Error> {
        match self {
            Self::At(index) if index > STATE_INDEX_MAX => Err(Self::refuse(&index.to_string())),
            _ => Ok(self),
        }
    }

    fn refuse(found: &str) -> Error {
        Error::InvalidInput {
            what: "state index",
            reason: format!("must be a whole number of 0 to {STATE_INDEX_MAX}, found {found}"),
        }
    }
}

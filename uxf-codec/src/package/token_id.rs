use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use crate::error::Error;

/// The id of a token: 64 to 68 lower-case hex digits.
///
/// 64 digits are an id alone, 68 carry a two-byte algorithm prefix in front (name-tags, invoices); nothing else
/// distinguishes the two. Format notes, section 5.1.
///
/// ```
/// use uxf_codec::package::TokenId;
///
/// let id: TokenId = "aa".repeat(32).parse().unwrap();
/// assert_eq!(id.as_str().len(), 64);
/// assert!("AA".repeat(32).parse::<TokenId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Box<str>);

impl TokenId {
    /// Checks a text and makes it a token id; `None` if it is not one.
    pub fn new(text: &str) -> Option<Self> {
        let is_lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        ((64..=68).contains(&text.len()) && text.bytes().all(is_lower_hex))
            .then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text).ok_or_else(|| Error::InvalidInput {
            what: "token id",
            reason: "must be 64 to 68 lower-case hex digits".to_owned(),
        })
    }
}

impl Borrow<str> for TokenId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({}…)", self.0.get(..8).unwrap_or_default())
    }
}

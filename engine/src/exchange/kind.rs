use core::fmt;

use uxf_codec::json::Tape;

/// What a file of tokens is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// One token as wallets keep it.
    Token,
    /// An array of such tokens.
    TokenArray,
    /// A package as UXF JSON.
    UxfJson,
    /// A package as CARv1.
    Car,
}

impl InputKind {
    /// Tells what bytes are by what they hold, not by a name; `None` if they are none of it.
    ///
    /// ```
    /// use uxf_engine::InputKind;
    ///
    /// assert_eq!(InputKind::detect(br#" [{"genesis": {}}]"#), Some(InputKind::TokenArray));
    /// assert_eq!(InputKind::detect(br#"{"uxf": "1.0.0"}"#), Some(InputKind::UxfJson));
    /// assert_eq!(InputKind::detect(b"\x89PNG"), None);
    /// ```
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        if is_car(bytes) {
            return Some(Self::Car);
        }
        match bytes.trim_ascii_start().first()? {
            b'[' => Some(Self::TokenArray),
            b'{' => {
                let mut tape = Tape::new();
                // What is no JSON is reported as a bad token, which says where.
                let is_package = tape
                    .parse(bytes)
                    .is_ok_and(|root| root.get("uxf").is_some());
                Some(if is_package {
                    Self::UxfJson
                } else {
                    Self::Token
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "a token",
            Self::TokenArray => "an array of tokens",
            Self::UxfJson => "UXF JSON",
            Self::Car => "a CAR",
        })
    }
}

/// Whether bytes begin like a CAR: a length in at most two bytes, then a CBOR map of two entries that begins with
/// one of the two keys of a header.
fn is_car(bytes: &[u8]) -> bool {
    let header = match bytes {
        [length, header @ ..] if *length < 0x80 => header,
        [_, length, header @ ..] if *length < 0x80 => header,
        _ => return false,
    };
    header.starts_with(b"\xa2\x65roots") || header.starts_with(b"\xa2\x67version")
}

use core::fmt;

use cid::Cid;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Multihash code of SHA-256, the only one that is believed.
const SHA2_256: u64 = 0x12;
/// Longest text that is read as a content id, in bytes. The longest that anybody writes, with SHA-512, has 111.
pub const CID_TEXT_BYTES_MAX: usize = 256;

/// Bytes that are not the content they were asked for as, or an id by which nothing can be checked.
///
/// Each is a reason to ask somebody else; none says that the content does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Not a content id.
    #[error("a text of {found_bytes} bytes that is no content id")]
    NotACid {
        /// Length of the text in bytes.
        found_bytes: usize,
    },
    /// A content id with a hash that is not believed.
    #[error("the content id {cid} has the multihash {found:#x}; only SHA-256 (0x12) is accepted")]
    UnknownMultihash {
        /// The id.
        cid: Box<Cid>,
        /// Code of its multihash.
        found: u64,
    },
    /// The bytes have another hash.
    #[error("{len} bytes that came for {cid} have the hash {found}")]
    DigestMismatch {
        /// The id asked for.
        cid: Box<Cid>,
        /// Length of what came in bytes.
        len: usize,
        /// SHA-256 of what came.
        found: ShownDigest,
    },
}

impl ContentError {
    /// The code of the reference: to it, content that does not verify is content that was not found.
    pub const fn code(&self) -> &'static str {
        "BUNDLE_NOT_FOUND"
    }
}

/// A digest, shown in hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShownDigest([u8; 32]);

impl fmt::Display for ShownDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

impl fmt::Debug for ShownDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the text of a content id, of either version.
///
/// # Errors
/// [`ContentError::NotACid`].
pub fn parse_cid(text: &str) -> Result<Cid, ContentError> {
    let refused = ContentError::NotACid {
        found_bytes: text.len(),
    };
    if text.len() > CID_TEXT_BYTES_MAX {
        return Err(refused);
    }
    text.parse().map_err(|_| refused)
}

/// Checks that bytes are the content of an id: the one thing that protects bundles, which are not encrypted
/// (profile notes, section 6).
///
/// The codec of the id is not looked at: any codec may name any bytes with the right hash.
///
/// ```
/// use uxf_engine::bundles::{check_content, parse_cid};
///
/// let cid = parse_cid("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").unwrap();
/// assert!(check_content(&cid, b"").is_ok());
/// assert!(check_content(&cid, b"anything else").is_err());
/// ```
///
/// # Errors
/// [`ContentError::UnknownMultihash`], [`ContentError::DigestMismatch`].
pub fn check_content(cid: &Cid, bytes: &[u8]) -> Result<(), ContentError> {
    let code = cid.hash().code();
    if code != SHA2_256 {
        return Err(ContentError::UnknownMultihash {
            cid: Box::new(*cid),
            found: code,
        });
    }
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    if cid.hash().digest() != digest {
        return Err(ContentError::DigestMismatch {
            cid: Box::new(*cid),
            len: bytes.len(),
            found: ShownDigest(digest),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cid::multihash::Multihash;

    #[test]
    fn a_digest_that_is_cut_off_verifies_nothing() {
        let digest: [u8; 32] = Sha256::digest(b"x").into();
        let short = Multihash::<64>::wrap(SHA2_256, digest.get(..16).unwrap()).unwrap();
        let cid = Cid::new_v1(0x71, short);
        assert!(matches!(
            check_content(&cid, b"x"),
            Err(ContentError::DigestMismatch { len: 1, .. })
        ));
    }

    #[test]
    fn an_id_by_another_hash_is_refused_even_for_the_right_bytes() {
        let identity = Multihash::<64>::wrap(0, b"x").unwrap();
        let error = check_content(&Cid::new_v1(0x55, identity), b"x").unwrap_err();
        assert!(matches!(
            error,
            ContentError::UnknownMultihash { found: 0, .. }
        ));
        assert_eq!(error.code(), "BUNDLE_NOT_FOUND");
    }

    #[test]
    fn a_text_without_end_is_refused_before_it_is_decoded() {
        let text = "b".repeat(CID_TEXT_BYTES_MAX + 1);
        assert_eq!(
            parse_cid(&text),
            Err(ContentError::NotACid {
                found_bytes: CID_TEXT_BYTES_MAX + 1
            })
        );
    }
}

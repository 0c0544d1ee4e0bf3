use cid::Cid;
use serde_json::Value;
use thiserror::Error;

use super::OVERHEAD_BYTES;

/// Largest value that stays in its row, in bytes of plaintext; a larger one becomes a block of its own.
pub const INLINE_BYTES_MAX: usize = 1024;
/// By how many bytes a fetched block may differ from what its reference says. The reference allows it for other
/// ciphers' overhead.
pub const FETCH_SLACK_BYTES: u64 = 128;
/// Largest block that is fetched for a reference, in bytes: 50 MiB.
pub const FETCH_BYTES_MAX: u64 = 50 << 20;
/// Longest text that is looked at; a reference has about 150 bytes, and the longest content id a few hundred.
const TEXT_BYTES_MAX: usize = 4096;

/// Why a value behind a reference cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueRefError {
    /// The block is not as long as the reference says. Refused before decrypting.
    #[error("the block has {found} bytes where its reference says {expected}")]
    SizeMismatch {
        /// Length in the reference.
        expected: u64,
        /// Length of the block.
        found: u64,
    },
    /// The reference says its block is not encrypted, where the caller demands that it is. Nothing is fetched.
    #[error("the reference names an unencrypted block where encryption is required")]
    NotEncrypted,
}

impl ValueRefError {
    /// The code of the reference implementation.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SizeMismatch { .. } => "CID_REF_SIZE_MISMATCH",
            Self::NotEncrypted => "CID_REF_CORRUPT",
        }
    }
}

/// What a row holds instead of a fat value: the content id of the block with the sealed value.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueRef {
    /// Content id of the block.
    pub cid: Cid,
    /// Length of the block in bytes, sealing included.
    pub size: u64,
    /// When it was written, milliseconds since 1970, by the writer's clock.
    pub ts: f64,
    /// Version of the content's own format, if the writer gave one.
    pub content_version: Option<f64>,
    /// Whether the block is encrypted, `None` if the row does not say, which means that it is.
    pub encrypted: Option<bool>,
}

impl ValueRef {
    /// Reads a row as a reference. `None` means that it is none, so an old value in the row itself.
    ///
    /// Not JSON, no object, another version than 1, no content id, a size that is no whole number from zero, a time
    /// that is not above zero, an `enc` that is no truth value, a `contentV` that is no number: all are no reference.
    ///
    /// ```
    /// use uxf_engine::profile::sealed::ValueRef;
    ///
    /// let text = r#"{"v":1,"cid":"bafkreigqhmecig3tjrhnl2x2vs6lptan64uhezis7jmxmzi7leqsnayhcy","size":842,"ts":1}"#;
    /// let found = ValueRef::parse(text).unwrap();
    /// assert_eq!((found.size, found.fetch_bytes_max()), (842, 970));
    /// assert_eq!(ValueRef::parse("[1]"), None);
    /// assert_eq!(ValueRef::parse(&found.format()), Some(found));
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let value: Value = serde_json::from_str(text).ok()?;
        let fields = value.as_object()?;
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        #[expect(clippy::float_cmp, reason = "the version is exactly 1 or another one")]
        if number("v")? != 1.0 {
            return None;
        }
        let cid = fields.get("cid")?.as_str()?.parse().ok()?;
        let size = crate::profile::merge::whole_number(fields.get("size")?)?;
        let ts = number("ts").filter(|ts| *ts > 0.0)?;
        let content_version = match fields.get("contentV") {
            Some(version) => Some(version.as_f64()?),
            None => None,
        };
        let encrypted = match fields.get("enc") {
            Some(encrypted) => Some(encrypted.as_bool()?),
            None => None,
        };
        Some(Self {
            cid,
            size,
            ts,
            content_version,
            encrypted,
        })
    }

    /// A reference to a sealed block of a value of `plaintext_bytes` bytes.
    pub fn of_sealed(cid: Cid, plaintext_bytes: usize, now_ms: u64) -> Self {
        Self {
            cid,
            size: (plaintext_bytes as u64).saturating_add(OVERHEAD_BYTES as u64),
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds stay below 2^53 for 285,000 years"
            )]
            ts: now_ms as f64,
            content_version: None,
            encrypted: None,
        }
    }

    /// The row's text, fields in the reference's order.
    pub fn format(&self) -> String {
        let mut out =
            format!(r#"{{"v":1,"cid":"{}","size":{},"ts":"#, self.cid, self.size).into_bytes();
        uxf_codec::json::write_number(&mut out, self.ts);
        if let Some(version) = self.content_version {
            out.extend_from_slice(br#","contentV":"#);
            uxf_codec::json::write_number(&mut out, version);
        }
        if let Some(encrypted) = self.encrypted {
            out.extend_from_slice(if encrypted {
                br#","enc":true"#
            } else {
                br#","enc":false"#
            });
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// Most bytes that may be fetched for it.
    pub fn fetch_bytes_max(&self) -> u64 {
        self.size
            .saturating_add(FETCH_SLACK_BYTES)
            .min(FETCH_BYTES_MAX)
    }

    /// Refuses, before anything is fetched, a block that the row says is not encrypted.
    ///
    /// # Errors
    /// [`ValueRefError::NotEncrypted`].
    pub fn require_encrypted(&self) -> Result<(), ValueRefError> {
        if self.encrypted == Some(false) {
            return Err(ValueRefError::NotEncrypted);
        }
        Ok(())
    }

    /// Refuses, before it is decrypted, a block of another length than the row says.
    ///
    /// # Errors
    /// [`ValueRefError::SizeMismatch`].
    pub fn check_length(&self, found: u64) -> Result<(), ValueRefError> {
        if found.abs_diff(self.size) > FETCH_SLACK_BYTES {
            return Err(ValueRefError::SizeMismatch {
                expected: self.size,
                found,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: &str = "bafkreigqhmecig3tjrhnl2x2vs6lptan64uhezis7jmxmzi7leqsnayhcy";

    #[test]
    fn a_block_may_differ_from_its_reference_by_the_slack_and_no_more() {
        let found = ValueRef::of_sealed(CID.parse().unwrap(), 1000, 5);
        assert_eq!(found.size, 1028);
        assert_eq!(found.check_length(1028 + 128), Ok(()));
        assert_eq!(found.check_length(1028 - 128), Ok(()));
        let error = found.check_length(1028 + 129).unwrap_err();
        assert_eq!(
            error,
            ValueRefError::SizeMismatch {
                expected: 1028,
                found: 1157
            }
        );
        assert_eq!(error.code(), "CID_REF_SIZE_MISMATCH");
    }

    #[test]
    fn no_reference_makes_us_fetch_more_than_the_cap() {
        let mut found = ValueRef::of_sealed(CID.parse().unwrap(), 1, 5);
        found.size = u64::MAX;
        assert_eq!(found.fetch_bytes_max(), FETCH_BYTES_MAX);
    }

    #[test]
    fn a_caller_that_demands_encryption_is_told_before_a_fetch() {
        let mut found = ValueRef::of_sealed(CID.parse().unwrap(), 1, 5);
        assert_eq!(found.require_encrypted(), Ok(()));
        found.encrypted = Some(false);
        assert_eq!(
            found.require_encrypted().unwrap_err().code(),
            "CID_REF_CORRUPT"
        );
    }
}

use core::fmt;

use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::oplog::HybridTime;
use crate::oplog::identity::LogId;
use crate::profile::ProfileError;
use crate::profile::envelope::{EntryKind, Origin};
use crate::profile::fold::Counted;

/// A value of a key, opened. Wiped on drop; shows only its length in `Debug`.
#[derive(Clone)]
pub struct Value {
    bytes: Zeroizing<Vec<u8>>,
    /// Who wrote it; `None` for a value that stays on this device.
    written: Option<Written>,
}

#[derive(Clone, Copy)]
struct Written {
    entry: EntryKind,
    origin: Origin,
    time: HybridTime,
    log: LogId,
    seq: u64,
}

impl Value {
    pub(super) const fn local(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            bytes,
            written: None,
        }
    }

    /// A value that an operation wrote. Its origin is what the log says, not what the entry might claim.
    pub(super) fn written(bytes: Zeroizing<Vec<u8>>, counted: &Counted, own: LogId) -> Self {
        let origin = if counted.stamp.log.device == own.device {
            counted.entry.local_origin()
        } else {
            Origin::Replicated
        };
        Self {
            bytes,
            written: Some(Written {
                entry: counted.entry,
                origin,
                time: counted.stamp.time,
                log: counted.stamp.log,
                seq: counted.stamp.seq,
            }),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The kind of entry that wrote it; `None` for a value that stays on this device. Of a merged value, the last
    /// write's.
    pub fn entry(&self) -> Option<EntryKind> {
        self.written.map(|written| written.entry)
    }

    /// Where it comes from: an act of the user here, this device's bookkeeping, or another device. Values that stay
    /// on this device are its bookkeeping.
    pub fn origin(&self) -> Origin {
        self.written
            .map_or(Origin::System, |written| written.origin)
    }

    /// When it was written; `None` for a value that stays on this device.
    pub fn time(&self) -> Option<HybridTime> {
        self.written.map(|written| written.time)
    }

    /// The log and sequence number of the operation that wrote it; `None` for a value that stays on this device.
    pub fn written_by(&self) -> Option<(LogId, u64)> {
        self.written.map(|written| (written.log, written.seq))
    }

    /// The value read as JSON. The key is for the error.
    ///
    /// # Errors
    /// [`ProfileError::Type`].
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes).map_err(|source| {
            ProfileError::Type {
                key: key.to_owned(),
                source,
            }
            .into()
        })
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq<[u8]> for Value {
    fn eq(&self, other: &[u8]) -> bool {
        self.bytes.ct_eq(other).into()
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Value {
    fn eq(&self, other: &&[u8; N]) -> bool {
        *self == other[..]
    }
}

impl PartialEq<&[u8]> for Value {
    fn eq(&self, other: &&[u8]) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.bytes.len())
    }
}

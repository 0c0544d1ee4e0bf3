use super::CheckpointId;
use super::error::CheckpointError;
use super::header::{CheckpointHeader, HEADER_BYTES_MAX};
use crate::cbor::{self, Cursor};
use crate::oplog::identity::DeviceKey;

/// Longest checkpoint, in bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 1 + HEADER_BYTES_MAX + 66;

/// A checkpoint without its entries: the header and the signature of the log's device.
///
/// That the device may write is said by its certificate; that the entries are these by
/// [`CheckpointReader`](super::CheckpointReader).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    header: CheckpointHeader,
    id: CheckpointId,
    signature: [u8; 64],
}

impl SignedCheckpoint {
    /// Signs a header.
    pub(super) fn seal(header: CheckpointHeader, key: &DeviceKey) -> Result<Self, CheckpointError> {
        if key.id() != header.log.device {
            return Err(CheckpointError::WrongKey);
        }
        header.check()?;
        let mut encoded = Vec::new();
        header.encode_into(&mut encoded);
        let id = CheckpointId::of(&encoded);
        let signature = key.sign(&id.message());
        Ok(Self {
            header,
            id,
            signature,
        })
    }

    /// What is signed.
    pub const fn header(&self) -> &CheckpointHeader {
        &self.header
    }

    /// What it is called.
    pub const fn id(&self) -> CheckpointId {
        self.id
    }

    /// The device's signature of the id.
    pub const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The canonical bytes: an array of header and signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x82];
        self.encode_into(&mut out);
        out
    }

    /// Reads canonical bytes. Does not check the signature; see [`SignedCheckpoint::verify`].
    ///
    /// # Errors
    /// What is wrong with the bytes or the header: [`CheckpointError::TooLarge`], [`CheckpointError::Malformed`],
    /// [`CheckpointError::Heads`], [`CheckpointError::HeadCount`], [`CheckpointError::Until`],
    /// [`CheckpointError::Count`], [`CheckpointError::Extent`], [`CheckpointError::Root`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        if bytes.len() > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::TooLarge {
                found: bytes.len(),
                limit: CHECKPOINT_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x82", "an array of two")?;
        let signed = Self::read(&mut cursor)?;
        cursor.end()?;
        Ok(signed)
    }

    /// Checks that the log's device has signed it, by the strict rules of
    /// [`Commit::verify`](crate::oplog::Commit::verify).
    ///
    /// # Errors
    /// [`CheckpointError::Signature`] if it has not.
    pub fn verify(&self) -> Result<(), CheckpointError> {
        let device = self.header.log.device;
        if device.has_signed(&self.id.message(), &self.signature) {
            Ok(())
        } else {
            Err(CheckpointError::Signature)
        }
    }

    /// Appends header and signature.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        self.header.encode_into(out);
        cbor::bytes(out, &self.signature);
    }

    /// Reads header and signature at the cursor.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, CheckpointError> {
        let before = cursor.rest();
        let header = CheckpointHeader::read(cursor)?;
        let len = before.len() - cursor.rest().len();
        let id = CheckpointId::of(before.get(..len).unwrap_or_default());
        let signature = cursor.array("a signature of 64 bytes")?;
        Ok(Self {
            header,
            id,
            signature,
        })
    }
}

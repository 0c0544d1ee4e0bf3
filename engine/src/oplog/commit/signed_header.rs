use super::{Commit, CommitError, CommitId, Header};
use crate::cbor::{self, Cursor};

/// A header and its signature without the operations: what proves a commit once they are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    header: Header,
    id: CommitId,
    signature: [u8; 64],
}

impl SignedHeader {
    /// That of a commit.
    pub fn of(commit: &Commit<'_>) -> Self {
        Self {
            header: commit.header.clone(),
            id: commit.id,
            signature: commit.signature,
        }
    }

    /// What is signed.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// What the commit is called.
    pub const fn id(&self) -> CommitId {
        self.id
    }

    /// Checks that the device has signed it, as [`Commit::verify`] does.
    ///
    /// # Errors
    /// [`CommitError::Signature`] if it has not.
    pub fn verify(&self) -> Result<(), CommitError> {
        let device = self.header.log.device;
        if device.has_signed(&self.id.message(), &self.signature) {
            Ok(())
        } else {
            Err(CommitError::Signature)
        }
    }

    /// Appends header and signature.
    pub(in crate::oplog) fn encode_into(&self, out: &mut Vec<u8>) {
        self.header.encode_into(out);
        cbor::bytes(out, &self.signature);
    }

    /// Reads header and signature at the cursor.
    pub(in crate::oplog) fn read(cursor: &mut Cursor<'_>) -> Result<Self, CommitError> {
        let before = cursor.rest();
        let header = Header::read(cursor)?;
        let len = before.len() - cursor.rest().len();
        let id = CommitId::of(before.get(..len).unwrap_or_default());
        let signature = cursor.array("a signature of 64 bytes")?;
        Ok(Self {
            header,
            id,
            signature,
        })
    }
}

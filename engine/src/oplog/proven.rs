use super::checkpoint::CheckpointProof;
use super::operation::Operation;
use super::order::Stamp;
use super::proof::{LoneOperation, ProofError};
use crate::profile::sealed::ProfileId;

/// An operation with its proof, whichever of the two proves it: its commit or a checkpoint of its log. No bytes are both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvenOperation {
    /// By the signed header of its commit.
    Commit(LoneOperation),
    /// By a signed checkpoint.
    Checkpoint(CheckpointProof),
}

impl ProvenOperation {
    /// Reads canonical bytes. What they prove, if anything, is said by [`verify`](Self::verify).
    ///
    /// # Errors
    /// Those of [`CheckpointProof::decode`], if they are no encoding of a [`LoneOperation`] either.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if let Ok(alone) = LoneOperation::decode(bytes) {
            return Ok(Self::Commit(alone));
        }
        CheckpointProof::decode(bytes).map(Self::Checkpoint)
    }

    /// The profile that the operation says it is of.
    pub const fn profile(&self) -> &ProfileId {
        match self {
            Self::Commit(alone) => &alone.signed_header().header().profile,
            Self::Checkpoint(alone) => &alone.signed().header().profile,
        }
    }

    /// Checks the signature and the path, and gives the operation with its place in the order. Whether the device may
    /// write is said by its certificate.
    ///
    /// # Errors
    /// Those of [`LoneOperation::verify`] and [`CheckpointProof::verify`].
    pub fn verify(&self) -> Result<(Stamp, Operation<'_>), ProofError> {
        match self {
            Self::Commit(alone) => alone.verify(),
            Self::Checkpoint(alone) => alone.verify(),
        }
    }

    /// The operation and its place, as they were when they were verified.
    pub(crate) fn verified_before(&self) -> Result<(Stamp, Operation<'_>), ProofError> {
        match self {
            Self::Commit(alone) => alone.told(),
            Self::Checkpoint(alone) => alone.told(),
        }
    }
}

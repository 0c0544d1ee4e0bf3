use core::fmt;

use thiserror::Error;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointProof, LoneOperation, Operation, Stamp};
use uxf_engine::profile::sealed::ProfileId;

use crate::wire::{BOUND_OPERATION_BYTES_MAX, Bound, ShortId};

/// Which operation it is, in the form in which they are ordered: device, epoch and sequence number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId([u8; BOUND_OPERATION_BYTES_MAX]);

impl OperationId {
    /// The operation of a log with a sequence number.
    pub fn new(log: &LogId, seq: u64) -> Self {
        let mut id = [0; BOUND_OPERATION_BYTES_MAX];
        let (device, rest) = id.split_at_mut(32);
        let (epoch, number) = rest.split_at_mut(8);
        device.copy_from_slice(log.device.as_bytes());
        epoch.copy_from_slice(&log.epoch.as_u64().to_be_bytes());
        number.copy_from_slice(&seq.to_be_bytes());
        Self(id)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; BOUND_OPERATION_BYTES_MAX] {
        &self.0
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperationId(..)")
    }
}

/// The hash of all that an operation says, with its place: two operations have one only if they are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemHash(pub [u8; 32]);

impl ItemHash {
    /// The hash of an operation at its place.
    pub fn of(stamp: &Stamp, operation: &Operation<'_>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: live operation");
        hasher.update(OperationId::new(&stamp.log, stamp.seq).as_bytes());
        hasher.update(&stamp.time.as_u64().to_be_bytes());
        hasher.update(&[operation.kind as u8]);
        hasher.update(&(operation.key.len() as u64).to_be_bytes());
        hasher.update(operation.key.as_bytes());
        hasher.update(operation.value);
        Self(hasher.finalize().into())
    }

    /// Its first half.
    pub fn short(&self) -> ShortId {
        let first = self.0.first_chunk::<16>();
        ShortId(first.copied().unwrap_or_default())
    }
}

impl fmt::Debug for ItemHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.short())
    }
}

/// A live operation as it is counted: where it stands and its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// The key it writes.
    pub key: String,
    /// Which it is.
    pub operation: OperationId,
    /// Its hash.
    pub hash: ItemHash,
}

impl Item {
    /// Whether it stands before a bound.
    pub fn is_before(&self, bound: &Bound) -> bool {
        match bound {
            Bound::End => true,
            Bound::Before { key, operation } => {
                (self.key.as_bytes(), &self.operation.0[..])
                    < (key.as_slice(), operation.as_slice())
            }
        }
    }

    /// A bound between this one and a later one, the shortest there is.
    pub fn bound_before(&self, later: &Self) -> Bound {
        let longer = |low: &[u8], high: &[u8]| {
            let shared = low.iter().zip(high).take_while(|(a, b)| a == b).count();
            high.get(..=shared).unwrap_or(high).to_vec()
        };
        if self.key == later.key {
            Bound::Before {
                key: later.key.clone().into_bytes(),
                operation: longer(&self.operation.0, &later.operation.0),
            }
        } else {
            Bound::Before {
                key: longer(self.key.as_bytes(), later.key.as_bytes()),
                operation: Vec::new(),
            }
        }
    }
}

impl fmt::Debug for Item {
    // Keys are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({:?})", self.hash)
    }
}

/// What came as an operation with its proof is none, or the proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what came is no operation of the profile that proves itself")]
pub struct ForgedOperation;

/// A live operation that proved itself: its commit or checkpoint was signed by its device. Whether the device may write is
/// for the store to say, which knows certificates and revocations.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveOperation {
    bytes: Vec<u8>,
    stamp: Stamp,
    item: Item,
}

impl LiveOperation {
    /// Reads an operation with its proof and verifies it.
    ///
    /// # Errors
    /// [`ForgedOperation`].
    pub fn verify(bytes: Vec<u8>, profile: &ProfileId) -> Result<Self, ForgedOperation> {
        let forged = ForgedOperation;
        // No bytes are both.
        let (stamp, item) = if let Ok(lone) = LoneOperation::decode(&bytes) {
            let (stamp, operation) = lone.verify().map_err(|_| forged)?;
            if lone.signed_header().header().profile != *profile {
                return Err(forged);
            }
            (stamp, item_of(&stamp, &operation))
        } else {
            let proof = CheckpointProof::decode(&bytes).map_err(|_| forged)?;
            let (stamp, operation) = proof.verify().map_err(|_| forged)?;
            if proof.signed().header().profile != *profile {
                return Err(forged);
            }
            (stamp, item_of(&stamp, &operation))
        };
        Ok(Self { bytes, stamp, item })
    }

    /// The operation with its proof, as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its place in the one order of operations.
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// What is counted of it.
    pub const fn item(&self) -> &Item {
        &self.item
    }
}

impl fmt::Debug for LiveOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveOperation({:?})", self.item.hash)
    }
}

fn item_of(stamp: &Stamp, operation: &Operation<'_>) -> Item {
    Item {
        key: operation.key.to_owned(),
        operation: OperationId::new(&stamp.log, stamp.seq),
        hash: ItemHash::of(stamp, operation),
    }
}

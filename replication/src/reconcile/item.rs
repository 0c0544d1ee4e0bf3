use core::fmt;

use thiserror::Error;
use uxf_codec::ElementHash;
use uxf_engine::oplog::{
    ItemHash, OPERATION_ID_BYTES, OpKind, OperationId, ProvenOperation, Stamp,
};
use uxf_engine::profile::LiveItem;
use uxf_engine::profile::sealed::ProfileId;

use crate::wire::{BOUND_OPERATION_BYTES_MAX, Bound, ShortId};

const _: () = assert!(OPERATION_ID_BYTES == BOUND_OPERATION_BYTES_MAX);

/// What is told of an operation where operations are listed: the first half of its hash.
pub(super) fn short_id(hash: &ItemHash) -> ShortId {
    let first = hash.0.first_chunk::<16>();
    ShortId(first.copied().unwrap_or_default())
}

/// Whether an operation stands before a bound.
pub(super) fn is_before(item: &LiveItem, bound: &Bound) -> bool {
    match bound {
        Bound::End => true,
        Bound::Before { key, operation } => {
            (item.key.as_bytes(), &item.operation.as_bytes()[..])
                < (key.as_slice(), operation.as_slice())
        }
    }
}

/// A bound between an operation and a later one, the shortest there is.
pub(crate) fn bound_between(item: &LiveItem, later: &LiveItem) -> Bound {
    let longer = |low: &[u8], high: &[u8]| {
        let shared = low.iter().zip(high).take_while(|(a, b)| a == b).count();
        high.get(..=shared).unwrap_or(high).to_vec()
    };
    if item.key == later.key {
        Bound::Before {
            key: later.key.clone().into_bytes(),
            operation: longer(item.operation.as_bytes(), later.operation.as_bytes()),
        }
    } else {
        Bound::Before {
            key: longer(item.key.as_bytes(), later.key.as_bytes()),
            operation: Vec::new(),
        }
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
    item: LiveItem,
    value: Option<ElementHash>,
}

impl LiveOperation {
    /// Reads an operation with its proof and verifies it.
    ///
    /// # Errors
    /// [`ForgedOperation`].
    pub fn verify(bytes: Vec<u8>, profile: &ProfileId) -> Result<Self, ForgedOperation> {
        let forged = |_| ForgedOperation;
        let proven = ProvenOperation::decode(&bytes).map_err(forged)?;
        if proven.profile() != profile {
            return Err(ForgedOperation);
        }
        let (stamp, operation) = proven.verify().map_err(forged)?;
        let item = LiveItem {
            key: operation.key.to_owned(),
            operation: OperationId::new(&stamp.log, stamp.seq),
            hash: ItemHash::of(&stamp, &operation),
        };
        let is_reference = operation.kind == OpKind::Ref;
        let digest = operation.value.last_chunk::<32>();
        let digest = digest.filter(|_| is_reference).copied();
        Ok(Self {
            bytes,
            stamp,
            item,
            value: digest.map(ElementHash::from_bytes),
        })
    }

    /// The sealed block that has its value, if that is not in the operation.
    pub const fn value(&self) -> Option<&ElementHash> {
        self.value.as_ref()
    }

    /// The operation with its proof, as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, when nothing else is wanted of it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Its place in the one order of operations.
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// What is counted of it.
    pub const fn item(&self) -> &LiveItem {
        &self.item
    }
}

impl fmt::Debug for LiveOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveOperation({:?})", self.item.hash)
    }
}

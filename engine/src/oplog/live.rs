use core::fmt;

use super::identity::LogId;
use super::operation::{OpKind, Operation};
use super::order::Stamp;

/// Length of an operation's id in bytes: device, epoch and sequence number.
pub const OPERATION_ID_BYTES: usize = 48;

/// Which operation it is, in the form in which they are ordered: device, epoch and sequence number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId([u8; OPERATION_ID_BYTES]);

impl OperationId {
    /// The operation of a log with a sequence number.
    pub fn new(log: &LogId, seq: u64) -> Self {
        let mut id = [0; OPERATION_ID_BYTES];
        let (device, rest) = id.split_at_mut(32);
        let (epoch, number) = rest.split_at_mut(8);
        device.copy_from_slice(log.device.as_bytes());
        epoch.copy_from_slice(&log.epoch.as_u64().to_be_bytes());
        number.copy_from_slice(&seq.to_be_bytes());
        Self(id)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; OPERATION_ID_BYTES] {
        &self.0
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperationId(..)")
    }
}

/// The hash of all that an operation says, with its place: two operations have one only if they are the same, whatever
/// commit or checkpoint proves them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemHash(pub [u8; 32]);

impl ItemHash {
    /// The hash of an operation at its place.
    pub fn of(stamp: &Stamp, operation: &Operation<'_>) -> Self {
        Self::of_parts(stamp, operation.kind, operation.key, operation.value)
    }

    pub(crate) fn of_parts(stamp: &Stamp, kind: OpKind, key: &str, value: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: live operation");
        hasher.update(OperationId::new(&stamp.log, stamp.seq).as_bytes());
        hasher.update(&stamp.time.as_u64().to_be_bytes());
        hasher.update(&[kind as u8]);
        hasher.update(&(key.len() as u64).to_be_bytes());
        hasher.update(key.as_bytes());
        hasher.update(value);
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for ItemHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..4).unwrap_or_default();
        write!(f, "ItemHash({}..)", const_hex::encode(start))
    }
}

/// A set of operations in 40 bytes: how many, and the sum of their hashes modulo 2^256. Sums of two sets that share
/// nothing add up to the sum of both, in any order, and can be taken away again.
///
/// Finding another set of the same sum means solving a knapsack of hashes over 256 bits. Who can write operations could
/// try; what it would gain is that replicas do not notice a difference it made itself.
///
/// ```
/// use uxf_engine::oplog::{ItemHash, ItemSum};
///
/// let (a, b) = (ItemHash([0xff; 32]), ItemHash([2; 32]));
/// let both = ItemSum::of(&a).plus(&ItemSum::of(&b));
/// assert_eq!(both, ItemSum::of(&b).plus(&ItemSum::of(&a)));
/// assert_eq!(both.minus(&ItemSum::of(&a)), ItemSum::of(&b));
/// assert_ne!(both.fingerprint(), ItemSum::default().fingerprint());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemSum {
    count: u64,
    /// Least significant first.
    limbs: [u64; 4],
}

/// Length of an encoded sum in bytes.
const SUM_BYTES: usize = 40;

impl ItemSum {
    /// That of nothing.
    pub(crate) const ZERO: Self = Self {
        count: 0,
        limbs: [0; 4],
    };

    /// That of one operation.
    pub fn of(hash: &ItemHash) -> Self {
        Self {
            count: 1,
            limbs: limbs(&hash.0),
        }
    }

    /// How many operations.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.count = self.count.wrapping_add(other.count);
        let mut carry = false;
        for (limb, other) in sum.limbs.iter_mut().zip(other.limbs) {
            let (added, first) = limb.overflowing_add(other);
            let (added, second) = added.overflowing_add(u64::from(carry));
            (*limb, carry) = (added, first | second);
        }
        sum
    }

    /// What is left without the other, which must be a part.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.count = self.count.wrapping_sub(other.count);
        let mut borrow = false;
        for (limb, other) in sum.limbs.iter_mut().zip(other.limbs) {
            let (left, first) = limb.overflowing_sub(other);
            let (left, second) = left.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (left, first | second);
        }
        sum
    }

    /// What is told of it: the first half of a hash of number and sum.
    pub fn fingerprint(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: fingerprint");
        hasher.update(&self.count.to_be_bytes());
        for limb in self.limbs {
            hasher.update(&limb.to_le_bytes());
        }
        let first = hasher.finalize();
        let first = first.as_bytes().first_chunk::<16>();
        first.copied().unwrap_or_default()
    }

    /// Number (8 bytes, big-endian) and sum (32 bytes, little-endian).
    pub(crate) fn encode(&self) -> [u8; SUM_BYTES] {
        let mut out = [0; SUM_BYTES];
        let (count, sum) = out.split_at_mut(8);
        count.copy_from_slice(&self.count.to_be_bytes());
        let (chunks, _) = sum.as_chunks_mut::<8>();
        for (chunk, limb) in chunks.iter_mut().zip(self.limbs) {
            *chunk = limb.to_le_bytes();
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SUM_BYTES] = bytes.try_into().ok()?;
        let (count, sum) = bytes.split_first_chunk::<8>()?;
        let sum = sum.first_chunk::<32>()?;
        Some(Self {
            count: u64::from_be_bytes(*count),
            limbs: limbs(sum),
        })
    }
}

fn limbs(bytes: &[u8; 32]) -> [u64; 4] {
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(chunks) {
        *limb = u64::from_le_bytes(*chunk);
    }
    limbs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sum_carries_over_all_its_bytes_and_comes_back_from_its_encoding() {
        let most = ItemSum::of(&ItemHash([0xff; 32]));
        let mut one = [0; 32];
        one[0] = 1;
        let over = most.plus(&ItemSum::of(&ItemHash(one)));
        assert_eq!((over.count, over.limbs), (2, [0; 4]));
        assert_eq!(over.minus(&most), ItemSum::of(&ItemHash(one)));
        assert_eq!(ItemSum::decode(&most.encode()), Some(most));
        assert_eq!(ItemSum::decode(&most.encode()[1..]), None);
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order_and_can_be_taken_apart(
            hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..12), at in 0_usize..12,
        ) {
            let sum = |part: &mut dyn Iterator<Item = &[u8; 32]>| {
                part.fold(ItemSum::default(), |sum, hash| sum.plus(&ItemSum::of(&ItemHash(*hash))))
            };
            let all = sum(&mut hashes.iter());
            prop_assert_eq!(all, sum(&mut hashes.iter().rev()));
            let at = at.min(hashes.len());
            prop_assert_eq!(all.minus(&sum(&mut hashes[..at].iter())), sum(&mut hashes[at..].iter()));
            prop_assert_eq!(ItemSum::decode(&all.encode()), Some(all));
            let part = sum(&mut hashes[..at].iter());
            prop_assert_eq!(all.fingerprint() != part.fingerprint(), at < hashes.len());
        }
    }
}

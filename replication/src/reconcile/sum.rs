use super::item::ItemHash;
use crate::wire::Fingerprint;

/// A set of operations in 40 bytes: how many, and the sum of their hashes modulo 2^256. Sums of two sets that share
/// nothing add up to the sum of both, in any order, and can be taken away again.
///
/// Finding another set of the same sum means solving a knapsack of hashes over 256 bits. Who can write operations could
/// try; what it would gain is that replicas do not notice a difference it made itself.
///
/// ```
/// use uxf_replication::reconcile::{ItemHash, Sum};
///
/// let (a, b) = (ItemHash([0xff; 32]), ItemHash([2; 32]));
/// let both = Sum::of(&a).plus(&Sum::of(&b));
/// assert_eq!(both, Sum::of(&b).plus(&Sum::of(&a)));
/// assert_eq!(both.minus(&Sum::of(&a)), Sum::of(&b));
/// assert_ne!(both.fingerprint(), Sum::default().fingerprint());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    count: u64,
    /// Least significant first.
    limbs: [u64; 4],
}

impl Sum {
    /// That of one operation.
    pub fn of(hash: &ItemHash) -> Self {
        let (chunks, _) = hash.0.as_chunks::<8>();
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(chunks) {
            *limb = u64::from_le_bytes(*chunk);
        }
        Self { count: 1, limbs }
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
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: fingerprint");
        hasher.update(&self.count.to_be_bytes());
        for limb in self.limbs {
            hasher.update(&limb.to_le_bytes());
        }
        let first = hasher.finalize();
        let first = first.as_bytes().first_chunk::<16>();
        Fingerprint(first.copied().unwrap_or_default())
    }
}

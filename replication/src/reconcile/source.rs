use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use uxf_codec::ElementHash;
use uxf_engine::oplog::ItemSum;
use uxf_engine::profile::LiveItem;
use uxf_engine::profile::sealed::ProfileId;

use super::item::{LiveOperation, bound_between};
use super::tree::SumTree;
use crate::wire::Bound;

/// Why a source did not give or take.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// An operation of a device that may not write it.
    #[error("an operation of a device that is not certified, or was revoked before it")]
    Refused,
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The live operations of a profile: what counts of each key, in the order of keys and operation ids.
pub trait RangeSource {
    /// The profile.
    fn profile(&self) -> &ProfileId;

    /// The sum of the operations from one bound up to another.
    ///
    /// # Errors
    /// [`SourceError::Store`].
    fn sum(&self, from: &Bound, to: &Bound) -> Result<ItemSum, SourceError>;

    /// Bounds that cut a range into parts of nearly equally many operations: one less than there are to be parts, or as
    /// many as there are operations to stand between. Ascending, within the range.
    ///
    /// # Errors
    /// [`SourceError::Store`].
    fn split(&self, from: &Bound, to: &Bound, parts: u64) -> Result<Vec<Bound>, SourceError>;

    /// The first operations of a range, at most so many.
    ///
    /// # Errors
    /// [`SourceError::Store`].
    fn items(&self, from: &Bound, to: &Bound, most: usize) -> Result<Vec<LiveItem>, SourceError>;

    /// Operations with their proofs and long values, in their order; `None` for one that does not count any more, or that the
    /// other side would refuse.
    ///
    /// # Errors
    /// [`SourceError::Store`].
    fn prove(&self, items: &[&LiveItem]) -> Result<Vec<Option<Proven>>, SourceError>;

    /// For how many operations proofs are asked at once: what they are in may have to be read as a whole, and is read once.
    fn proven_at_once(&self) -> usize {
        256
    }

    /// Takes operations in, with the sealed blocks that came for them. Those that do not count beside what is there change
    /// nothing, those of which there is no value are left out. Says how many count now.
    ///
    /// # Errors
    /// All of [`SourceError`].
    fn apply(
        &self,
        operations: Vec<LiveOperation>,
        values: Vec<Vec<u8>>,
    ) -> Result<usize, SourceError>;
}

/// What is sent of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The operation with its proof.
    pub proof: Vec<u8>,
    /// The sealed block that it refers to, if its value is long.
    pub value: Option<Vec<u8>>,
}

impl Proven {
    pub(super) fn byte_len(&self) -> usize {
        4 + self.proof.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// Live operations in memory. Of each key the operation with the greatest stamp counts.
///
/// ```
/// use uxf_engine::profile::sealed::ProfileId;
/// use uxf_replication::reconcile::{LiveSet, RangeSource as _};
/// use uxf_replication::wire::Bound;
///
/// let set = LiveSet::new(ProfileId::from_bytes([2; 33]));
/// assert_eq!(set.sum(&Bound::START, &Bound::End).unwrap().count(), 0);
/// ```
#[derive(Debug)]
pub struct LiveSet {
    profile: ProfileId,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tree: SumTree,
    keys: BTreeMap<String, LiveOperation>,
    values: BTreeMap<ElementHash, Vec<u8>>,
}

impl LiveSet {
    /// An empty one.
    pub fn new(profile: ProfileId) -> Self {
        Self {
            profile,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn ranks(&self, from: &Bound, to: &Bound) -> (u64, u64) {
        let rank = |bound| self.tree.sum_before(bound).count();
        (rank(from), rank(to))
    }
}

impl RangeSource for LiveSet {
    fn profile(&self) -> &ProfileId {
        &self.profile
    }

    fn sum(&self, from: &Bound, to: &Bound) -> Result<ItemSum, SourceError> {
        let inner = self.inner();
        Ok(inner
            .tree
            .sum_before(to)
            .minus(&inner.tree.sum_before(from)))
    }

    fn split(&self, from: &Bound, to: &Bound, parts: u64) -> Result<Vec<Bound>, SourceError> {
        let inner = self.inner();
        let (first, behind) = inner.ranks(from, to);
        let count = behind.saturating_sub(first);
        let parts = parts.min(count);
        let bounds = (1..parts).filter_map(|part| {
            // Numbers of operations are far below 2^60.
            let rank = first + count.saturating_mul(part) / parts;
            let last = inner.tree.nth(rank.checked_sub(1)?)?;
            Some(bound_between(last, inner.tree.nth(rank)?))
        });
        Ok(bounds.collect())
    }

    fn items(&self, from: &Bound, to: &Bound, most: usize) -> Result<Vec<LiveItem>, SourceError> {
        let inner = self.inner();
        let (first, behind) = inner.ranks(from, to);
        let ranks = (first..behind).take(most);
        let items = ranks.map_while(|rank| inner.tree.nth(rank).cloned());
        Ok(items.collect())
    }

    fn prove(&self, items: &[&LiveItem]) -> Result<Vec<Option<Proven>>, SourceError> {
        let inner = self.inner();
        let proofs = items.iter().map(|item| {
            let found = inner.keys.get(&item.key);
            let found = found.filter(|found| found.item() == *item);
            found.map(|found| Proven {
                proof: found.bytes().to_vec(),
                value: found
                    .value()
                    .and_then(|hash| inner.values.get(hash))
                    .cloned(),
            })
        });
        Ok(proofs.collect())
    }

    fn apply(
        &self,
        operations: Vec<LiveOperation>,
        values: Vec<Vec<u8>>,
    ) -> Result<usize, SourceError> {
        let mut inner = self.inner();
        let values = values.into_iter();
        let values = values.map(|value| (ElementHash::of(&value), value));
        inner.values.extend(values);
        let mut counts = 0;
        for operation in operations {
            let value = operation.value();
            if value.is_some_and(|hash| !inner.values.contains_key(hash)) {
                continue;
            }
            let item = operation.item().clone();
            if let Some(known) = inner.keys.get(&item.key) {
                // Two of one stamp come from a device with two histories; which counts must not depend on what came
                // first.
                let order = |one: &LiveOperation| (*one.stamp(), one.item().hash.0);
                if order(known) >= order(&operation) {
                    continue;
                }
                let known = known.item().clone();
                inner.tree.remove(&known);
            }
            counts += 1;
            inner.tree.insert(item.clone());
            inner.keys.insert(item.key, operation);
        }
        Ok(counts)
    }
}

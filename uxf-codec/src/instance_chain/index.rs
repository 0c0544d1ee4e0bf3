use core::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::element::ElementHash;

/// One instance of a chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainMember {
    /// The instance.
    pub hash: ElementHash,
    /// The kind as the chain records it; imports believe it.
    pub kind: String,
}

/// A chain of instances, newest first.
///
/// Its `Ord` is for keeping chains in sets; which of two is better is for [`ChainEntry::preference`] to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainEntry {
    /// The newest instance.
    pub head: ElementHash,
    /// All instances, newest first, the original last.
    pub chain: Vec<ChainMember>,
}

impl ChainEntry {
    /// The order of preference among chains that share a member, best first: longer before shorter, then the
    /// smaller head, then the smaller members.
    ///
    /// It looks at nothing but the chains, so that every device prefers the same one.
    pub fn preference(&self, other: &Self) -> Ordering {
        (other.chain.len().cmp(&self.chain.len()))
            .then_with(|| self.head.cmp(&other.head))
            .then_with(|| self.chain.cmp(&other.chain))
    }

    /// Whether an element is an instance of this chain.
    pub fn contains(&self, hash: &ElementHash) -> bool {
        self.chain.iter().any(|member| member.hash == *hash)
    }
}

/// Which chain an element belongs to: any member's hash to the entry it shares with the others.
///
/// Chains fork when two devices continue the same instance. The rule: **a member of several chains belongs to the
/// longest of them, of equally long ones to the one with the smaller head**
/// ([`ChainEntry::preference`]). The reference keeps whichever chain it met first in memory and whichever it met
/// last when reading; a rule that depends on the chains alone gives the same answer in whatever order packages are
/// merged, written and read (format notes, section 12.3; `docs/decisions/0001-instance-chain-forks.md`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainIndex {
    pub(crate) by_member: IndexMap<ElementHash, Arc<ChainEntry>>,
}

impl ChainIndex {
    /// An index without chains.
    pub fn new() -> Self {
        Self::default()
    }

    /// The chain an element belongs to.
    pub fn get(&self, member: &ElementHash) -> Option<&Arc<ChainEntry>> {
        self.by_member.get(member)
    }

    /// Whether no element belongs to a chain.
    pub fn is_empty(&self) -> bool {
        self.by_member.is_empty()
    }

    /// Members and their chains, in the order in which they were indexed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ElementHash, &Arc<ChainEntry>)> {
        self.by_member.iter()
    }

    /// The distinct chains, each with the member that the index lists first, in the order of those members.
    pub fn chains(&self) -> impl Iterator<Item = (&ElementHash, &Arc<ChainEntry>)> {
        let mut seen = BTreeSet::new();
        self.by_member
            .iter()
            .filter(move |(_, entry)| seen.insert(Arc::as_ptr(entry)))
    }

    /// Adds a chain. Members that are indexed keep their place, and their chain too where they prefer it.
    ///
    /// A chain that all its members leave is forgotten; so a chain that continues another one replaces it. The
    /// outcome for every member does not depend on the order in which chains are added.
    ///
    /// ```
    /// use uxf_codec::ElementHash;
    /// use uxf_codec::instance_chain::{ChainEntry, ChainIndex, ChainMember};
    ///
    /// let hash = |byte| ElementHash::from_bytes([byte; 32]);
    /// let chain = |hashes: &[u8]| ChainEntry {
    ///     head: hash(hashes[0]),
    ///     chain: hashes
    ///         .iter()
    ///         .map(|byte| ChainMember { hash: hash(*byte), kind: "default".into() })
    ///         .collect(),
    /// };
    /// let mut index = ChainIndex::new();
    /// index.insert(chain(&[7, 1]));
    /// index.insert(chain(&[5, 1])); // a fork: 1 has two newer instances
    /// assert_eq!(index.get(&hash(1)).unwrap().head, hash(5));
    /// index.insert(chain(&[9, 7, 1])); // the longer branch wins
    /// assert_eq!(index.get(&hash(1)).unwrap().head, hash(9));
    /// assert_eq!(index.get(&hash(5)).unwrap().head, hash(5));
    /// ```
    pub fn insert(&mut self, entry: impl Into<Arc<ChainEntry>>) {
        let entry = entry.into();
        for member in &entry.chain {
            match self.by_member.entry(member.hash) {
                indexmap::map::Entry::Vacant(place) => {
                    place.insert(Arc::clone(&entry));
                }
                indexmap::map::Entry::Occupied(mut place) => {
                    if entry.preference(place.get()).is_lt() {
                        place.insert(Arc::clone(&entry));
                    }
                }
            }
        }
    }

    /// Takes the chains of another index in, as merging packages does. Format notes, section 12.3.
    pub fn merge(&mut self, source: &Self) {
        for (_, entry) in source.chains() {
            self.forget_chains_within(entry);
            self.insert(Arc::clone(entry));
        }
    }

    /// For every member that chains share, the heads of those that it does not belong to.
    pub(crate) fn branch_heads(&self) -> BTreeMap<ElementHash, Vec<ElementHash>> {
        let mut heads: BTreeMap<ElementHash, Vec<ElementHash>> = BTreeMap::new();
        for (_, entry) in self.chains() {
            for member in &entry.chain {
                if !(self.get(&member.hash)).is_some_and(|own| Arc::ptr_eq(own, entry)) {
                    heads.entry(member.hash).or_default().push(entry.head);
                }
            }
        }
        heads
    }

    /// Forgets the chains that an entry continues, so that their members take the place the reference gives them.
    fn forget_chains_within(&mut self, entry: &ChainEntry) {
        let members: BTreeSet<_> = entry.chain.iter().map(|member| member.hash).collect();
        let within: BTreeSet<_> = entry
            .chain
            .iter()
            .filter_map(|member| self.get(&member.hash))
            .filter(|known| known.chain.len() < entry.chain.len())
            .map(|known| (Arc::as_ptr(known), known))
            .collect::<IndexMap<_, _>>()
            .into_iter()
            .filter(|(_, known)| known.chain.iter().all(|old| members.contains(&old.hash)))
            .map(|(pointer, _)| pointer)
            .collect();
        if !within.is_empty() {
            self.by_member
                .retain(|_, known| !within.contains(&Arc::as_ptr(known)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(byte: u8) -> ElementHash {
        ElementHash::from_bytes([byte; 32])
    }

    fn chain(hashes: &[u8]) -> ChainEntry {
        let member = |byte: &u8| ChainMember {
            hash: hash(*byte),
            kind: format!("kind-{byte}"),
        };
        ChainEntry {
            head: hash(hashes[0]),
            chain: hashes.iter().map(member).collect(),
        }
    }

    fn heads(index: &ChainIndex) -> Vec<(ElementHash, ElementHash)> {
        let mut heads: Vec<_> = index.iter().map(|(hash, e)| (*hash, e.head)).collect();
        heads.sort_unstable();
        heads
    }

    #[test]
    fn a_continued_chain_takes_the_place_the_reference_gives_it() {
        let mut index = ChainIndex::new();
        index.insert(chain(&[2, 1]));
        index.insert(chain(&[9, 8]));
        let mut longer = ChainIndex::new();
        longer.insert(chain(&[3, 2, 1]));
        index.merge(&longer);
        let order: Vec<_> = index.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(order, [9, 8, 3, 2, 1].map(hash));
        assert_eq!(index.chains().count(), 2);
    }

    #[test]
    fn a_shorter_chain_changes_nothing() {
        let mut index = ChainIndex::new();
        index.insert(chain(&[3, 2, 1]));
        let before = index.clone();
        let mut shorter = ChainIndex::new();
        shorter.insert(chain(&[2, 1]));
        index.merge(&shorter);
        assert_eq!(index, before);
    }

    proptest! {
        /// Chains as they really are: every instance has one predecessor, so a chain is given by its head.
        #[test]
        fn every_member_has_the_same_chain_in_whatever_order_chains_are_merged(
            predecessors in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
            order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle(),
            split in 0..12usize,
        ) {
            let predecessors: Vec<u8> = predecessors
                .iter()
                .enumerate()
                .map(|(older, index)| u8::try_from(index.index(older + 1)).unwrap())
                .collect();
            let chains: Vec<ChainEntry> = (0..predecessors.len())
                .map(|newest| {
                    let mut hashes = vec![u8::try_from(newest + 1).unwrap()];
                    while let Some(last) = hashes.last().copied().filter(|last| *last > 0) {
                        hashes.push(predecessors[usize::from(last) - 1]);
                    }
                    chain(&hashes)
                })
                .collect();
            let mut forward = ChainIndex::new();
            for entry in &chains {
                forward.insert(entry.clone());
            }
            let (mut left, mut right) = (ChainIndex::new(), ChainIndex::new());
            for (step, at) in order.iter().enumerate() {
                if let Some(entry) = chains.get(*at) {
                    if step < split { &mut left } else { &mut right }.insert(entry.clone());
                }
            }
            let mut other_way = right.clone();
            other_way.merge(&left);
            left.merge(&right);
            prop_assert_eq!(heads(&left), heads(&forward));
            prop_assert_eq!(heads(&other_way), heads(&forward));
        }
    }
}

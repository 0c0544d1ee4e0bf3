use std::sync::Arc;

use indexmap::IndexMap;

use crate::element::ElementHash;

/// One instance of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainMember {
    /// The instance.
    pub hash: ElementHash,
    /// The kind as the chain records it; imports believe it.
    pub kind: String,
}

/// A chain of instances, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEntry {
    /// The newest instance.
    pub head: ElementHash,
    /// All instances, newest first, the original last.
    pub chain: Vec<ChainMember>,
}

/// Which chain an element belongs to: any member's hash to the entry it shares with the others.
///
/// Forks: a member keeps the chain it was first indexed under (format notes, section 12.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainIndex {
    pub(crate) by_member: IndexMap<ElementHash, Arc<ChainEntry>>,
}

impl ChainIndex {
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
}

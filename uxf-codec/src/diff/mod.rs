//! The difference between two packages, and applying it to a third.
//!
//! A [`Delta`] lists what turns one package into another: elements, tokens, instance chains. Envelopes and indexes are
//! no part of it. It has no form of its own to travel in; it is for comparing and for bringing a copy up to date
//! within one process. Format notes, section 16.

mod apply;

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::element::ElementHash;
use crate::instance_chain::ChainEntry;
use crate::package::{Manifest, Package, Pool, TokenId};

/// What turns one package into another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Elements that only the other package has.
    pub added_elements: Pool,
    /// Elements that only the first package has.
    pub removed_elements: IndexSet<ElementHash>,
    /// Tokens that only the other package has, or that have another root there.
    pub added_tokens: Manifest,
    /// Tokens that only the first package has.
    pub removed_tokens: IndexSet<TokenId>,
    /// Chains that only the other package has, by their heads.
    pub added_chains: IndexMap<ElementHash, Arc<ChainEntry>>,
    /// Chains that only the first package has.
    ///
    /// The reference has no such list, so that a chain it should forget while its elements stay, stays too.
    pub removed_chains: BTreeSet<Arc<ChainEntry>>,
}

impl Delta {
    /// Whether the two packages are the same in all that a delta speaks of.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Finds what turns `source` into `target`.
///
/// ```
/// use uxf_codec::diff::diff;
/// use uxf_codec::package::Package;
///
/// let package = Package::default();
/// assert!(diff(&package, &package.clone()).is_empty());
/// ```
pub fn diff(source: &Package, target: &Package) -> Delta {
    let mut delta = Delta::default();
    for (hash, element) in target.pool.iter() {
        if !source.pool.contains(hash) {
            delta
                .added_elements
                .insert(*hash, element.bytes(), element.form());
        }
    }
    let removed = source.pool.iter().map(|(hash, _)| *hash);
    delta.removed_elements = removed.filter(|hash| !target.pool.contains(hash)).collect();
    for (id, root) in &target.manifest {
        if source.manifest.get(id) != Some(root) {
            delta.added_tokens.insert(id.clone(), *root);
        }
    }
    let removed = source.manifest.keys();
    delta.removed_tokens = removed
        .filter(|id| !target.manifest.contains_key(*id))
        .cloned()
        .collect();
    let before: BTreeSet<_> = source.chains.chains().map(|(_, entry)| entry).collect();
    let after: BTreeSet<_> = target.chains.chains().map(|(_, entry)| entry).collect();
    for (_, entry) in target.chains.chains() {
        if !before.contains(entry) {
            delta.added_chains.insert(entry.head, Arc::clone(entry));
        }
    }
    delta.removed_chains = before.difference(&after).copied().cloned().collect();
    delta
}

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::Delta;
use crate::canonical::ElementView;
use crate::element::ElementHash;
use crate::error::Error;
use crate::instance_chain::{ChainEntry, ChainIndex};
use crate::package::Package;

impl Package {
    /// Applies a delta: adds and removes elements, then tokens, then chains.
    ///
    /// What is there already is not added and what is absent is not removed, so a delta can be applied to any
    /// package. A chain whose head goes is forgotten; a chain that loses older instances keeps the others, as long as
    /// there are two. Envelope and indexes stay as they are; call
    /// [`rebuild_indexes`](Package::rebuild_indexes) when those matter.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] if an added element does not have the hash it is filed under, and what
    /// [`ElementView::parse`] says of bytes that are no element. The package is then untouched, unlike in the
    /// reference.
    pub fn apply(&mut self, delta: &Delta) -> Result<(), Error> {
        let is_new = |(hash, _): &(&ElementHash, _)| !self.pool.contains(hash);
        for (hash, element) in delta.added_elements.iter().filter(is_new) {
            let actual = ElementHash::of(element.bytes());
            if actual != *hash {
                return Err(Error::VerificationFailed {
                    at: format!("element {hash} of the delta"),
                    reason: format!("its bytes have the hash {actual}"),
                });
            }
            ElementView::parse(element.bytes())?;
        }
        for (hash, element) in delta.added_elements.iter() {
            self.pool.insert(*hash, element.bytes(), element.form());
        }
        if !delta.removed_elements.is_empty() {
            let removed = &delta.removed_elements;
            self.pool.retain(|hash| !removed.contains(hash));
        }
        for (id, root) in &delta.added_tokens {
            self.manifest.insert(id.clone(), *root);
        }
        self.manifest
            .retain(|id, _| !delta.removed_tokens.contains(id));
        self.chains.apply(delta);
        Ok(())
    }
}

impl ChainIndex {
    fn apply(&mut self, delta: &Delta) {
        let mut after = Self::new();
        let mut dropped = BTreeSet::new();
        for (_, entry) in self.chains() {
            match without(entry, &delta.removed_elements) {
                Some(left) if !delta.removed_chains.contains(entry) => after.insert(left),
                Some(_) => {}
                None => {
                    dropped.insert(Arc::as_ptr(entry));
                }
            }
        }
        for entry in delta.added_chains.values() {
            after.insert(Arc::clone(entry));
        }
        // Members keep the places they have, unless their chain was dropped; new ones follow.
        let mut in_place = IndexMap::with_capacity(after.by_member.len());
        for (hash, entry) in &self.by_member {
            if let Some(next) = after.by_member.get(hash)
                && !dropped.contains(&Arc::as_ptr(entry))
            {
                in_place.insert(*hash, Arc::clone(next));
            }
        }
        for (hash, entry) in after.by_member {
            in_place.entry(hash).or_insert(entry);
        }
        self.by_member = in_place;
    }
}

/// What is left of a chain without some elements: nothing if its head is one of them or if one member is left.
///
/// The next instance does not become the head: which one is newest is for the delta to say.
fn without(entry: &Arc<ChainEntry>, removed: &IndexSet<ElementHash>) -> Option<Arc<ChainEntry>> {
    let is_removed = |hash: &ElementHash| removed.contains(hash);
    if is_removed(&entry.head) {
        return None;
    }
    if !entry.chain.iter().any(|member| is_removed(&member.hash)) {
        return Some(Arc::clone(entry));
    }
    let stays = entry
        .chain
        .iter()
        .filter(|member| !is_removed(&member.hash));
    let chain: Vec<_> = stays.cloned().collect();
    let head = chain.first()?.hash;
    (chain.len() > 1).then(|| Arc::new(ChainEntry { head, chain }))
}

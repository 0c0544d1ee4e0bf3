use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexSet;

use super::Package;
use crate::canonical::{ChildView, ElementView};
use crate::element::ElementHash;
use crate::instance_chain::ChainEntry;

/// What a collection takes for reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GcProfile {
    /// Everything that some root names in any way: children, predecessors, the name-tags in transactions, and all
    /// instances of every chain that a reachable element is part of, on all branches of a fork.
    #[default]
    Safe,
    /// What the reference takes for reachable: children, and the instances of the one chain an element is indexed
    /// under. It deletes name-tags that only transactions name, so that their tokens cannot be assembled any more;
    /// this is for reproducing it. Format notes, section 13.
    Exact,
}

impl Package {
    /// Deletes the elements that no token needs and forgets their chains. How many were deleted.
    ///
    /// The envelope's time stays. An element whose bytes cannot be read is kept if it is reached, and reaches
    /// nothing.
    pub fn gc(&mut self, profile: GcProfile) -> usize {
        let reachable = match profile {
            GcProfile::Safe => self.reachable_safe(),
            GcProfile::Exact => self.reachable_exact(),
        };
        let mut swept = IndexSet::new();
        self.pool.retain(|hash| {
            let is_reachable = reachable.contains(hash);
            if !is_reachable {
                swept.insert(*hash);
            }
            is_reachable
        });
        // Members that were absent before are no reason to forget a chain.
        self.chains
            .by_member
            .retain(|hash, _| !swept.contains(hash));
        swept.len()
    }

    fn reachable_safe(&self) -> IndexSet<ElementHash> {
        let mut chains_of: BTreeMap<ElementHash, Vec<&Arc<ChainEntry>>> = BTreeMap::new();
        for (_, entry) in self.chains.chains() {
            for member in &entry.chain {
                chains_of.entry(member.hash).or_default().push(entry);
            }
        }
        self.reachable(|hash, view, reach| {
            // Taken out, so that a chain is gone through once and not once for every member.
            for entry in chains_of.remove(hash).into_iter().flatten() {
                entry.chain.iter().for_each(|member| reach(member.hash));
                // An index that was read may name a head that is none of the members; assembly takes the head.
                reach(entry.head);
            }
            if let Some(view) = view {
                view.for_each_link(reach);
            }
        })
    }

    fn reachable_exact(&self) -> IndexSet<ElementHash> {
        let mut walked = IndexSet::new();
        self.reachable(|hash, view, reach| {
            if let Some(entry) = self.chains.get(hash)
                && walked.insert(Arc::as_ptr(entry))
            {
                entry.chain.iter().for_each(|member| reach(member.hash));
            }
            for (_, child) in view.into_iter().flat_map(ElementView::children) {
                match child {
                    ChildView::Absent => {}
                    ChildView::One(child) => reach(child),
                    ChildView::Many(list) => list.iter().for_each(&mut *reach),
                }
            }
        })
    }

    /// Everything that can be reached from the manifest, where `links` says what an element leads to.
    fn reachable(
        &self,
        mut links: impl FnMut(&ElementHash, Option<&ElementView<'_>>, &mut dyn FnMut(ElementHash)),
    ) -> IndexSet<ElementHash> {
        let mut reachable: IndexSet<ElementHash> = self.manifest.values().copied().collect();
        let mut next = 0;
        while let Some(hash) = reachable.get_index(next).copied() {
            let view = self.pool.view(&hash).ok().flatten();
            links(&hash, view.as_ref(), &mut |link| {
                reachable.insert(link);
            });
            next += 1;
        }
        reachable
    }
}

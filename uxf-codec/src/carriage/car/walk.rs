use std::collections::BTreeMap;

use indexmap::IndexSet;

use super::export::CarProfile;
use crate::canonical::{ChildView, ElementView};
use crate::element::{ElementHash, ElementSource, KeyOrder, MemoryForm};
use crate::error::Error;
use crate::instance_chain::ChainIndex;

/// A breadth-first walk over an element source that shows every element once.
///
/// The set of what has been met is in order of meeting and is its own queue, so the walk needs no other memory and
/// can be taken back to an earlier point.
#[derive(Debug)]
pub(super) struct Walk<'a, S> {
    source: &'a S,
    chains: &'a ChainIndex,
    /// Heads of the chains that a member is part of beside its own, where chains fork.
    branch_heads: BTreeMap<ElementHash, Vec<ElementHash>>,
    profile: CarProfile,
    met: IndexSet<ElementHash>,
    next: usize,
    /// What [`CarProfile::Complete`] adds once everything of the exact form has been shown.
    extras: IndexSet<ElementHash>,
    next_extra: usize,
}

/// A point of a [`Walk`] to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct WalkMark {
    met: usize,
    extras: usize,
    next_extra: usize,
}

/// The most child roles an ingested element has.
const ROLES_MAX: usize = 5;

impl<'a, S: ElementSource> Walk<'a, S> {
    pub(super) fn new(source: &'a S, chains: &'a ChainIndex, profile: CarProfile) -> Self {
        Self {
            source,
            chains,
            branch_heads: chains.branch_heads(),
            profile,
            met: IndexSet::new(),
            next: 0,
            extras: IndexSet::new(),
            next_extra: 0,
        }
    }

    /// Puts a root at the end of the queue.
    pub(super) fn enter(&mut self, root: ElementHash) {
        self.met.insert(root);
    }

    /// The next element that is there; absent ones are passed over. `None` when the queue is empty.
    pub(super) fn step(&mut self) -> Result<Option<(ElementHash, S::Bytes<'a>)>, Error> {
        while let Some(&hash) = self.met.get_index(self.next) {
            self.next += 1;
            if let Some((bytes, form)) = self.source.element_in_form(&hash)? {
                self.enter_links(&hash, &ElementView::parse(bytes.as_ref())?, form);
                return Ok(Some((hash, bytes)));
            }
        }
        Ok(None)
    }

    /// The next element in the complete form, after [`Self::step`] has nothing left: what only name-tag references
    /// and instance chains lead to.
    pub(super) fn step_extra(&mut self) -> Result<Option<(ElementHash, S::Bytes<'a>)>, Error> {
        loop {
            if let Some(found) = self.step()? {
                return Ok(Some(found));
            }
            let Some(&extra) = self.extras.get_index(self.next_extra) else {
                return Ok(None);
            };
            self.next_extra += 1;
            self.met.insert(extra);
        }
    }

    /// Where the walk stands. Only meaningful between two tokens, when the queue is empty.
    pub(super) fn mark(&self) -> WalkMark {
        WalkMark {
            met: self.met.len(),
            extras: self.extras.len(),
            next_extra: self.next_extra,
        }
    }

    /// Forgets everything met since a mark.
    pub(super) fn rewind(&mut self, mark: WalkMark) {
        self.met.truncate(mark.met);
        self.next = mark.met;
        self.extras.truncate(mark.extras);
        self.next_extra = mark.next_extra;
    }

    /// Forgets everything.
    pub(super) fn restart(&mut self) {
        self.met.clear();
        self.next = 0;
        self.extras.clear();
        self.next_extra = 0;
    }

    fn enter_links(&mut self, hash: &ElementHash, view: &ElementView<'_>, form: MemoryForm) {
        match form.order {
            KeyOrder::Canonical => {
                for (_, child) in view.children() {
                    self.enter_child(child);
                }
            }
            KeyOrder::Ingested => self.enter_ingested(view),
        }
        if let Some(predecessor) = view.predecessor() {
            self.met.insert(predecessor);
        }
        if self.profile == CarProfile::Complete {
            self.extras.extend(view.nametag_refs());
            if let Some(entry) = self.chains.get(hash) {
                // The head stands for the whole chain, so a long chain is entered once and not once per member.
                if self.extras.insert(entry.head) {
                    self.extras
                        .extend(entry.chain.iter().map(|member| member.hash));
                }
            }
            // Predecessors lead from there to the other members of the branch.
            let heads = self.branch_heads.get(hash);
            self.extras.extend(heads.into_iter().flatten());
        }
    }

    /// Children in the order an ingested element holds them, roles it does not know behind them.
    fn enter_ingested(&mut self, view: &ElementView<'_>) {
        let order = view.element_type().child_order();
        let mut known = [ChildView::Absent; ROLES_MAX];
        let mut has_unknown = false;
        for (role, child) in view.children() {
            let position = order.iter().position(|name| *name == role);
            match position.and_then(|position| known.get_mut(position)) {
                Some(slot) => *slot = child,
                None => has_unknown = true,
            }
        }
        for child in known {
            self.enter_child(child);
        }
        if has_unknown {
            for (role, child) in view.children() {
                if !order.contains(&role) {
                    self.enter_child(child);
                }
            }
        }
    }

    fn enter_child(&mut self, child: ChildView<'_>) {
        match child {
            ChildView::Absent => {}
            ChildView::One(hash) => {
                self.met.insert(hash);
            }
            ChildView::Many(list) => self.met.extend(list.iter()),
        }
    }
}

//! What a wallet comes to, made of sets.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::State;

/// What a device knows for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// States that it imported or took in with a bundle.
    pub(super) states: BTreeSet<State>,
    /// States that were spent on it.
    pub(super) spent: BTreeSet<State>,
}

impl Known {
    /// What this and another know together.
    pub(super) fn add(&mut self, other: &Self) {
        self.states.extend(&other.states);
        self.spent.extend(&other.spent);
    }

    /// Whether a state was spent, or one that came out of it.
    pub(super) fn has_spent(&self, state: State) -> bool {
        self.spent.iter().any(|spent| spent.has_been(state))
    }

    /// The newest states of each token, which contradict each other if there are several.
    pub(super) fn shown(&self) -> BTreeMap<usize, BTreeSet<State>> {
        let live = || self.states.iter().filter(|state| !self.has_spent(**state));
        let is_newest =
            |state: &State| !live().any(|other| other != state && other.has_been(*state));
        let mut shown: BTreeMap<usize, BTreeSet<State>> = BTreeMap::new();
        for state in live().filter(|state| is_newest(state)) {
            shown.entry(state.token).or_default().insert(*state);
        }
        shown
    }
}

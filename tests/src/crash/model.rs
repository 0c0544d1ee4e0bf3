//! What a store should hold.

use std::collections::BTreeMap;

use uxf_codec::ElementHash;

use super::profile::Shown;
use super::vocabulary::Vocabulary;

/// Names of the inventories a workload uses.
pub const INVENTORIES: [&str; 2] = ["alice", "bob"];

/// The roots and pins of a store; everything else follows from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// (inventory, token id) -> version of the token, its place in the vocabulary.
    pub tokens: BTreeMap<(usize, String), usize>,
    /// Anonymous pins.
    pub pins: BTreeMap<ElementHash, u64>,
    /// What its profile shows, once there is one.
    pub(super) profile: Option<Shown>,
}

impl Model {
    /// How often each element is referenced, counted anew from the roots and pins: a count is the number of distinct
    /// parents, pins and tokens that name an element.
    pub fn references(&self, vocabulary: &Vocabulary) -> BTreeMap<ElementHash, u64> {
        let mut counts = BTreeMap::new();
        let mut walk = Vec::new();
        let roots = self
            .tokens
            .values()
            .filter_map(|version| vocabulary.tokens.get(*version))
            .map(|token| (token.root, 1));
        let pins = self.pins.iter().map(|(hash, pins)| (*hash, *pins));
        for (hash, references) in roots.chain(pins) {
            walk.push((hash, references));
            while let Some((hash, references)) = walk.pop() {
                let count = counts.entry(hash).or_insert(0);
                let is_new = *count == 0;
                *count += references;
                if is_new && let Some(element) = vocabulary.get(&hash) {
                    walk.extend(element.links.iter().map(|link| (*link, 1)));
                }
            }
        }
        counts
    }

    /// Takes one pin away; whether there was one.
    pub fn unpin(&mut self, hash: &ElementHash) -> bool {
        let Some(pins) = self.pins.get_mut(hash) else {
            return false;
        };
        *pins -= 1;
        if *pins == 0 {
            self.pins.remove(hash);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_elements_count_their_parents_once_each() {
        let vocabulary = Vocabulary::new("model", 2, 1).unwrap();
        let mut model = Model::default();
        let token = &vocabulary.tokens[0];
        model.tokens.insert((0, token.id.clone()), 0);
        let alone = model.references(&vocabulary);
        assert_eq!(alone[&token.root], 1);
        model.tokens.insert((1, token.id.clone()), 0);
        let twice = model.references(&vocabulary);
        assert_eq!(twice[&token.root], 2);
        assert_eq!(alone.len(), twice.len());
        let differing = alone.iter().filter(|(hash, count)| twice[*hash] != **count);
        assert_eq!(differing.count(), 1, "only the root has one more");
    }

    #[test]
    fn the_last_unpin_forgets_the_element() {
        let vocabulary = Vocabulary::new("model", 1, 1).unwrap();
        let mut model = Model::default();
        let block = vocabulary.blocks[0];
        model.pins.insert(block, 2);
        assert!(model.unpin(&block));
        assert_eq!(model.references(&vocabulary)[&block], 1);
        assert!(model.unpin(&block));
        assert!(!model.unpin(&block));
        assert_eq!(model, Model::default());
    }
}

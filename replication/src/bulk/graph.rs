//! Which blocks of a bundle are named, which are here, and which are still missing.

use cid::Cid;
use indexmap::IndexMap;

use super::error::BulkError;
use super::limits::BulkLimits;
use super::links::Links;

/// The blocks of a bundle by what they name, without their bytes. Nodes are in the order they were first named.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: IndexMap<Cid, Node>,
    /// Nodes that something leads to since [`Self::take_reached`] was last called.
    reached: Vec<usize>,
    nodes_max: usize,
}

#[derive(Debug, Default)]
struct Node {
    /// Whether its links are known.
    is_walked: bool,
    reach: Reach,
    needed: Vec<usize>,
    wished: Vec<usize>,
}

/// How the root leads to a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Not at all.
    #[default]
    No,
    /// Only by names that others do not follow, see [`Links::wished`].
    Wished,
    /// By links.
    Needed,
}

impl Graph {
    /// Nothing but the root.
    pub(super) fn new(root: &Cid, limits: &BulkLimits) -> Self {
        let mut graph = Self {
            nodes: IndexMap::from([(*root, Node::default())]),
            reached: Vec::new(),
            // Every block that is named should come, but some that are wished for never do.
            nodes_max: limits.blocks_max.saturating_mul(2),
        };
        graph.reach(0, Reach::Needed);
        graph
    }

    /// Another block that is needed, whether something names it or not.
    pub(super) fn add_root(&mut self, cid: &Cid) -> Result<(), BulkError> {
        let index = self.index(cid)?;
        self.reach(index, Reach::Needed);
        Ok(())
    }

    /// Takes in what a block names; the second time it changes nothing.
    pub(super) fn walk(&mut self, cid: &Cid, links: &Links) -> Result<(), BulkError> {
        let index = self.index(cid)?;
        if self
            .nodes
            .get_index(index)
            .is_none_or(|(_, node)| node.is_walked)
        {
            return Ok(());
        }
        let needed = self.indexes(&links.needed)?;
        let wished = self.indexes(&links.wished)?;
        let Some((_, node)) = self.nodes.get_index_mut(index) else {
            return Ok(());
        };
        let reach = core::mem::take(&mut node.reach);
        (node.is_walked, node.needed, node.wished) = (true, needed, wished);
        self.reach(index, reach);
        Ok(())
    }

    /// How the root leads to a block.
    pub(super) fn reach_of(&self, cid: &Cid) -> Reach {
        self.nodes.get(cid).map_or(Reach::No, |node| node.reach)
    }

    /// Blocks that the root leads to since the last call.
    pub(super) fn take_reached(&mut self) -> Vec<Cid> {
        let reached = core::mem::take(&mut self.reached);
        let cid = |index| self.nodes.get_index(index).map(|(cid, _)| *cid);
        reached.into_iter().filter_map(cid).collect()
    }

    /// Blocks that the root leads to in this way and that are not here.
    pub(super) fn missing(&self, reach: Reach) -> impl Iterator<Item = &Cid> {
        let missing = move |node: &Node| node.reach == reach && !node.is_walked;
        let nodes = self.nodes.iter();
        nodes
            .filter(move |(_, node)| missing(node))
            .map(|(cid, _)| cid)
    }

    /// Blocks that the root leads to in either way, in the order they were first named.
    pub(super) fn reached(&self) -> impl Iterator<Item = &Cid> {
        let nodes = self.nodes.iter();
        nodes
            .filter(|(_, node)| node.reach > Reach::No)
            .map(|(cid, _)| cid)
    }

    /// Blocks that the root does not lead to by links and that no other such block names: pinning these with the
    /// root pins all.
    pub(super) fn tops(&self) -> Vec<Cid> {
        let is_loose = |node: &Node| node.is_walked && node.reach < Reach::Needed;
        let loose = self.nodes.values().filter(|node| is_loose(node));
        let named: std::collections::BTreeSet<usize> =
            loose.flat_map(|node| node.needed.iter().copied()).collect();
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(index, (_, node))| is_loose(node) && !named.contains(index))
            .map(|(_, (cid, _))| *cid)
            .collect()
    }

    fn indexes(&mut self, cids: &[Cid]) -> Result<Vec<usize>, BulkError> {
        let mut indexes = Vec::with_capacity(cids.len());
        for cid in cids {
            indexes.push(self.index(cid)?);
        }
        indexes.sort_unstable();
        indexes.dedup();
        Ok(indexes)
    }

    fn index(&mut self, cid: &Cid) -> Result<usize, BulkError> {
        if let Some(index) = self.nodes.get_index_of(cid) {
            return Ok(index);
        }
        if self.nodes.len() >= self.nodes_max {
            return Err(BulkError::TooLarge {
                what: "blocks that a bundle names",
                limit: self.nodes_max as u64,
            });
        }
        Ok(self.nodes.insert_full(*cid, Node::default()).0)
    }

    /// Notes that a block is reached, and what it leads to. Each node is gone through twice at most.
    fn reach(&mut self, index: usize, reach: Reach) {
        let mut open = vec![(index, reach)];
        while let Some((index, reach)) = open.pop() {
            let Some((_, node)) = self.nodes.get_index_mut(index) else {
                continue;
            };
            if node.reach >= reach {
                continue;
            }
            if node.reach == Reach::No {
                self.reached.push(index);
            }
            node.reach = reach;
            open.extend(node.needed.iter().map(|child| (*child, reach)));
            open.extend(node.wished.iter().map(|child| (*child, Reach::Wished)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_codec::ElementHash;

    fn cid(name: &str) -> Cid {
        Cid::try_from(ElementHash::of(name.as_bytes()).to_cid_bytes().as_slice()).unwrap()
    }

    fn links(needed: &[&str], wished: &[&str]) -> Links {
        Links {
            needed: needed.iter().map(|name| cid(name)).collect(),
            wished: wished.iter().map(|name| cid(name)).collect(),
        }
    }

    #[test]
    fn a_block_that_is_needed_in_one_place_and_wished_for_in_another_is_needed_in_any_order() {
        let steps = [
            ("root", links(&["a", "b"], &[])),
            ("a", links(&[], &["c"])),
            ("b", links(&["c"], &[])),
            ("c", links(&["d"], &[])),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [0, 1, 3, 2]] {
            let mut graph = Graph::new(&cid("root"), &BulkLimits::REFERENCE);
            for step in order {
                let (name, links) = &steps[step];
                graph.walk(&cid(name), links).unwrap();
            }
            let missing: Vec<_> = graph.missing(Reach::Needed).collect();
            assert_eq!(missing, [&cid("d")], "{order:?}");
            assert_eq!(graph.missing(Reach::Wished).count(), 0);
        }
    }

    #[test]
    fn the_tops_of_what_the_root_does_not_lead_to_are_found() {
        let mut graph = Graph::new(&cid("root"), &BulkLimits::REFERENCE);
        graph.walk(&cid("root"), &links(&["a"], &[])).unwrap();
        graph.walk(&cid("a"), &links(&[], &["tag"])).unwrap();
        graph
            .walk(&cid("tag"), &links(&["under tag"], &[]))
            .unwrap();
        graph.walk(&cid("under tag"), &links(&[], &[])).unwrap();
        graph.walk(&cid("newer"), &links(&["a"], &[])).unwrap();
        assert_eq!(graph.tops(), [cid("tag"), cid("newer")]);
    }

    #[test]
    fn a_bundle_that_names_more_than_it_may_hold_is_refused() {
        let limits = BulkLimits {
            blocks_max: 2,
            ..BulkLimits::REFERENCE
        };
        let mut graph = Graph::new(&cid("root"), &limits);
        let refused = graph.walk(&cid("root"), &links(&["a", "b", "c", "d"], &[]));
        assert!(matches!(refused, Err(BulkError::TooLarge { limit: 4, .. })));
    }
}

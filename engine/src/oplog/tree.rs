use core::fmt;

/// Keys of the two uses of the hash, so that no leaf is ever a node.
const LEAF_KEY: &[u8; 32] = b"uxf commit tree, version 1: leaf";
const NODE_KEY: &[u8; 32] = b"uxf commit tree, version 1: node";
/// Levels of a tree of 2^32 - 1 leaves.
const LEVELS_MAX: usize = 32;

/// A hash of the tree over a commit's operations: of a leaf, of a node or of the root.
///
/// BLAKE3 in its keyed mode: a leaf is the hash of an encoded operation under one fixed key, a node that of its two
/// children's 64 bytes under another. The shape is that of RFC 6962, section 2.1: the left subtree of n leaves has the
/// largest power of two of them that is below n.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// A hash as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The leaf of an encoded operation.
    pub fn leaf(operation: &[u8]) -> Self {
        Self(blake3::keyed_hash(LEAF_KEY, operation).into())
    }

    /// The node above two others.
    fn node(left: &Self, right: &Self) -> Self {
        let mut both = [0; 64];
        let (low, high) = both.split_at_mut(32);
        low.copy_from_slice(&left.0);
        high.copy_from_slice(&right.0);
        Self(blake3::keyed_hash(NODE_KEY, &both).into())
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..4).unwrap_or_default();
        write!(f, "TreeHash({}..)", const_hex::encode(start))
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

/// Makes the root of leaves that come one after the other, with one hash for each and no allocation.
///
/// ```
/// use uxf_engine::oplog::{TreeBuilder, TreeHash, TreePath};
///
/// let leaves: Vec<TreeHash> = [b"a", b"b", b"c"].map(|bytes| TreeHash::leaf(bytes)).into();
/// let mut builder = TreeBuilder::default();
/// for leaf in &leaves {
///     builder.push(*leaf);
/// }
/// let path = TreePath::of(&leaves, 2).unwrap();
/// assert_eq!(path.root(2, 3, leaves[2]), builder.root());
/// assert_ne!(path.root(1, 3, leaves[2]), builder.root());
/// ```
#[derive(Clone, Debug)]
pub struct TreeBuilder {
    /// Roots of whole subtrees, the largest first: one for each bit that is set in `count`.
    whole: [TreeHash; LEVELS_MAX],
    depth: usize,
    count: u32,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        Self {
            whole: [TreeHash([0; 32]); LEVELS_MAX],
            depth: 0,
            count: 0,
        }
    }
}

impl TreeBuilder {
    /// Takes the next leaf. Past 2^32 - 1 leaves nothing is taken.
    pub fn push(&mut self, leaf: TreeHash) {
        let Some(count) = self.count.checked_add(1) else {
            return;
        };
        let mut top = leaf;
        for _ in 0..self.count.trailing_ones() {
            let Some(left) = self.pop() else { break };
            top = TreeHash::node(&left, &top);
        }
        if let Some(place) = self.whole.get_mut(self.depth) {
            *place = top;
            self.depth += 1;
        }
        self.count = count;
    }

    /// Leaves taken so far.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The root of the leaves so far, `None` without any.
    pub fn root(&self) -> Option<TreeHash> {
        let (last, larger) = self.whole.get(..self.depth)?.split_last()?;
        Some(
            larger
                .iter()
                .rfold(*last, |right, left| TreeHash::node(left, &right)),
        )
    }

    fn pop(&mut self) -> Option<TreeHash> {
        self.depth = self.depth.checked_sub(1)?;
        self.whole.get(self.depth).copied()
    }
}

/// All hashes of a tree, for many paths: twice the memory of the leaves.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    /// The leaves, then what is above each two of them; a last one without a partner is there again.
    levels: Vec<Vec<TreeHash>>,
}

impl Tree {
    /// That over these leaves.
    pub(super) fn over(leaves: Vec<TreeHash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks(2).filter_map(|pair| match pair {
                [left, right] => Some(TreeHash::node(left, right)),
                [alone] => Some(*alone),
                _ => None,
            });
            let above = above.collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The path of the leaf at `index`. `None` if there is no such leaf.
    pub(super) fn path(&self, mut index: usize) -> Option<TreePath> {
        self.levels.first()?.get(index)?;
        let mut path = Vec::new();
        for level in &self.levels {
            path.extend(level.get(index ^ 1).copied());
            index >>= 1;
        }
        Some(TreePath(path))
    }
}

/// The hashes beside the way from a leaf to the root, from the leaf up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreePath(Vec<TreeHash>);

impl TreePath {
    /// The path of the leaf at `index`. `None` if there is no such leaf.
    pub fn of(leaves: &[TreeHash], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let (mut path, mut rest, mut index) = (Vec::new(), leaves, index);
        while rest.len() > 1 {
            let (left, right) = rest.split_at_checked(left_len(rest.len()))?;
            let beside = if index < left.len() {
                rest = left;
                right
            } else {
                index -= left.len();
                rest = right;
                left
            };
            path.push(root_of(beside)?);
        }
        path.reverse();
        Some(Self(path))
    }

    /// A path of hashes as they were sent; whether there are as many as needed is found by [`TreePath::root`].
    pub const fn from_hashes(hashes: Vec<TreeHash>) -> Self {
        Self(hashes)
    }

    /// The hashes, from the leaf up.
    pub fn hashes(&self) -> &[TreeHash] {
        &self.0
    }

    /// The root that the leaf at `index` of `count` has by this path. `None` if the path has another length than that
    /// place asks for.
    pub fn root(&self, index: u32, count: u32, leaf: TreeHash) -> Option<TreeHash> {
        if index >= count {
            return None;
        }
        // RFC 9162, section 2.1.3.2: `last` is the last leaf's place on the level, `place` ours.
        let (mut place, mut last, mut top) = (index, count - 1, leaf);
        for beside in &self.0 {
            if last == 0 {
                return None;
            }
            if place & 1 == 1 || place == last {
                top = TreeHash::node(beside, &top);
                // The last leaf of a level without a partner rises until it has one.
                let rises = if place & 1 == 1 {
                    0
                } else {
                    place.trailing_zeros()
                };
                place = place.checked_shr(rises).unwrap_or(0);
                last = last.checked_shr(rises).unwrap_or(0);
            } else {
                top = TreeHash::node(&top, beside);
            }
            place >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(top)
    }
}

/// The largest power of two below `len`, which is at least 2.
fn left_len(len: usize) -> usize {
    len.div_ceil(2).next_power_of_two()
}

fn root_of(leaves: &[TreeHash]) -> Option<TreeHash> {
    let mut builder = TreeBuilder::default();
    for leaf in leaves {
        builder.push(*leaf);
    }
    builder.root()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<TreeHash> {
        (0..count)
            .map(|index| TreeHash::leaf(&index.to_be_bytes()))
            .collect()
    }

    /// RFC 6962, word for word.
    fn root_by_definition(leaves: &[TreeHash]) -> TreeHash {
        if leaves.len() == 1 {
            return leaves[0];
        }
        let mut left = 1;
        while left * 2 < leaves.len() {
            left *= 2;
        }
        TreeHash::node(
            &root_by_definition(&leaves[..left]),
            &root_by_definition(&leaves[left..]),
        )
    }

    #[test]
    fn the_root_is_that_of_the_definition_and_no_leaves_have_none() {
        assert_eq!(root_of(&[]), None);
        for count in 1..=300 {
            let leaves = leaves(count);
            assert_eq!(root_of(&leaves), Some(root_by_definition(&leaves)));
        }
    }

    #[test]
    fn a_path_proves_its_leaf_at_its_place_in_its_count_and_nothing_else() {
        for count in 1..=70_u32 {
            let leaves = leaves(count as usize);
            let root = root_of(&leaves);
            for index in 0..count {
                let own = leaves[index as usize];
                let path = TreePath::of(&leaves, index as usize).unwrap();
                let tree = Tree::over(leaves.clone());
                assert_eq!(tree.path(index as usize).as_ref(), Some(&path));
                for (place, leaf) in (0..count).zip(&leaves) {
                    // Another place with the same leaf, and another leaf at the same place.
                    let same = place == index;
                    assert_eq!(path.root(place, count, own) == root, same);
                    assert_eq!(path.root(index, count, *leaf) == root, same);
                }
                assert_eq!(path.root(count, count, own), None);
                let mut longer = path.clone();
                longer.0.push(own);
                assert_eq!(longer.root(index, count, own), None);
                let mut shorter = path;
                if shorter.0.pop().is_some() {
                    assert_eq!(shorter.root(index, count, own), None);
                }
            }
            assert_eq!(TreePath::of(&leaves, count as usize), None);
        }
    }

    #[test]
    fn a_leaf_of_two_hashes_is_not_the_node_above_them() {
        let two = leaves(2);
        let bytes = [two[0].0, two[1].0].concat();
        assert_ne!(TreeHash::leaf(&bytes), TreeHash::node(&two[0], &two[1]));
    }
}

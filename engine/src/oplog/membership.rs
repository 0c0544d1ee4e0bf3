use super::tree::{Tree, TreeHash, TreePath};
use crate::cbor::{self, BYTES, Cursor, Malformed, UNSIGNED};

/// Bytes of a leaf, its place and the path from it to the root of a tree: what every proof of one operation ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) index: u32,
    path: TreePath,
    leaf: Vec<u8>,
}

/// Why bytes are no membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MembershipError {
    Malformed(Malformed),
    /// More hashes than any path in such a tree has, or a part of one.
    Path,
}

impl From<Malformed> for MembershipError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Membership {
    /// That of the leaf at `index`, whose bytes the caller has. `None` if there is no such leaf.
    pub(super) fn of(tree: &Tree, index: u32, leaf: Vec<u8>) -> Option<Self> {
        let path = tree.path(usize::try_from(index).ok()?)?;
        Some(Self { index, path, leaf })
    }

    /// The encoded operation or entry.
    pub(super) fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// Whether leaf, place and path lead to the root of a tree of `count` leaves.
    pub(super) fn leads_to(&self, root: TreeHash, count: u32) -> bool {
        let leaf = TreeHash::leaf(&self.leaf);
        self.path.root(self.index, count, leaf) == Some(root)
    }

    /// Appends index, path and leaf.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        cbor::head(out, UNSIGNED, u64::from(self.index));
        cbor::head(out, BYTES, self.path.hashes().len() as u64 * 32);
        for hash in self.path.hashes() {
            out.extend_from_slice(hash.as_bytes());
        }
        out.extend_from_slice(&self.leaf);
    }

    /// Reads index and path; the leaf is all that follows, and is left to the caller to judge.
    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        hashes_max: usize,
    ) -> Result<Self, MembershipError> {
        let index = cursor.head_u32(UNSIGNED, "an unsigned integer of 32 bits")?;
        let (hashes, rest) = cursor.string(BYTES, "a byte string")?.as_chunks::<32>();
        if hashes.len() > hashes_max || !rest.is_empty() {
            return Err(MembershipError::Path);
        }
        let hashes = hashes.iter().copied().map(TreeHash::from_bytes);
        Ok(Self {
            index,
            path: TreePath::from_hashes(hashes.collect()),
            leaf: cursor.rest().to_vec(),
        })
    }
}

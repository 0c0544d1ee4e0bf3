//! What belongs to a bundle: its root, and what is reached from it by links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cid::Cid;
use uxf_codec::canonical::{Value, decode_value};

use super::parts::BLOCKS_MAX;
use super::{BLOCK_BYTES_MAX, ProfileFileError};
use crate::bundles::parse_cid;

pub(super) const DAG_CBOR: u64 = 0x71;

/// Blocks and their ids, in the order in which a walk found them.
type Blocks = Vec<(Cid, Vec<u8>)>;

/// All blocks of a bundle, breadth first; `None` if one is absent or the id is none.
pub(super) fn gather(
    cid: &str,
    fetch: &mut impl FnMut(&Cid) -> Option<Vec<u8>>,
) -> Result<Option<Blocks>, ProfileFileError> {
    let Ok(root) = parse_cid(cid) else {
        return Ok(None);
    };
    let (mut queue, mut seen) = (VecDeque::from([root]), BTreeSet::from([root]));
    let mut found = Vec::new();
    while let Some(cid) = queue.pop_front() {
        let Some(block) = fetch(&cid) else {
            return Ok(None);
        };
        ProfileFileError::check("bytes of a block", block.len(), BLOCK_BYTES_MAX)?;
        queue.extend(
            links(&cid, &block)
                .into_iter()
                .filter(|link| seen.insert(*link)),
        );
        ProfileFileError::check("blocks", seen.len() + 1, BLOCKS_MAX)?;
        found.push((cid, block));
    }
    Ok(Some(found))
}

/// Which bundles of an archive have all of their blocks in it.
///
/// Each block is looked at once, however many bundles share it: who made the file says how many do.
#[derive(Debug)]
pub(super) struct Completeness<'b> {
    blocks: &'b BTreeMap<Cid, Vec<u8>>,
    /// Blocks that were looked at, and whether all below them is there.
    known: BTreeMap<Cid, bool>,
}

impl<'b> Completeness<'b> {
    pub(super) const fn of(blocks: &'b BTreeMap<Cid, Vec<u8>>) -> Self {
        let known = BTreeMap::new();
        Self { blocks, known }
    }

    /// Whether all blocks of a bundle are there.
    pub(super) fn has_all_of(&mut self, cid: &str) -> bool {
        let Ok(root) = parse_cid(cid) else {
            return false;
        };
        // A block is below itself for no hash that anybody can make, so what is open is never met again.
        let mut open = vec![(root, false)];
        while let Some((cid, is_below_known)) = open.pop() {
            if self.known.contains_key(&cid) {
                continue;
            }
            let Some(block) = self.blocks.get(&cid) else {
                self.known.insert(cid, false);
                continue;
            };
            let links = links(&cid, block);
            if is_below_known {
                let is_whole = links.iter().all(|link| self.known.get(link) == Some(&true));
                self.known.insert(cid, is_whole);
                continue;
            }
            open.push((cid, true));
            let unknown = links
                .into_iter()
                .filter(|link| !self.known.contains_key(link));
            open.extend(unknown.map(|link| (link, false)));
        }
        self.known.get(&root) == Some(&true)
    }
}

/// What a block links to: nothing unless it is DAG-CBOR.
fn links(cid: &Cid, block: &[u8]) -> Vec<Cid> {
    let mut links = Vec::new();
    if cid.codec() == DAG_CBOR
        && let Ok(value) = decode_value(block)
    {
        collect(&value, &mut links);
    }
    links
}

fn collect(value: &Value, links: &mut Vec<Cid>) {
    match value {
        Value::Link(cid) => links.extend(Cid::try_from(cid.as_slice())),
        Value::List(items) => items.iter().for_each(|item| collect(item, links)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, links)),
        _ => {}
    }
}

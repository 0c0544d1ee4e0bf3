use cid::Cid;
use uxf_codec::ElementHash;

use super::message::{BLOCK_BYTES_MAX, WantKind};
use crate::Peer;
use crate::block_exchange::{Blocks, BlocksError, ReadBlocks as _};

/// The hash by which a store knows blocks.
const SHA2_256: u64 = 0x12;

/// Blocks to be read for a peer. Requests may run side by side, on any thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRequest {
    pub(super) peer: Peer,
    pub(super) wants: Vec<(Cid, WantKind)>,
    /// Bytes after which reading stops.
    pub(super) bytes_target: usize,
}

/// What came of a [`StoreRequest`].
#[derive(Debug)]
pub struct StoreReply {
    pub(super) peer: Peer,
    /// What was found of the first of what was wanted.
    pub(super) found: Result<Vec<Found>, BlocksError>,
}

/// What a store has under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing that may be given.
    Absent,
    /// A block, of which the bytes are not wanted.
    Here,
    /// A block.
    Block(Vec<u8>),
}

impl StoreRequest {
    /// Does it. May take as long as the reads of a disk.
    pub fn run(self, blocks: &impl Blocks) -> StoreReply {
        let found = self.read(blocks);
        StoreReply {
            peer: self.peer,
            found,
        }
    }

    fn read(&self, blocks: &impl Blocks) -> Result<Vec<Found>, BlocksError> {
        let (mut all, mut bytes) = (Vec::with_capacity(self.wants.len()), 0_usize);
        let reader = blocks.reader()?;
        for (cid, kind) in &self.wants {
            if bytes >= self.bytes_target {
                break;
            }
            let block = match hash_of(cid) {
                Some(hash) => reader.read(&hash)?,
                None => None,
            };
            let block = block.filter(|block| block.len() <= BLOCK_BYTES_MAX);
            all.push(match (block, kind) {
                (None, _) => Found::Absent,
                (Some(_), WantKind::Have) => Found::Here,
                (Some(block), WantKind::Block) => {
                    bytes = bytes.saturating_add(block.len());
                    Found::Block(block)
                }
            });
        }
        Ok(all)
    }
}

/// A store knows blocks by their hash, whatever codec their ids name.
fn hash_of(cid: &Cid) -> Option<ElementHash> {
    let digest = <[u8; 32]>::try_from(cid.hash().digest()).ok()?;
    (cid.hash().code() == SHA2_256).then(|| ElementHash::from_bytes(digest))
}

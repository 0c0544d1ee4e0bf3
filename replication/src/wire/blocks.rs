//! Messages that answer for blocks.

use super::DecodeError;
use super::cursor::{self, Cursor};
use super::want::WANTS_MAX;

/// Longest block, in bytes: the engine's own default for an element, and a little for what seals one.
pub const BLOCK_BYTES_MAX: usize = (1 << 20) + 1024;
/// Bytes of blocks after which a message is closed, unless its only block is longer.
pub const BLOCKS_BYTES_TARGET: usize = 128 << 10;

/// The head of a block in a message: its place in the request and its length.
const BLOCK_HEAD_BYTES: usize = 2 + 4;

/// Says which of the blocks that were asked for are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Have {
    /// The request.
    pub request: u32,
    /// For each hash of the request, in its order, whether its block is here.
    pub present: Vec<bool>,
}

/// One block of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The place of its hash in the request, from zero.
    pub index: u16,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Brings blocks that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The request.
    pub request: u32,
    /// Whether no more blocks come for this request; those that did not come are not here.
    pub is_last: bool,
    /// The blocks, in the order of the request.
    pub blocks: Vec<Block>,
}

pub(super) const HAVE_BYTES_MAX: usize = 4 + 2 + WANTS_MAX / 8;
pub(super) const BLOCKS_MESSAGE_BYTES_MAX: usize =
    4 + 1 + 2 + WANTS_MAX * BLOCK_HEAD_BYTES + BLOCKS_BYTES_TARGET + BLOCK_BYTES_MAX;

pub(super) fn write_have(out: &mut Vec<u8>, have: &Have) {
    out.extend_from_slice(&have.request.to_be_bytes());
    cursor::count(out, have.present.len());
    cursor::bits(out, &have.present);
}

pub(super) fn read_have(cursor: &mut Cursor<'_>) -> Result<Have, DecodeError> {
    let request = cursor.u32("a request")?;
    let count = cursor.count("blocks", WANTS_MAX, 0)?;
    let refused = cursor.malformed("a bit for each block and zeros");
    let bits = cursor.bytes(count.div_ceil(8), "a bit for each block")?;
    let present = cursor::bits_of(bits);
    let (present, padding) = present.split_at_checked(count).ok_or(refused)?;
    if padding.contains(&true) {
        return Err(refused);
    }
    Ok(Have {
        request,
        present: present.to_vec(),
    })
}

pub(super) fn write_blocks(out: &mut Vec<u8>, blocks: &Blocks) {
    out.extend_from_slice(&blocks.request.to_be_bytes());
    out.push(u8::from(blocks.is_last));
    cursor::count(out, blocks.blocks.len());
    for block in &blocks.blocks {
        out.extend_from_slice(&block.index.to_be_bytes());
        cursor::long_string(out, &block.bytes);
    }
}

pub(super) fn read_blocks(cursor: &mut Cursor<'_>) -> Result<Blocks, DecodeError> {
    let request = cursor.u32("a request")?;
    let is_last = cursor.flags(1)? != 0;
    let refused = cursor.malformed("a block, or the last of the blocks");
    let count = cursor.count("blocks", WANTS_MAX, BLOCK_HEAD_BYTES)?;
    if count == 0 && !is_last {
        return Err(refused);
    }
    let mut blocks: Vec<Block> = Vec::with_capacity(count);
    for _ in 0..count {
        let refused = cursor.malformed("blocks in the order of the request");
        let index = cursor.u16("a place in the request")?;
        let follows = blocks.last().is_none_or(|last| last.index < index);
        if !follows || usize::from(index) >= WANTS_MAX {
            return Err(refused);
        }
        let bytes = cursor.long_string("a block", BLOCK_BYTES_MAX)?.to_vec();
        blocks.push(Block { index, bytes });
    }
    Ok(Blocks {
        request,
        is_last,
        blocks,
    })
}

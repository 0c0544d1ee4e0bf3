//! Messages by which blocks are exchanged.

use uxf_codec::ElementHash;

use super::DecodeError;
use super::cursor::{self, Cursor};

/// Longest block, in bytes: the engine's own default for an element, and a little for what seals one.
pub const BLOCK_BYTES_MAX: usize = (1 << 20) + 1024;
/// Bytes of blocks after which a message is closed, unless its only block is longer.
pub const BLOCKS_BYTES_TARGET: usize = 128 << 10;
/// Most requests for blocks that are not answered yet.
pub const REQUESTS_MAX: usize = 4;
/// Most blocks that one message asks for or brings.
pub const WANTS_MAX: usize = 256;

/// The head of a block in a message: its place in the request and its length.
const BLOCK_HEAD_BYTES: usize = 2 + 4;

/// What is wanted of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WantKind {
    /// The bytes.
    Block = 0,
    /// Whether they are there.
    Have = 1,
}

/// Asks for blocks by their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The request, numbered by who asks; every answer names it.
    pub request: u32,
    /// What is wanted.
    pub kind: WantKind,
    /// Which blocks, at least one; the most wanted first.
    pub hashes: Vec<ElementHash>,
}

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

pub(super) const WANT_BYTES_MAX: usize = 4 + 1 + 2 + WANTS_MAX * ElementHash::LEN;
pub(super) const HAVE_BYTES_MAX: usize = 4 + 2 + WANTS_MAX / 8;
pub(super) const BLOCKS_MESSAGE_BYTES_MAX: usize =
    4 + 1 + 2 + WANTS_MAX * BLOCK_HEAD_BYTES + BLOCKS_BYTES_TARGET + BLOCK_BYTES_MAX;

pub(super) fn write_want(out: &mut Vec<u8>, want: &Want) {
    out.extend_from_slice(&want.request.to_be_bytes());
    out.push(want.kind as u8);
    cursor::count(out, want.hashes.len());
    for hash in &want.hashes {
        out.extend_from_slice(hash.as_bytes());
    }
}

pub(super) fn read_want(cursor: &mut Cursor<'_>) -> Result<Want, DecodeError> {
    let request = cursor.u32("a request")?;
    let refused = cursor.malformed("a known kind of want");
    let kind = match cursor.u8("a kind of want")? {
        0 => WantKind::Block,
        1 => WantKind::Have,
        _ => return Err(refused),
    };
    let refused = cursor.malformed("at least one hash");
    let count = cursor.count("wanted blocks", WANTS_MAX, ElementHash::LEN)?;
    if count == 0 {
        return Err(refused);
    }
    let mut hashes = Vec::with_capacity(count);
    for _ in 0..count {
        hashes.push(ElementHash::from_bytes(cursor.array("a hash")?));
    }
    Ok(Want {
        request,
        kind,
        hashes,
    })
}

pub(super) fn write_have(out: &mut Vec<u8>, have: &Have) {
    out.extend_from_slice(&have.request.to_be_bytes());
    cursor::count(out, have.present.len());
    for eight in have.present.chunks(8) {
        let bits = eight.iter().enumerate();
        out.push(bits.fold(0, |byte, (bit, present)| byte | u8::from(*present) << bit));
    }
}

pub(super) fn read_have(cursor: &mut Cursor<'_>) -> Result<Have, DecodeError> {
    let request = cursor.u32("a request")?;
    let count = cursor.count("blocks", WANTS_MAX, 0)?;
    let refused = cursor.malformed("a bit for each block and zeros");
    let bits = cursor.bytes(count.div_ceil(8), "a bit for each block")?;
    let present: Vec<bool> = bits
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect();
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

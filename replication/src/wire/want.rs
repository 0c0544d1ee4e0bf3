//! Asking for blocks, by their hashes or as what another block names.
//!
//! A hash is as long as many a block is not: of a block that the other side gave before, a few bits say which of those that it
//! names are wanted.

use uxf_codec::ElementHash;

use super::DecodeError;
use super::cursor::{self, Cursor};

/// Most requests for blocks that are not answered yet.
pub const REQUESTS_MAX: usize = 4;
/// Most blocks that one message asks for or brings.
pub const WANTS_MAX: usize = 256;
/// Longest list of bits, in bytes.
const BITS_BYTES_MAX: usize = WANTS_MAX / 8;

/// What a block is to be, which says what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// The root of a bundle: it names the manifest.
    Envelope = 0,
    /// The tokens of a bundle: it names their roots.
    Manifest = 1,
    /// An element.
    Element = 2,
}

/// What is wanted of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WantKind {
    /// The bytes.
    Block = 0,
    /// Whether they are there.
    Have = 1,
}

/// Asks for blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The request, numbered by who asks; every answer names it.
    pub request: u32,
    /// What is wanted.
    pub kind: WantKind,
    /// Which blocks, at least one and at most [`WANTS_MAX`]; the most wanted first.
    pub entries: Vec<WantEntry>,
}

/// Some of the blocks that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantEntry {
    /// One, by its hash.
    Block(ElementHash),
    /// At least two that another block names.
    Below(Below),
}

/// Blocks by where a block names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Below {
    /// The block that names them.
    pub parent: ElementHash,
    /// What it is.
    pub role: Role,
    /// The place of the first among the hashes that it names, which are ascending and each once.
    pub first: u32,
    /// For that place and those behind it whether the block is wanted; the first and the last are.
    pub wanted: Vec<bool>,
}

impl Want {
    /// A want of blocks by their hashes.
    pub fn of_hashes(request: u32, kind: WantKind, hashes: &[ElementHash]) -> Self {
        let entries = hashes.iter().copied().map(WantEntry::Block).collect();
        Self {
            request,
            kind,
            entries,
        }
    }
}

impl WantEntry {
    /// How many blocks are wanted.
    pub fn block_count(&self) -> usize {
        match self {
            Self::Block(_) => 1,
            Self::Below(below) => below.places().count(),
        }
    }
}

impl Below {
    /// The places of the wanted blocks among what the block names, ascending.
    pub fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let first = usize::try_from(self.first).unwrap_or(usize::MAX);
        let wanted = self.wanted.iter().enumerate();
        let wanted = wanted.filter(|(_, wanted)| **wanted);
        wanted.map(move |(at, _)| first.saturating_add(at))
    }
}

/// Length of the bits, hash, role, place and bits.
const BELOW_BYTES_MAX: usize = 1 + ElementHash::LEN + 1 + 4 + BITS_BYTES_MAX;
/// As many of the longer ones as there may be are longer than as many of the others.
pub(super) const WANT_BYTES_MAX: usize = 4 + 1 + 2 + WANTS_MAX / 2 * BELOW_BYTES_MAX;
const _: () = assert!(WANTS_MAX * (1 + ElementHash::LEN) <= WANTS_MAX / 2 * BELOW_BYTES_MAX);

pub(super) fn write_want(out: &mut Vec<u8>, want: &Want) {
    out.extend_from_slice(&want.request.to_be_bytes());
    out.push(want.kind as u8);
    cursor::count(out, want.entries.len());
    for entry in &want.entries {
        match entry {
            WantEntry::Block(hash) => {
                out.push(0);
                out.extend_from_slice(hash.as_bytes());
            }
            WantEntry::Below(below) => write_below(out, below),
        }
    }
}

fn write_below(out: &mut Vec<u8>, below: &Below) {
    let len = below.wanted.len().div_ceil(8);
    out.push(u8::try_from(len).unwrap_or(u8::MAX));
    out.extend_from_slice(below.parent.as_bytes());
    out.push(below.role as u8);
    out.extend_from_slice(&below.first.to_be_bytes());
    cursor::bits(out, &below.wanted);
}

pub(super) fn read_want(cursor: &mut Cursor<'_>) -> Result<Want, DecodeError> {
    let request = cursor.u32("a request")?;
    let refused = cursor.malformed("a known kind of want");
    let kind = match cursor.u8("a kind of want")? {
        0 => WantKind::Block,
        1 => WantKind::Have,
        _ => return Err(refused),
    };
    let refused = cursor.malformed("at least one block");
    let count = cursor.count("wanted blocks", WANTS_MAX, 1 + ElementHash::LEN)?;
    if count == 0 {
        return Err(refused);
    }
    let (mut entries, mut blocks) = (Vec::with_capacity(count), 0_usize);
    for _ in 0..count {
        let entry = read_entry(cursor)?;
        blocks = blocks.saturating_add(entry.block_count());
        if blocks > WANTS_MAX {
            return Err(DecodeError::TooMany {
                what: "wanted blocks",
                found: blocks as u64,
                limit: WANTS_MAX,
            });
        }
        entries.push(entry);
    }
    Ok(Want {
        request,
        kind,
        entries,
    })
}

fn read_entry(cursor: &mut Cursor<'_>) -> Result<WantEntry, DecodeError> {
    let refused = cursor.malformed("a list of bits that is not too long");
    let len = usize::from(cursor.u8("the length of the bits")?);
    if len > BITS_BYTES_MAX {
        return Err(refused);
    }
    let hash = ElementHash::from_bytes(cursor.array("a hash")?);
    if len == 0 {
        return Ok(WantEntry::Block(hash));
    }
    let refused = cursor.malformed("a known role");
    let role = match cursor.u8("a role")? {
        0 => Role::Envelope,
        1 => Role::Manifest,
        2 => Role::Element,
        _ => return Err(refused),
    };
    let first = cursor.u32("a place")?;
    let refused =
        cursor.malformed("bits of which the first is set, another, and one in the last byte");
    let bits = cursor.bytes(len, "as many bytes of bits as the length says")?;
    let mut wanted = cursor::bits_of(bits);
    let last = wanted
        .iter()
        .rposition(|wanted| *wanted)
        .unwrap_or_default();
    if wanted.first() != Some(&true) || last == 0 || last / 8 + 1 != len {
        return Err(refused);
    }
    wanted.truncate(last.saturating_add(1));
    Ok(WantEntry::Below(Below {
        parent: hash,
        role,
        first,
        wanted,
    }))
}

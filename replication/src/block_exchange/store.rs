use thiserror::Error;
use uxf_codec::ElementHash;
use uxf_codec::canonical::VerifiedElement;
use uxf_engine::{BlockKind, Engine, Error as EngineError, Snapshot};

use super::links::links_of;
use crate::Peer;
use crate::wire::{Role, WantEntry, WantKind};

/// Whether a store has a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has not.
    Absent,
    /// It has, with everything below it.
    Whole,
    /// It has the block, whose bytes these are, and does not know what is below it.
    Alone(Vec<u8>),
}

/// A block to be stored. What it names is in the store or comes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    /// Its hash, which was checked.
    pub hash: ElementHash,
    /// What it is.
    pub role: Role,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why a store did not give or take blocks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlocksError {
    /// Something that was there when it was looked for is gone.
    #[error("a block that was there is gone")]
    Gone,
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Blocks as they lie at one moment.
pub trait ReadBlocks {
    /// Whether a block is there that is to be what its role says.
    ///
    /// # Errors
    /// [`BlocksError::Store`].
    fn look(&self, hash: &ElementHash, role: Role) -> Result<Presence, BlocksError>;

    /// The bytes of a block that may be given to peers.
    ///
    /// # Errors
    /// [`BlocksError::Store`].
    fn read(&self, hash: &ElementHash) -> Result<Option<Vec<u8>>, BlocksError>;
}

/// Where blocks lie.
pub trait Blocks {
    /// To look for many and read them.
    ///
    /// # Errors
    /// [`BlocksError::Store`].
    fn reader(&self) -> Result<impl ReadBlocks, BlocksError>;

    /// Stores blocks, all of them or none.
    ///
    /// # Errors
    /// [`BlocksError::Gone`] if one names something that is not there; [`BlocksError::Store`].
    fn store(&self, blocks: &[NewBlock]) -> Result<(), BlocksError>;
}

impl ReadBlocks for Snapshot {
    fn look(&self, hash: &ElementHash, role: Role) -> Result<Presence, BlocksError> {
        Ok(match self.get(hash)? {
            None => Presence::Absent,
            // The store counts what elements name, and nothing below one goes before it does.
            Some(_) if role == Role::Element => Presence::Whole,
            Some(found) => Presence::Alone(found.as_ref().to_vec()),
        })
    }

    fn read(&self, hash: &ElementHash) -> Result<Option<Vec<u8>>, BlocksError> {
        let found = self.get(hash)?;
        // Commits and segments go through the oplog alone.
        let found =
            found.filter(|found| matches!(found.kind(), BlockKind::Element(_) | BlockKind::Opaque));
        Ok(found.map(|found| found.as_ref().to_vec()))
    }
}

impl Blocks for Engine {
    fn reader(&self) -> Result<impl ReadBlocks, BlocksError> {
        Ok(self.snapshot()?)
    }

    fn store(&self, blocks: &[NewBlock]) -> Result<(), BlocksError> {
        let mut batch = self.begin();
        let elements = blocks.iter().filter(|block| block.role == Role::Element);
        let elements: Vec<&[u8]> = elements.map(|block| &block.bytes[..]).collect();
        // All at once: that is faster than hashing one after the other.
        let verified = VerifiedElement::read_each(&elements).map_err(EngineError::from)?;
        for element in &verified {
            batch.put_verified(element)?;
        }
        let others = blocks.iter().filter(|block| block.role != Role::Element);
        for block in others {
            batch.put_opaque(&block.bytes)?;
        }
        batch.commit()?;
        Ok(())
    }
}

impl From<EngineError> for BlocksError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::MissingElement { .. } => Self::Gone,
            error => Self::Store(Box::new(error)),
        }
    }
}

/// Something to do with the store. Requests may run side by side, on any thread; only those that store are one after
/// the other, since the next is not asked for before the last is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreRequest {
    /// Look for blocks.
    Look(Vec<(ElementHash, Role)>),
    /// Store blocks.
    Store(Vec<NewBlock>),
    /// Read blocks for a peer, in their order, until they have so many bytes; those that name them count too.
    Read {
        /// The peer.
        peer: Peer,
        /// Its request.
        request: u32,
        /// Whether the bytes are wanted or only whether they are there.
        kind: WantKind,
        /// The blocks.
        entries: Vec<WantEntry>,
        /// How many of them were read before.
        done: usize,
        /// Bytes after which reading stops.
        bytes_target: usize,
    },
}

/// What came of a [`StoreRequest`].
#[derive(Debug)]
pub enum StoreReply {
    /// What is there, in the order of the request.
    Look(Result<Vec<(ElementHash, Presence)>, BlocksError>),
    /// Whether the blocks are stored.
    Store(Result<(), BlocksError>),
    /// What was read behind what was read before; empty bytes stand for a block that is there if only that was asked.
    Read {
        /// The peer.
        peer: Peer,
        /// Its request.
        request: u32,
        /// The blocks.
        blocks: Result<Vec<Option<Vec<u8>>>, BlocksError>,
    },
}

impl StoreRequest {
    /// Does it. May take as long as a durable commit.
    pub fn run(self, blocks: &impl Blocks) -> StoreReply {
        match self {
            Self::Look(all) => StoreReply::Look(look(blocks, &all)),
            Self::Store(all) => StoreReply::Store(blocks.store(&all)),
            Self::Read {
                peer,
                request,
                kind,
                entries,
                done,
                bytes_target,
            } => StoreReply::Read {
                peer,
                request,
                blocks: read(blocks, kind, (&entries, done), bytes_target),
            },
        }
    }
}

fn look(
    blocks: &impl Blocks,
    all: &[(ElementHash, Role)],
) -> Result<Vec<(ElementHash, Presence)>, BlocksError> {
    let reader = blocks.reader()?;
    let looked = all.iter();
    let looked = looked.map(|(hash, role)| Ok((*hash, reader.look(hash, *role)?)));
    looked.collect()
}

fn read(
    blocks: &impl Blocks,
    kind: WantKind,
    (entries, done): (&[WantEntry], usize),
    bytes_target: usize,
) -> Result<Vec<Option<Vec<u8>>>, BlocksError> {
    let reader = blocks.reader()?;
    let (mut found, mut bytes, mut passed) = (Vec::new(), 0, 0);
    for entry in entries {
        let count = entry.block_count();
        let known = done.saturating_sub(passed).min(count);
        passed += count;
        if known == count {
            continue;
        }
        let hashes = match entry {
            WantEntry::Block(hash) => vec![Some(*hash)],
            WantEntry::Below(below) => {
                let parent = reader.read(&below.parent)?;
                bytes += parent.as_ref().map_or(0, Vec::len);
                let links = parent.and_then(|parent| links_of(below.role, &parent).ok());
                let links = links.map(|(links, _)| links).unwrap_or_default();
                let named = |place: usize| links.get(place).copied();
                below.places().map(named).collect()
            }
        };
        for hash in hashes.into_iter().skip(known) {
            // One at least, however long what names it is.
            if bytes >= bytes_target && !found.is_empty() {
                return Ok(found);
            }
            let block = match hash {
                Some(hash) => reader.read(&hash)?,
                None => None,
            };
            found.push(match kind {
                WantKind::Have => block.map(|_| Vec::new()),
                WantKind::Block => {
                    bytes += block.as_ref().map_or(0, Vec::len);
                    block
                }
            });
        }
    }
    Ok(found)
}

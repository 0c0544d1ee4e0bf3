use thiserror::Error;
use uxf_codec::ElementHash;
use uxf_codec::canonical::VerifiedElement;
use uxf_engine::{BlockKind, Engine, Error as EngineError, Snapshot};

use super::graph::Role;
use crate::Peer;
use crate::wire::WantKind;

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
    /// Read blocks for a peer, from the front, until they have so many bytes.
    Read {
        /// The peer.
        peer: Peer,
        /// Its request.
        request: u32,
        /// Whether the bytes are wanted or only whether they are there.
        kind: WantKind,
        /// The blocks.
        hashes: Vec<ElementHash>,
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
    /// What was read from the front of the request; empty bytes stand for a block that is there if only that was asked.
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
                hashes,
                bytes_target,
            } => StoreReply::Read {
                peer,
                request,
                blocks: read(blocks, kind, &hashes, bytes_target),
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
    hashes: &[ElementHash],
    bytes_target: usize,
) -> Result<Vec<Option<Vec<u8>>>, BlocksError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let reader = blocks.reader()?;
    for hash in hashes {
        if bytes >= bytes_target {
            break;
        }
        let block = reader.read(hash)?;
        found.push(match kind {
            WantKind::Have => block.map(|_| Vec::new()),
            WantKind::Block => {
                bytes += block.as_ref().map_or(0, Vec::len);
                block
            }
        });
    }
    Ok(found)
}

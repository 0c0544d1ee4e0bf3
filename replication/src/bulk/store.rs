use core::fmt::Debug;

use cid::Cid;

use super::bundle::Bundle;
use super::error::BulkError;
use super::stage::Stage;

/// A place for bundles: blocks under their ids, and what keeps them there.
///
/// Calls block, and any number of threads may make them. What a store says is not believed: ids are computed here,
/// bytes are checked against them, and only a read-back says that something is durable
/// ([`check_durable`](super::check_durable)). Putting or pinning something twice is as good as once.
pub trait BulkStore: Debug + Send + Sync {
    /// What it is called in messages. No password is in it.
    fn name(&self) -> &str;

    /// Whether what it has survives the loss of this device.
    fn is_elsewhere(&self) -> bool;

    /// Stores all blocks of a bundle and pins them.
    ///
    /// # Errors
    /// Then some blocks may be stored, and the bundle counts as not stored.
    fn put_bundle(&self, bundle: &Bundle<'_>) -> Result<(), BulkError>;

    /// Stores one block, replacing what lies damaged in its place. It is not pinned.
    ///
    /// # Errors
    /// [`BulkError::Content`] if the bytes are not those of the id; those of the store.
    fn put_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError>;

    /// What it says of a block, without reading it.
    ///
    /// # Errors
    /// Those of the store. That it does not have it is no error.
    fn presence(&self, cid: &Cid) -> Result<Presence, BulkError>;

    /// Reads a block and checks it.
    ///
    /// # Errors
    /// [`BulkError::NotFound`]; [`BulkError::Content`] for a lie; [`BulkError::TooLarge`]; those of the store.
    fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, BulkError>;

    /// Reads what it has of a bundle into a stage, in as few requests as it can. That the stage is whole afterwards
    /// is for the caller to ask.
    ///
    /// # Errors
    /// Those of [`get_block`](Self::get_block) and [`Stage::offer`]; what was good until then stays on the stage.
    fn get_bundle(&self, stage: &mut Stage) -> Result<(), BulkError>;

    /// Keeps a block and all it links to from being collected.
    ///
    /// # Errors
    /// [`BulkError::Unsupported`]; [`BulkError::NotFound`] if some of it is not there.
    fn pin(&self, cid: &Cid) -> Result<(), BulkError>;

    /// Lets go of a block that was pinned. Others that need blocks of it keep those. What is not pinned stays so.
    ///
    /// # Errors
    /// [`BulkError::Unsupported`]; those of the store.
    fn unpin(&self, cid: &Cid) -> Result<(), BulkError>;
}

/// What a store says of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence {
    /// Whether it has it.
    pub stored: bool,
    /// What keeps it; `None` if the store does not tell.
    pub pin: Option<PinState>,
}

impl Presence {
    /// A store that says this of a block.
    pub const fn new(stored: bool, pin: Option<PinState>) -> Self {
        Self { stored, pin }
    }
}

/// What keeps a block in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinState {
    /// Nothing: it may be collected.
    Unpinned,
    /// A pin of the block alone, without what it links to.
    Direct,
    /// A pin of something that leads to it, and that may go without it being asked.
    Indirect,
    /// A pin of it and all it links to.
    Recursive,
}

//! Named inventories: token id -> root. A token in an inventory keeps its whole graph; inventories of one store share
//! elements.

mod tokens;

use std::cell::RefCell;
use std::sync::Arc;

use uxf_codec::token::{AssembleOptions, Assembler, Deconstructor, StateIndex, TokenSummary};
use uxf_codec::{ElementBatch, ElementHash};

use crate::batch::WriteBatch;
use crate::engine::Engine;
use crate::error::Error;
use crate::snapshot::Snapshot;

pub use self::tokens::Tokens;

/// Longest name of an inventory, in bytes.
pub const INVENTORY_NAME_BYTES_MAX: usize = 256;
/// Longest token id, in bytes.
pub const TOKEN_ID_BYTES_MAX: usize = 256;

/// Most newer instances that a token may pin. Their chains are read whenever the token is exported.
pub const TOKEN_INSTANCES_MAX: usize = 4_096;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Buffers that a thread uses again for token after token.
#[derive(Default)]
struct Scratch {
    deconstructor: Deconstructor,
    assembler: Assembler,
    elements: ElementBatch,
}

/// The tokens of one owner, by id. Cheap to clone.
///
/// ```
/// use uxf_engine::{Engine, EngineOptions};
///
/// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
/// let wallet = engine.inventory("wallet").unwrap();
/// assert!(wallet.ingest(b"not a token").is_err());
/// assert_eq!(wallet.tokens().unwrap().count(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Inventory {
    engine: Engine,
    id: u32,
    name: Arc<str>,
}

impl Inventory {
    pub(crate) fn new(engine: Engine, id: u32, name: &str) -> Self {
        let name = name.into();
        Self { engine, id, name }
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store it is part of.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Takes a token in and commits. What it shares with tokens that are there already is stored once; a token with
    /// the same id is replaced.
    ///
    /// # Errors
    /// [`Error::Codec`] if it is no token; those of [`WriteBatch::commit`].
    pub fn ingest(&self, json: &[u8]) -> Result<TokenSummary, Error> {
        let mut batch = self.engine.begin();
        let summary = batch.ingest(self, json)?;
        batch.commit()?;
        Ok(summary)
    }

    /// The token as JSON, at its newest state.
    ///
    /// # Errors
    /// [`Error::Codec`] with `TokenNotFound` if it is not here; [`Error::Io`], [`Error::Corrupted`].
    pub fn assemble(&self, id: &str) -> Result<Vec<u8>, Error> {
        self.assemble_at(id, StateIndex::Latest)
    }

    /// The token as JSON, as it was after some number of transactions.
    ///
    /// # Errors
    /// Those of [`assemble`](Self::assemble), and `StateIndexOutOfRange`.
    pub fn assemble_at(&self, id: &str, state: StateIndex) -> Result<Vec<u8>, Error> {
        let options = AssembleOptions {
            state,
            ..AssembleOptions::default()
        };
        self.engine.snapshot()?.assemble(self, id, &options)
    }

    /// The root of a token, if it is here.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn root(&self, id: &str) -> Result<Option<ElementHash>, Error> {
        self.engine.snapshot()?.root(self, id)
    }

    /// Removes a token and commits. Whether it was there. What nothing else refers to is reclaimed.
    ///
    /// # Errors
    /// Those of [`WriteBatch::commit`].
    pub fn remove(&self, id: &str) -> Result<bool, Error> {
        if self.root(id)?.is_none() {
            return Ok(false);
        }
        let mut batch = self.engine.begin();
        batch.remove_token(self, id)?;
        batch.commit()?;
        Ok(true)
    }

    /// The tokens as they are now, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn tokens(&self) -> Result<Tokens, Error> {
        self.engine.snapshot()?.tokens(self)
    }
}

impl WriteBatch {
    /// Takes a token apart, puts its elements and sets it in an inventory.
    ///
    /// # Errors
    /// [`Error::Codec`] if it is no token: the batch is as it was. [`Error::LimitExceeded`]: the token is not set, but
    /// the batch may have some of its elements, which are strays if it is committed all the same.
    pub fn ingest(&mut self, inventory: &Inventory, json: &[u8]) -> Result<TokenSummary, Error> {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.elements.clear();
            let summary = scratch
                .deconstructor
                .deconstruct(json, &mut scratch.elements)?;
            for element in scratch.elements.iter() {
                self.put_hashed(element)?;
            }
            self.set_token(inventory, summary.token_id.as_str(), &summary.root)?;
            Ok(summary)
        })
    }

    /// Makes a token-root the root of a token. It must be in the store or in this batch by the commit.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]. That it is missing, or no token-root, shows at the commit.
    pub fn set_token(
        &mut self,
        inventory: &Inventory,
        id: &str,
        root: &ElementHash,
    ) -> Result<(), Error> {
        self.set_token_with(inventory, id, root, &[])
    }

    /// Makes a token-root the root of a token and pins newer instances of its elements, which no element names. All
    /// must be in the store or in this batch by the commit.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`].
    pub fn set_token_with(
        &mut self,
        inventory: &Inventory,
        id: &str,
        root: &ElementHash,
        instances: &[ElementHash],
    ) -> Result<(), Error> {
        check_id(id)?;
        check_len(
            "pinned instances of a token",
            instances.len(),
            TOKEN_INSTANCES_MAX,
        )?;
        let pins = core::iter::once(root).chain(instances);
        self.set_token_pins(inventory.id(), id, pins)
    }

    /// Removes a token; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`].
    pub fn remove_token(&mut self, inventory: &Inventory, id: &str) -> Result<(), Error> {
        check_id(id)?;
        self.set_token_pins(inventory.id(), id, [])
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    check_len("bytes of a token id", id.len(), TOKEN_ID_BYTES_MAX)
}

pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    check_len(
        "bytes of an inventory name",
        name.len(),
        INVENTORY_NAME_BYTES_MAX,
    )
}

fn check_len(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found <= limit {
        return Ok(());
    }
    Err(Error::LimitExceeded {
        what,
        limit: limit as u64,
        found: found as u64,
    })
}

impl Snapshot {
    /// The token as JSON.
    ///
    /// # Errors
    /// [`Error::Codec`]; [`Error::Io`], [`Error::Corrupted`].
    pub fn assemble(
        &self,
        inventory: &Inventory,
        id: &str,
        options: &AssembleOptions<'_>,
    ) -> Result<Vec<u8>, Error> {
        let root = self
            .root(inventory, id)?
            .ok_or_else(|| uxf_codec::Error::TokenNotFound {
                token_id: id.to_owned(),
            })?;
        let mut out = Vec::new();
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.assembler.assemble(self, &root, options, &mut out)
        })?;
        Ok(out)
    }
}

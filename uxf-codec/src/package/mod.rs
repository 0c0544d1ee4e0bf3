//! A package: tokens that travel together, held in memory as the reference holds them.
//!
//! Envelope, manifest (token id to root), pool (hash to canonical bytes), instance chains and secondary indexes.
//! Packages are the unit of import and export. A store of many tokens is the engine's business.

mod assemble;
mod collect;
mod envelope;
mod gather;
mod indexes;
mod ingest;
mod instances;
mod merge;
mod pool;
mod proofs;
mod token_id;

use indexmap::IndexMap;

pub use collect::GcProfile;
pub use envelope::{Envelope, FORMAT_VERSION, Timestamp};
pub use indexes::Indexes;
pub use merge::{MergeOptions, MergeOutcome, MergeSkip};
pub use pool::{Pool, PoolElement};
pub use proofs::ProofToVerify;
pub use token_id::TokenId;

use crate::element::ElementHash;
use crate::instance_chain::ChainIndex;

/// Token ids and the roots they stand for, in the order in which they were first added.
pub type Manifest = IndexMap<TokenId, ElementHash>;

/// Tokens that travel together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Package {
    pub(crate) envelope: Envelope,
    pub(crate) manifest: Manifest,
    pub(crate) pool: Pool,
    pub(crate) chains: ChainIndex,
    pub(crate) indexes: Indexes,
}

impl Package {
    /// An empty package.
    pub fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            ..Self::default()
        }
    }

    /// Who made it and when.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Token ids and their roots, in the order in which they were first added.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The elements, in the order in which they came.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The instance chains.
    pub const fn chains(&self) -> &ChainIndex {
        &self.chains
    }

    /// Tokens by type, coin and state.
    pub const fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    /// Takes a token out of the manifest and the indexes. Whether it was there.
    ///
    /// Its elements stay in the pool until [`gc`](Self::gc). As in the reference, the time of the change is noted
    /// even if there was no such token.
    pub fn remove(&mut self, token_id: &str, now: Timestamp) -> bool {
        self.envelope.updated_at = now;
        self.indexes.forget(token_id);
        self.manifest.shift_remove(token_id).is_some()
    }

    /// The root a token id stands for.
    pub fn root(&self, token_id: &str) -> Option<ElementHash> {
        self.manifest.get(token_id).copied()
    }
}

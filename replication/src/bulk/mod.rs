//! Bulk storage: where bundles lie outside the device, and how they get there and back (profile notes, section 6).
//!
//! A [`BulkStore`] keeps blocks under their ids and pins them. There are four: [`LocalBlocks`], the engine's own;
//! [`ObjectBlocks`], any store of the crate `object_store`, a directory among them; [`KuboNode`], an IPFS node over
//! its RPC; and [`Gateway`], a trustless gateway, which can only be read from.
//!
//! What goes out is a [`Bundle`]: an archive read through once and found whole before a byte of it is sent. What
//! comes in is gathered on a [`Stage`], where every block is checked against its id before it is kept, everything
//! is bounded, and nothing has an effect until the bundle is whole. [`fetch_bundle`] does that over several stores,
//! of which any may be slow, dead or lying. [`release_local`] gives up what is on this device, but only after
//! reading all of it back from elsewhere.
//!
//! Nothing here believes a store: neither what it calls a block, nor that it stored one, nor that it pinned it.

mod bundle;
mod durability;
mod error;
mod fetch;
mod graph;
#[cfg(feature = "http")]
mod http;
mod limits;
mod links;
mod local;
#[cfg(feature = "object-store")]
mod objects;
mod parallel;
mod patience;
mod stage;
mod store;

pub use bundle::{BlockRef, Bundle, CarSource};
pub use durability::{
    Durable, ReleaseError, await_durable, check_durable, check_stored, release_local,
};
pub use error::{Attempt, BulkError, BulkErrorKind};
pub use fetch::{FetchOptions, Fetched, fetch_bundle};
#[cfg(feature = "http")]
pub use http::{Authorization, BaseUrl, Gateway, KuboNode};
pub use limits::BulkLimits;
pub use local::LocalBlocks;
#[cfg(feature = "object-store")]
pub use objects::ObjectBlocks;
pub use patience::{Patience, Pause, SystemPause};
pub use stage::{Stage, StagedBundle};
pub use store::{BulkStore, PinState, Presence};

// Its example needs a store of objects.
#![cfg_attr(
    any(not(doctest), feature = "object-store"),
    doc = include_str!("../README.md")
)]

pub mod bitswap;
pub mod block_exchange;
pub mod bulk;
pub mod host;
#[cfg(feature = "node")]
pub mod node;
pub mod oplog_sync;
mod peer;
pub mod reconcile;
pub mod session;
mod timestamp;
pub mod wire;

pub use peer::{Misbehaviour, Peer};
pub use timestamp::Timestamp;

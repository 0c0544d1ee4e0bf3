//! Blocks by their ids, exchanged with any IPFS node: bitswap 1.2 (specs.ipfs.tech/bitswap-protocol).
//!
//! Devices of one profile use the [block exchange](crate::block_exchange), which knows what lies below a root and walks it level by level.
//! This is for everyone else: Kubo and Helia fetch a published bundle from here by its CID, and blocks of one are fetched from
//! them. [`Bitswap`] is the whole of it without I/O: what peers want is read from the store piece by piece as answers leave; what is
//! wanted here is asked of one peer after the other until one has it.
//!
//! **What is given.** Elements and opaque blocks of the store, to whoever names their hash. Commits and checkpoints of oplogs are never
//! given this way. A node does not speak this protocol unless it is told to.
//!
//! **What is believed.** Nothing: a block comes without an id, its hash is computed here, and one that nobody asked for is dropped.
//!
//! **Limits.** A message has at most [`MESSAGE_BYTES_MAX`] and [`ENTRIES_MAX`] entries of each kind; the length is refused before
//! anything is allocated for it. Of each peer a bounded number of wants is remembered; those beyond it are answered as not here.

mod fetch;
mod frame;
mod machine;
mod message;
mod protobuf;
mod serve;
mod store;

#[cfg(test)]
mod tests;

pub use fetch::NotFound;
pub use frame::MessageReader;
pub use machine::{Bitswap, BitswapConfig, Event, Output};
pub use message::{
    BLOCK_BYTES_MAX, ENTRIES_MAX, MESSAGE_BYTES_MAX, Message, MessageError, Payload, Presence,
    Want, WantKind,
};
pub use store::{Found, StoreReply, StoreRequest};

/// The name of the protocol.
pub const PROTOCOL: &str = "/ipfs/bitswap/1.2.0";

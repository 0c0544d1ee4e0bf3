//! Blocks of one profile, fetched from several peers at once and given to them.
//!
//! A root is wanted, an element or the envelope of a bundle. What of it is in the store is left out with all below it; what
//! is missing is asked for level by level, the newest found first, so that few blocks wait for others. A block is hashed
//! and read before it is anything; it goes to the store once all it names is there or goes with it, and the root last of
//! all: whoever sees the root has everything. What is stored stays when a transfer breaks off, and the next one begins
//! behind it.
//!
//! Who gave a block is asked for what that names by where it stands in it: a bit says as much as the 32 bytes of a hash.
//!
//! [`BlockExchange`] never touches a store. What it needs of one it asks for as a [`StoreRequest`], which the driver
//! [runs](StoreRequest::run) on anything that is [`Blocks`]. Between the first request for a root and the use that is made of
//! it nothing refers to what was stored: the driver keeps an [`Import`](uxf_engine::Import) open meanwhile.

mod ask;
mod fetch;
mod graph;
mod links;
mod machine;
mod request;
mod serve;
mod store;

#[cfg(test)]
mod tests;

pub use crate::wire::Role;
pub use graph::FetchError;
pub use machine::{BlockExchange, Event, ExchangeConfig, Output};
pub use store::{Blocks, BlocksError, NewBlock, Presence, ReadBlocks, StoreReply, StoreRequest};

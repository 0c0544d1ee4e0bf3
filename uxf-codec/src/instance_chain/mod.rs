//! Instance chains: newer instances of an element beside the original, linked by their predecessor.
//!
//! Parents link to the original and stay as they are; [`ChainIndex`] says which chain an element belongs to and
//! [`Strategy`] which of its instances stands for it. Chains are rebuilt from the elements alone by
//! [`rebuild_from_heads`] and [`rebuild_from_tails`]. Format notes, section 12.

mod from_heads;
mod index;
mod rebuild;
mod strategy;

pub use from_heads::chains_from_heads;
pub use index::{ChainEntry, ChainIndex, ChainMember};
pub use rebuild::{rebuild_from_heads, rebuild_from_tails};
pub use strategy::Strategy;

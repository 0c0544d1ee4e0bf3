//! Instance chains: newer instances of an element beside the original, linked by their predecessor.

mod index;

pub use index::{ChainEntry, ChainIndex, ChainMember};

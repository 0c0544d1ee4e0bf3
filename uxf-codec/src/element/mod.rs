//! What an element is: its address, its type, its header, and how it is held in memory.
//!
//! The bytes themselves are the business of [`canonical`](crate::canonical).

mod form;
mod hash;
mod header;
mod kind;
mod lanes;
mod model;
mod store;

pub use form::{KeyOrder, MemoryForm};
pub(crate) use hash::CID_PREFIX;
pub use hash::ElementHash;
pub use header::{Header, InstanceKind};
pub use kind::ElementType;
pub use model::{Child, Element};
pub use store::{BatchMark, ElementBatch, ElementSink, ElementSource, NewElement};

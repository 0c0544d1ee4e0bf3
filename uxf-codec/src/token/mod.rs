//! Tokens as JSON and as elements, both ways.
//!
//! [`Deconstructor`] reads token JSON on a [`Tape`](crate::json::Tape) and writes canonical bytes straight from it;
//! every element goes to an [`ElementSink`](crate::ElementSink), children before parents. Format notes, section 5.

mod deconstruct;
mod reason;
mod smt_path;
mod summary;

pub use deconstruct::{Deconstructor, deconstruct};
pub use summary::TokenSummary;

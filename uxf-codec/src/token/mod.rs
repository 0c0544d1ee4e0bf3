//! Tokens as JSON and as elements, both ways.
//!
//! [`Deconstructor`] reads token JSON on a [`Tape`](crate::json::Tape) and writes canonical bytes straight from it;
//! every element goes to an [`ElementSink`](crate::ElementSink), children before parents. Format notes, section 5.
//! [`Assembler`] reads elements from an [`ElementSource`](crate::ElementSource) and writes the JSON as it goes; section 6.

mod assemble;
mod deconstruct;
mod reason;
mod smt_path;
mod summary;

pub use assemble::{AssembleOptions, Assembler, StateIndex, assemble_proof, transaction_count};
pub use deconstruct::{Deconstructor, deconstruct};
pub use summary::{TokenSummary, summary_of_root};

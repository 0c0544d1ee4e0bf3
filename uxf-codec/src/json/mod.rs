//! Strict JSON in one pass, without a tree of values.
//!
//! [`Tape::parse`] reads a text by the grammar of `JSON.parse` into a flat list of entries that is kept and reused
//! from text to text; a [`Node`] points into it and borrows strings from the text. Nothing is allocated per value.
//! The writing half gives what `JSON.stringify` gives.
//!
//! What follows the reference's language: the last of repeated keys wins, keys that look like array indexes come
//! first, every number is a 64-bit float, an unpaired surrogate becomes U+FFFD. What does not: the text must be
//! UTF-8, arrays and objects nest [`NESTING_MAX`](crate::limits::NESTING_MAX) deep at most, and a text has at most
//! 4 GiB.

mod array;
mod node;
mod number;
mod parser;
mod tape;
mod text;
mod write;

pub use array::ArrayItems;
pub(crate) use node::out_of_range;
pub use node::{Kind, Node};
pub(crate) use number::array_index;
pub use tape::Tape;
pub use write::{write_number, write_text, write_value};

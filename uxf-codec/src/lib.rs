#![doc = include_str!("../README.md")]

pub mod canonical;
pub mod carriage;
pub mod diff;
mod element;
mod error;
pub mod instance_chain;
pub mod join;
pub mod json;
pub mod limits;
pub mod package;
pub mod token;
pub mod verify;

pub use element::{
    BatchMark, Child, Element, ElementBatch, ElementHash, ElementSink, ElementSource, ElementType,
    Header, InstanceKind, KeyOrder, MemoryForm, NewElement,
};
pub use error::{Error, ErrorCode, HexFault};

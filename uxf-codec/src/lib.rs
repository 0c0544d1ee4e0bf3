#![doc = include_str!("../README.md")]

pub mod canonical;
mod element;
mod error;
pub mod instance_chain;
pub mod json;
pub mod limits;
pub mod package;
pub mod token;

pub use element::{
    BatchMark, Child, Element, ElementBatch, ElementHash, ElementSink, ElementSource, ElementType,
    Header, InstanceKind, KeyOrder, MemoryForm, NewElement,
};
pub use error::{Error, ErrorCode, HexFault};

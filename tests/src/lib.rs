#![doc = include_str!("../README.md")]

pub mod conformance;
pub mod crash;
mod map_source;
pub mod properties;

pub use map_source::MapSource;

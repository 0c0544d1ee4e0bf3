#![doc = include_str!("../README.md")]

pub mod conformance;
pub mod crash;
mod map_source;
pub mod properties;
pub mod simulation;

pub use map_source::MapSource;

/// The example in the project's README compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct ReadmeExample;

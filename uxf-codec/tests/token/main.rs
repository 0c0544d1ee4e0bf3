//! JSON, deconstruction and assembly against the golden vectors, against oracles and against random input.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod assemble;
mod deconstruct;
mod hostile;
mod json;
mod properties;
mod vectors;

//! Packages against the golden vectors, and against their own laws.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod chains;
mod deltas;
mod hostile;
mod joins;
mod laws;
mod packages;
mod support;
mod verification;

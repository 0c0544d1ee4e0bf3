//! How packages travel, judged by what the reference implementation wrote and refused.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod archives;
mod hashes_ahead;
mod invalid;
mod limits;
mod mutations;
mod payloads;
mod split;
mod support;
mod uxf_json;

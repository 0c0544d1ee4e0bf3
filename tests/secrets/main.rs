//! Secrets: what is left of them in memory, and what a log may say. A binary of its own, because both look at the
//! whole process.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod logs;
mod memory;

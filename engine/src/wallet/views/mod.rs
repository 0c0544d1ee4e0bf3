//! What a wallet derives from its tokens and keeps on the device: spent states, what was sent, the history (profile
//! notes, section 8).
//!
//! A view is a function of a token file; it can always be made again, so it is never replicated. The times of its
//! records are the caller's.

mod file;
mod history;
mod row;
mod spent;

pub use file::TokenFile;
pub use history::{DerivedEvent, NotAnAddress, OwnAddress, derive_history};
pub use row::DerivedViews;
pub use spent::{DerivedSent, DerivedTombstone, derive_sent, derive_tombstones};

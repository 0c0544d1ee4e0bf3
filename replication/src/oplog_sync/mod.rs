//! Oplogs of one profile, kept the same on several replicas.
//!
//! Both sides say hello with their version vectors at once, and each answers with what the other lacks: one round trip where
//! both keep the logs. What comes later is announced, and fetched from one of those who announced it. A log that comes
//! from one peer is skipped by the others, so nothing is fetched twice; what a run that broke off had brought whole is
//! taken in, and the next run goes on behind it.
//!
//! [`OplogSync`] never touches a store. What it needs of one it asks for as a [`StoreRequest`], which the driver
//! [runs](StoreRequest::run) on anything that is a [`History`], where and when it likes, and gives back as an event.
//!
//! Of a log that is there in part and has a large checkpoint elsewhere only what differs is fetched: the checkpoint is
//! offered by its signed header, and caught up with.
//!
//! A log whose beginning is compacted away, or that ends in another commit at the same number, cannot be brought together
//! here: the first is handed to reconciliation, of the second the last commits are fetched again until they prove the
//! fork.

mod ask;
mod catch_up;
mod history;
mod machine;
mod pull;
mod push;
mod round;
mod store;
mod told;

#[cfg(test)]
mod tests;

pub use catch_up::{CatchUpReply, CatchUpRequest};
pub use history::{Given, History, HistoryError, Taken};
pub use machine::{Event, OplogSync, Output, PeerStanding, Progress, SyncConfig};
pub use round::{encode_round, read_round, salvage_round};
pub use store::{Have, StoreReply, StoreRequest, statements_digest};

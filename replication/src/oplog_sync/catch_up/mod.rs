//! Catching up with a log of which a part is here, by the signed header of its checkpoint and the entries that differ.
//!
//! Who takes asks and keeps everything; who gives answers each question by itself. Both compare entries by
//! sequence number, as [`reconcile`](crate::reconcile) compares live operations by key. What came is nothing until the
//! store has put the checkpoint together and found the root that its device signed; whatever goes wrong, the checkpoint is
//! asked for whole.

mod answer;
mod machine;
mod source;
mod state;
mod store;

pub(super) use machine::take_offers;
pub(super) use state::CatchUps;
pub use store::{CatchUpReply, CatchUpRequest};
pub(super) use store::{answer_about, begin, compare};

//! Live operations of one profile, brought together without the history.
//!
//! Where a log's beginning is compacted away, or two replicas disagree about its end, they compare what still counts:
//! operations ordered by key and operation id. A range is summed up in a fingerprint; ranges that differ are cut into
//! sixteen, until few operations are left, which are listed by their hashes. What one side lacks the other sends: each
//! operation with its path and signed header, verified alone.
//!
//! Who answers keeps nothing between two messages but how often it has answered, and every message is bounded, so a peer
//! can waste no more than its own rounds. Any two states come together, whatever each was before.
//!
//! [`Reconciler`] never touches a store: what it needs it asks for as a [`StoreRequest`], which the driver
//! [runs](StoreRequest::run) on anything that is a [`RangeSource`]: [`ProfileRanges`] is one of a store, [`LiveSet`] one in memory.

mod answer;
mod item;
mod machine;
mod ranges;
mod request;
mod source;
mod talk;
mod tree;

#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerLimits, answer, first_ranges};
pub(crate) use item::bound_between;
pub use item::{ForgedOperation, LiveOperation};
pub use machine::{Event, Output, Patience, ReconcileConfig, Reconciled, Reconciler, TalkStanding};
pub use ranges::ProfileRanges;
pub use request::{StoreReply, StoreRequest};
pub use source::{LiveSet, Proven, RangeSource, SourceError};
pub use tree::SumTree;
pub use uxf_engine::oplog::{ItemHash, ItemSum, OperationId};
pub use uxf_engine::profile::LiveItem;

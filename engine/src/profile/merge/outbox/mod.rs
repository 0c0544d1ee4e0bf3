//! Outbox entries: what one is, how it moves, and how two versions of one become one (profile notes, sections 4.3 and
//! 11).
//!
//! The reference merges two entries into a third and forgets where each field came from, which is why its answer
//! depends on how versions are grouped. Here an entry keeps, for each field that follows a winner, the status of the
//! version it came from ([`pick`]), and the highest status seen before an operator's override is applied. All parts
//! are joined separately; the fields of the reference are computed from them. A device that moves an entry back, as the
//! state machine allows, begins another round, which beats earlier ones until a transfer is over.

mod entry;
mod fields;
mod pick;
mod row;
mod status;

pub use entry::{OutboxEntry, OutboxMergeError, OutboxUpdateError};
pub use fields::OutboxShape;
pub use row::{OutboxRow, OutboxTombstone};
pub use status::{
    ArcFault, DualWriteLayout, OutboxStatus, Partition, TransitionError, check_dual_write,
};

#[cfg(test)]
mod tests;

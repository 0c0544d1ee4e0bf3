//! The profile: an application's keys and values, replicated between the devices of one wallet.
//!
//! [`Profile`] is an open one, and what an application calls. What it stands on needs no store: names of values and their
//! classes ([`keys`]), sealing ([`sealed`]), the envelope of an entry ([`envelope`]) and the rules by which two versions of
//! one value become one ([`merge`]). That part is pure: bytes and values go in, values or a typed error come out; time and
//! randomness are passed in by the caller. The signed history is in [`oplog`](crate::oplog).

#[cfg(feature = "automerge")]
pub mod automerge;
pub mod envelope;
pub mod keys;
pub mod merge;
pub mod sealed;

pub(crate) mod change;
mod error;
pub(crate) mod fold;
mod handle;
pub(crate) mod session;
pub(crate) mod watch;

pub use crate::writer::CompactedLog;
pub use error::ProfileError;
pub use fold::ValueVersion;
pub(crate) use handle::EntrySums;
pub use handle::{
    CaughtUp, CheckpointParts, Delta, DeltaExport, Device, EntryItem, IngestOutcome, KeyInfo, Keys,
    LiveBound, LiveItem, LiveOperations, LogEntries, LoggedOperation, OwnEntries, ParkedCommit,
    Profile, ProfileView, SentEntry, Value, Values, Whole,
};
pub use watch::{WATCH_EVENTS_MAX, Watch, WatchEvent};

//! The bridge to Automerge: a profile as an Automerge document, and an Automerge map as values of a profile.
//!
//! A document made here has a map `values` in its root: of each key the bytes of its value, or null where a delete
//! counts. **They are not sealed**: whoever gets the document reads them all. Keys that stay on this device are never
//! in it.
//!
//! With [`AutomergeExport::History`] every commit that is kept becomes one change of the document. Its actor is the
//! log (the device's 32 bytes and the epoch's 8, big-endian), its time that of the commit in seconds, and it depends on
//! the change before it, so that Automerge's order is ours. Its extra bytes are a delta file (see
//! [`DeltaReader`](crate::oplog::DeltaReader)) of the encoded commit, after the sealed blocks that the commit names;
//! Automerge keeps and passes on extra bytes of changes, so [`verify_automerge`] finds every signature again. What a
//! log's checkpoint took over is one change for all of it, with the segments and the signed checkpoint. A last change
//! carries certificates, revocations and proofs of forks, and sets what the changes before it do not come to: values
//! that are merged when they are read, operations that outlived the checkpoint they were in.
//!
//! A document is a copy of one moment, not a replica: another export puts the same commits in another chain, so two of
//! them are not to be merged. Replicas exchange [`Delta`](super::Delta)s.
//!
//! Automerge is not made for documents of an enemy: it unpacks what is compressed without a bound, and may panic. A
//! panic is caught and becomes [`AutomergeError::Panicked`]; where documents come from is for the caller to know.

// Implementation notes
//
// Automerge lets nobody say what the extra bytes of a transaction are. So a history is written twice: once with plain
// transactions, and then its changes are taken apart, given their extra bytes and the hashes that their dependencies
// have now, and applied to an empty document.

mod error;
mod export;
mod extra;
mod import;
mod kept;
mod verify;

pub use error::AutomergeError;
pub use export::AutomergeExport;
pub use import::AutomergeImport;
pub use verify::{AutomergeReport, verify_automerge};

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Automerge};

use crate::oplog::identity::LogId;

/// Longest document that is read, in bytes: 256 MiB.
pub const AUTOMERGE_BYTES_MAX: usize = 256 << 20;
/// Most values of a document that is imported.
pub const AUTOMERGE_VALUES_MAX: usize = 1 << 20;

/// The map in the root of a document that has the values.
const VALUES: &str = "values";

/// The actor that a log is in a document.
fn actor_of(log: LogId) -> ActorId {
    let epoch = log.epoch.as_u64().to_be_bytes();
    let bytes: Vec<u8> = log
        .device
        .as_bytes()
        .iter()
        .chain(&epoch)
        .copied()
        .collect();
    ActorId::from(bytes)
}

/// Runs what Automerge does with bytes of others, which it does not always survive.
fn guarded<T>(work: impl FnOnce() -> Result<T, AutomergeError>) -> Result<T, AutomergeError> {
    // Nothing that the work changes is seen after a panic.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(AutomergeError::Panicked))
}

fn load(bytes: &[u8]) -> Result<Automerge, AutomergeError> {
    if bytes.len() > AUTOMERGE_BYTES_MAX {
        return Err(AutomergeError::TooLarge {
            found: bytes.len(),
            limit: AUTOMERGE_BYTES_MAX,
        });
    }
    Ok(Automerge::load(bytes)?)
}

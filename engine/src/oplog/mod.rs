//! The signed history of a profile: who wrote which operation, when, and what of it counts.
//!
//! A device appends [`Commit`]s to its log. A commit carries one or more [`Operation`]s, names the commit before it and
//! is signed once, by the device's key, which the profile's key has certified ([`identity`]). Everything here is pure:
//! bytes go in, values or a typed error come out; there is no store, no clock and no randomness. So each rule can be
//! tested alone, and everything a peer sends can be checked before any of it is stored.
//!
//! * [`HybridTime`] and [`HybridClock`] number the writes of all devices in one order that respects cause and effect.
//! * [`Stamp`] is the one place that decides which of two operations on a key wins.
//! * [`TreePath`] proves that an operation belongs to a commit whose other operations are gone.
//! * [`LoneOperation`] carries such a proof; [`ForkProof`] one that a device has written two histories.
//! * [`VersionVector`] says how far a replica knows each log.
//! * [`LogHead`] tells the next commit of a log from a known one, a gap, a broken chain and a fork.
//!
//! `docs/FORMAT.md` has the bytes. Not yet wired into the store.

pub mod identity;

mod commit;
mod evidence;
mod log;
mod operation;
mod order;
mod proof;
mod time;
mod tree;
mod vector;

pub use commit::{
    COMMIT_BYTES_MAX, Commit, CommitBuilder, CommitError, CommitId, CommitStart, HEADS_MAX, Head,
    Header, OPERATIONS_MAX, Operations, SealedCommit, SignedHeader, block_hash, verify_batch,
};
pub use evidence::{FORK_PROOF_BYTES_MAX, ForkProof, ForkProofError};
pub use log::{Appended, LogError, LogHead};
pub use operation::{
    OpKind, Operation, OperationError, REFERENCE_BYTES, SEALED_BYTES_MIN, VALUE_BYTES_MAX,
};
pub use order::Stamp;
pub use proof::{LONE_OPERATION_BYTES_MAX, LoneOperation, ProofError};
pub use time::{
    ClockError, DRIFT_MS_DEFAULT, HYBRID_COUNTER_MAX, HYBRID_MILLIS_MAX, HybridClock, HybridTime,
};
pub use tree::{TreeBuilder, TreeHash, TreePath};
pub use vector::{LOGS_MAX, Missing, Reached, VECTOR_BYTES_MAX, VectorError, VersionVector};

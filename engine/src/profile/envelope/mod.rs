//! The envelope of an entry: what kind of act it records, who wrote it, when, and the sealed payload (profile notes,
//! section 3).
//!
//! Bytes are a canonical DAG-CBOR map of five fields and are read strictly: whatever would be encoded otherwise is
//! refused, because equal content must mean equal bytes. The reference also reads keys in another order and whole
//! numbers written as floats; this does not. [`Envelope::decode`] borrows and allocates nothing. Who may claim what
//! origin is decided here too, and [`Envelope::receive`] is the one door for entries of a peer.
//!
//! [`LamportClock`] numbers the writes of one writer. Nothing here reads a clock.

mod codec;
mod kind;
mod lamport;
mod origin;

pub use codec::{
    ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, PAYLOAD_BYTES_MAX, Stored, TIME_MIN_MS,
};
pub use kind::EntryKind;
pub use lamport::{LAMPORT_MAX, LamportClock, LamportError, LamportTime};
pub use origin::{Origin, OriginError};

use thiserror::Error;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not the canonical bytes of a message.
    #[error("no canonical message at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes from the start of the payload.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// More items than a message of its kind may have.
    #[error("{found} {what}, the most is {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it says there are.
        found: u64,
        /// The cap.
        limit: usize,
    },
    /// Longer than a frame of its kind, or a part of it, may be.
    #[error("{what} of {found} bytes, the most is {limit}")]
    TooLong {
        /// What.
        what: &'static str,
        /// The length it says it has, in bytes.
        found: u64,
        /// The cap in bytes.
        limit: usize,
    },
    /// A kind of message that this version does not have.
    #[error("a message of the unknown kind {found}")]
    UnknownKind {
        /// The number of the kind.
        found: u8,
    },
}

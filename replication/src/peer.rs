use thiserror::Error;

use crate::wire::DecodeError;

/// A connected peer, as the driver of the machines numbers it. A peer that comes back is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(u64);

impl Peer {
    /// The peer of a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a peer did that no peer that keeps to the protocol does. Each is proven by what it sent, so that it may be
/// disconnected and banned for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Bytes that are no frame, or no message.
    #[error("it sent no message of the protocol")]
    Frame(#[from] DecodeError),
    /// A message that has no place where it came.
    #[error("it sent {what} out of turn")]
    OutOfTurn {
        /// The message.
        what: &'static str,
    },
    /// More than it was told there is room for.
    #[error("it sent more {what} than there is room for")]
    TooMuch {
        /// Of what.
        what: &'static str,
    },
    /// Something that does not verify: a signature, a hash, a chain.
    #[error("it sent {what} that does not verify")]
    Forged {
        /// What.
        what: &'static str,
    },
}

use core::fmt;

use uxf_engine::profile::sealed::ProfileId;

use crate::wire::{Nonce, SessionId};

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that dialled; its sessions have even numbers.
    Dialer,
    /// The one that was dialled; its sessions have odd numbers.
    Listener,
}

impl Side {
    /// Whether a session of this number is one that this side opens.
    pub const fn opens(self, session: SessionId) -> bool {
        let is_even = session.0.is_multiple_of(2);
        match self {
            Self::Dialer => is_even,
            Self::Listener => !is_even,
        }
    }
}

/// What both ends of a connection know of it and no other connection has: a hash of the transport's identities of both
/// ends, which the transport has checked, in the order dialler, listener.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectionBinding([u8; 32]);

impl ConnectionBinding {
    /// The binding of a connection between two ends that the transport names by these bytes.
    pub fn of(dialer: &[u8], listener: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: connection binding");
        hasher.update(&(dialer.len() as u64).to_be_bytes());
        hasher.update(dialer);
        hasher.update(listener);
        Self(hasher.finalize().into())
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What one side signs in one session.
    pub(super) fn of_session(&self, end: &SessionEnd<'_>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: session binding");
        hasher.update(&self.0);
        hasher.update(&end.session.0.to_be_bytes());
        hasher.update(&end.opener.0);
        hasher.update(&end.answerer.0);
        hasher.update(&[u8::from(end.is_opener)]);
        hasher.update(end.profile.as_bytes());
        hasher.finalize().into()
    }
}

impl fmt::Debug for ConnectionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionBinding(..)")
    }
}

/// One end of a session, and all that tells it from every other.
pub(super) struct SessionEnd<'s> {
    pub(super) session: SessionId,
    pub(super) profile: &'s ProfileId,
    pub(super) opener: Nonce,
    pub(super) answerer: Nonce,
    pub(super) is_opener: bool,
}

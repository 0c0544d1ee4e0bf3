//! What of a profile stands where everybody can read it: a name and announcements that say nothing to who does not know it.

use core::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use libp2p::PeerId;
use uxf_engine::profile::sealed::ProfileId;

use crate::wire::{Announce, Message, MessageKind};

/// Longest payload of gossip, in bytes. An announcement of so many heads has fewer.
pub(super) const PAYLOAD_BYTES_MAX: usize = 8 << 10;
pub(super) const NONCE_BYTES: usize = 12;

/// The name of a profile's topic.
pub(super) fn topic_name(profile: &ProfileId) -> String {
    let mut tag = blake3::Hasher::new_derive_key("uxf replication 1: gossip tag");
    tag.update(profile.as_bytes());
    format!("/uxf/heads/1/{}", tag.finalize().to_hex())
}

/// What the announcements of a profile are sealed with.
pub(super) struct Seal(Box<Aes256Gcm>);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    pub(super) fn of(profile: &ProfileId) -> Self {
        let mut key = blake3::Hasher::new_derive_key("uxf replication 1: gossip key");
        key.update(profile.as_bytes());
        let key = key.finalize();
        let key: &Key<Aes256Gcm> = key.as_bytes().into();
        Self(Box::new(Aes256Gcm::new(key)))
    }

    /// An announcement as its author publishes it.
    pub(super) fn close(
        &self,
        author: &PeerId,
        nonce: [u8; NONCE_BYTES],
        announce: Announce,
    ) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        Message::Announce(announce).encode_into(&mut payload);
        let aad = author.to_bytes();
        let payload = Payload {
            msg: &payload,
            aad: &aad,
        };
        let mut out = nonce.to_vec();
        let nonce: &Nonce<_> = (&nonce).into();
        // Fails only for lengths that no announcement has.
        out.extend(self.0.encrypt(nonce, payload).ok()?);
        Some(out)
    }

    /// Reads what an author published; `None` if it is no announcement of who knows the profile.
    pub(super) fn open(&self, author: &PeerId, payload: &[u8]) -> Option<Announce> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        let (nonce, msg) = payload.split_first_chunk::<NONCE_BYTES>()?;
        let (nonce, aad): (&Nonce<_>, _) = (nonce.into(), author.to_bytes());
        let opened = self.0.decrypt(nonce, Payload { msg, aad: &aad }).ok()?;
        match Message::decode(MessageKind::Announce, &opened) {
            Ok(Message::Announce(announce)) => Some(announce),
            _ => None,
        }
    }
}

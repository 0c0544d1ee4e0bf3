//! Messages by which a session of a profile begins and ends.

use core::fmt;

use uxf_engine::oplog::identity::{MEMBERSHIP_BYTES_MAX, MembershipProof};
use uxf_engine::profile::sealed::ProfileId;

use super::DecodeError;
use super::cursor::Cursor;

/// The versions that one side speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The lowest.
    pub lowest: u8,
    /// The highest; not below the lowest.
    pub highest: u8,
}

impl Versions {
    /// The highest version that both sides speak.
    pub fn common(self, other: Self) -> Option<u8> {
        let version = self.highest.min(other.highest);
        (version >= self.lowest.max(other.lowest)).then_some(version)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let refused = cursor.malformed("versions in ascending order");
        let [lowest, highest] = cursor.array("two versions")?;
        if lowest > highest {
            return Err(refused);
        }
        Ok(Self { lowest, highest })
    }
}

/// Thirty-two bytes that one side drew at random for one session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 32]);

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// Which profile a session is about, in a form that says so only to who knows the profile, and differs in every session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProfileTag(pub [u8; 32]);

impl ProfileTag {
    /// The tag of a profile in the session that begins with a nonce over the connection of a binding.
    pub fn of(profile: &ProfileId, connection: &[u8; 32], nonce: &Nonce) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("uxf replication 1: profile tag");
        hasher.update(connection);
        hasher.update(&nonce.0);
        hasher.update(profile.as_bytes());
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for ProfileTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfileTag(..)")
    }
}

/// Asks for a session of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The versions the opener speaks.
    pub versions: Versions,
    /// The profile and the opener's nonce; `None` if no version is common, for then what follows is not known.
    pub body: Option<(ProfileTag, Nonce)>,
}

/// Why there is no session. It says no more than this, and the same to a stranger whether the profile is here or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// No version is spoken by both sides.
    Version = 1,
    /// The profile is not here, or the peer has not proven to be of it.
    NotAMember = 2,
    /// There are too many sessions; later there may be room.
    Busy = 3,
}

/// Refuses a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The versions that are spoken here.
    pub versions: Versions,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// It was done with.
    Done = 1,
    /// This side shuts down.
    ShuttingDown = 2,
    /// The other side broke the protocol.
    Protocol = 3,
    /// The other side was too slow, or there is no room.
    Overloaded = 4,
    /// Something went wrong here, such as a failed disk.
    Internal = 5,
}

/// Every version keeps the first two bytes of an open, so that any two can tell each other what they speak.
pub(super) fn read_open(cursor: &mut Cursor<'_>) -> Result<Open, DecodeError> {
    let versions = Versions::read(cursor)?;
    if super::VERSIONS.common(versions).is_none() {
        cursor.rest();
        return Ok(Open {
            versions,
            body: None,
        });
    }
    let tag = ProfileTag(cursor.array("32 bytes of a tag")?);
    let nonce = Nonce(cursor.array("32 bytes of a nonce")?);
    Ok(Open {
        versions,
        body: Some((tag, nonce)),
    })
}

pub(super) fn write_open(out: &mut Vec<u8>, open: &Open) {
    out.extend_from_slice(&[open.versions.lowest, open.versions.highest]);
    if let Some((tag, nonce)) = &open.body {
        out.extend_from_slice(&tag.0);
        out.extend_from_slice(&nonce.0);
    }
}

pub(super) fn read_refused(cursor: &mut Cursor<'_>) -> Result<Refused, DecodeError> {
    let unknown = cursor.malformed("a known reason");
    let refusal = match cursor.u8("a reason")? {
        1 => Refusal::Version,
        2 => Refusal::NotAMember,
        3 => Refusal::Busy,
        _ => return Err(unknown),
    };
    let versions = Versions::read(cursor)?;
    Ok(Refused { refusal, versions })
}

pub(super) fn write_refused(out: &mut Vec<u8>, refused: Refused) {
    let Versions { lowest, highest } = refused.versions;
    out.extend_from_slice(&[refused.refusal as u8, lowest, highest]);
}

pub(super) fn read_close(cursor: &mut Cursor<'_>) -> Result<CloseReason, DecodeError> {
    let unknown = cursor.malformed("a known reason");
    Ok(match cursor.u8("a reason")? {
        1 => CloseReason::Done,
        2 => CloseReason::ShuttingDown,
        3 => CloseReason::Protocol,
        4 => CloseReason::Overloaded,
        5 => CloseReason::Internal,
        _ => return Err(unknown),
    })
}

/// A proof of membership is the rest of its payload.
pub(super) fn read_proof(cursor: &mut Cursor<'_>) -> Result<Box<MembershipProof>, DecodeError> {
    let refused = cursor.malformed("a proof of membership");
    let proof = MembershipProof::decode(cursor.rest());
    proof.map(Box::new).map_err(|_| refused)
}

pub(super) const PROOF_BYTES_MAX: usize = MEMBERSHIP_BYTES_MAX;

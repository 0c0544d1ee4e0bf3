use cid::Cid;
use cid::multihash::Multihash;
use thiserror::Error;
use uxf_codec::ElementHash;

use super::protobuf::{Field, Fields, put_bytes, put_number, put_varint, varint};

/// Longest message, in bytes without its length: 4 MiB, as Kubo has it.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most wants, blocks and presences of one message, each. What a message has beyond it is passed over.
pub const ENTRIES_MAX: usize = 4_096;
/// Longest block that is given or taken, in bytes: 2 MiB, as others take them.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;

/// SHA2-256 as multihashes number it, the one hash that is computed here.
const SHA2_256: u64 = 0x12;
/// Bytes of its digest.
const DIGEST_BYTES: u64 = 32;
/// The codec that ids of the first version have.
const DAG_PB: u64 = 0x70;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It ends in the middle of something.
    #[error("the message ends in the middle of a field")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("a number of more than 64 bits")]
    NumberTooLarge,
    /// A field whose length cannot be known.
    #[error("a field of the unknown wire type {found}")]
    UnknownWireType {
        /// The number of the type.
        found: u64,
    },
    /// Longer than a message may be.
    #[error("a message of {found} bytes, the most is {limit}")]
    TooLong {
        /// Its length in bytes.
        found: u64,
        /// The cap in bytes.
        limit: usize,
    },
}

/// What is wanted of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WantKind {
    /// Its bytes.
    #[default]
    Block,
    /// Whether it is there.
    Have,
}

/// An entry of a list of wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The block.
    pub cid: Cid,
    /// What is wanted of it.
    pub kind: WantKind,
    /// Whether it is wanted no more.
    pub is_cancel: bool,
    /// Whether to say so if it is not there.
    pub send_dont_have: bool,
}

/// A block under the id that its bytes have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The id. Its hash was computed from the bytes.
    pub cid: Cid,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Whether a block is there, as a peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The block.
    pub cid: Cid,
    /// Whether it is there.
    pub is_here: bool,
}

/// What peers send to each other.
///
/// ```
/// use uxf_engine::bundles::parse_cid;
/// use uxf_replication::bitswap::{Message, MessageReader, Presence};
///
/// let cid = parse_cid("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").unwrap();
/// let presences = vec![Presence { cid, is_here: true }];
/// let message = Message { presences, ..Message::default() };
/// let framed = message.encode_framed();
/// let mut reader = MessageReader::new();
/// assert_eq!(reader.next(&mut framed.as_slice()).unwrap(), Some(message));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What the sender wants.
    pub wants: Vec<Want>,
    /// Whether that is all it wants, so that what it wanted before counts no more.
    pub is_full: bool,
    /// What was wanted of it.
    pub blocks: Vec<Payload>,
    /// Whether it has what was wanted of it.
    pub presences: Vec<Presence>,
}

impl Message {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.wants.is_empty()
            && self.blocks.is_empty()
            && self.presences.is_empty()
            && !self.is_full
    }

    /// Its bytes behind their length.
    pub fn encode_framed(&self) -> Vec<u8> {
        let body = self.encode();
        let mut framed = Vec::with_capacity(body.len().saturating_add(5));
        put_varint(&mut framed, u64::try_from(body.len()).unwrap_or(u64::MAX));
        framed.extend_from_slice(&body);
        framed
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.wants.is_empty() || self.is_full {
            let mut list = Vec::new();
            for want in &self.wants {
                put_bytes(&mut list, 1, &encode_want(want));
            }
            put_number(&mut list, 2, self.is_full.into());
            put_bytes(&mut out, 1, &list);
        }
        for block in &self.blocks {
            let mut body = Vec::with_capacity(block.bytes.len().saturating_add(24));
            put_bytes(&mut body, 1, &prefix_of(&block.cid));
            put_bytes(&mut body, 2, &block.bytes);
            put_bytes(&mut out, 3, &body);
        }
        for presence in &self.presences {
            let mut body = Vec::new();
            put_bytes(&mut body, 1, &presence.cid.to_bytes());
            put_number(&mut body, 2, (!presence.is_here).into());
            put_bytes(&mut out, 4, &body);
        }
        out
    }

    /// Reads one. Fields that are not known, ids that are none and blocks under a hash that is not computed here are passed over, as
    /// well as what is beyond [`ENTRIES_MAX`].
    ///
    /// # Errors
    /// All of [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::TooLong {
                found: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                limit: MESSAGE_BYTES_MAX,
            });
        }
        let mut message = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(list)) => message.decode_wants(list)?,
                (3, Field::Bytes(body)) if message.blocks.len() < ENTRIES_MAX => {
                    message.blocks.extend(decode_block(body)?);
                }
                (4, Field::Bytes(body)) if message.presences.len() < ENTRIES_MAX => {
                    message.presences.extend(decode_presence(body)?);
                }
                _ => {}
            }
        }
        Ok(message)
    }

    fn decode_wants(&mut self, list: &[u8]) -> Result<(), MessageError> {
        let mut fields = Fields::of(list);
        while let Some((number, field)) = fields.next()? {
            match (number, field) {
                (1, Field::Bytes(body)) if self.wants.len() < ENTRIES_MAX => {
                    self.wants.extend(decode_want(body)?);
                }
                (2, Field::Number(is_full)) => self.is_full = is_full != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

fn encode_want(want: &Want) -> Vec<u8> {
    let mut body = Vec::new();
    put_bytes(&mut body, 1, &want.cid.to_bytes());
    // All are wanted as much as any other; others leave out what has no priority.
    put_number(&mut body, 2, 1);
    put_number(&mut body, 3, want.is_cancel.into());
    put_number(&mut body, 4, (want.kind == WantKind::Have).into());
    put_number(&mut body, 5, want.send_dont_have.into());
    body
}

fn decode_want(body: &[u8]) -> Result<Option<Want>, MessageError> {
    let (mut cid, mut kind) = (None, WantKind::Block);
    let (mut is_cancel, mut send_dont_have) = (false, false);
    let mut fields = Fields::of(body);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => cid = Cid::try_from(bytes).ok(),
            (3, Field::Number(found)) => is_cancel = found != 0,
            (4, Field::Number(1)) => kind = WantKind::Have,
            (4, Field::Number(_)) => kind = WantKind::Block,
            (5, Field::Number(found)) => send_dont_have = found != 0,
            _ => {}
        }
    }
    Ok(cid.map(|cid| Want {
        cid,
        kind,
        is_cancel,
        send_dont_have,
    }))
}

fn decode_presence(body: &[u8]) -> Result<Option<Presence>, MessageError> {
    let (mut cid, mut is_here) = (None, true);
    let mut fields = Fields::of(body);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => cid = Cid::try_from(bytes).ok(),
            (2, Field::Number(found)) => is_here = found == 0,
            _ => {}
        }
    }
    Ok(cid.map(|cid| Presence { cid, is_here }))
}

fn decode_block(body: &[u8]) -> Result<Option<Payload>, MessageError> {
    let (mut prefix, mut bytes) = (&[][..], &[][..]);
    let mut fields = Fields::of(body);
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(found)) => prefix = found,
            (2, Field::Bytes(found)) => bytes = found,
            _ => {}
        }
    }
    if bytes.len() > BLOCK_BYTES_MAX {
        return Ok(None);
    }
    Ok(cid_of(prefix, bytes).map(|cid| Payload {
        cid,
        bytes: bytes.to_vec(),
    }))
}

/// An id without its digest: version, codec, hash and the length of the digest.
fn prefix_of(cid: &Cid) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, cid.version().into());
    put_varint(&mut out, cid.codec());
    put_varint(&mut out, cid.hash().code());
    put_varint(&mut out, cid.hash().size().into());
    out
}

/// The id of a block; `None` if its hash is not computed here, or there is no such id.
fn cid_of(prefix: &[u8], bytes: &[u8]) -> Option<Cid> {
    let mut rest = prefix;
    let mut next = || varint(&mut rest).ok();
    let (version, codec, hash, len) = (next()?, next()?, next()?, next()?);
    if (hash, len) != (SHA2_256, DIGEST_BYTES) || !rest.is_empty() {
        return None;
    }
    let digest = ElementHash::of(bytes);
    let digest = Multihash::wrap(SHA2_256, digest.as_bytes()).ok()?;
    match (version, codec) {
        (0, DAG_PB) => Cid::new_v0(digest).ok(),
        (1, codec) => Some(Cid::new_v1(codec, digest)),
        _ => None,
    }
}

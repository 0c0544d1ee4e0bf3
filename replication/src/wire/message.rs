use uxf_engine::oplog::identity::MembershipProof;

use super::blocks::{self, Blocks, Have};
use super::cursor::{self, Cursor};
use super::entries::{self, Compare, Compared, Entries};
use super::ranges::{self, RangeEntry};
use super::session::{self, CloseReason, Nonce, Open, Refused};
use super::sync::{self, Announce, Cut, DeltaPart, Hello};
use super::want::{self, Want};
use super::{DecodeError, RANGES_BYTES_MAX};

/// What one peer says to another within a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Asks for a session of a profile.
    Open(Open),
    /// Asks who opened the session for proof: the version to speak, and a nonce to sign with.
    Challenge(u8, Nonce),
    /// The opener's proof.
    Proof(Box<MembershipProof>),
    /// The other side's proof; the session is open.
    Welcome(Box<MembershipProof>),
    /// There is no session.
    Refused(Refused),
    /// The session ends.
    Close(CloseReason),
    /// How far a replica has each log.
    Hello(Hello),
    /// A part of a delta.
    Delta(DeltaPart),
    /// A round of a run was taken in: run and round.
    Ack(u32, u32),
    /// What was asked for is not kept any more.
    Cut(Cut),
    /// Logs that moved.
    Announce(Announce),
    /// What is there of the entries of a checkpoint.
    Compare(Compare),
    /// Entries of a checkpoint.
    Entries(Entries),
    /// What a checkpoint has in the ranges that were asked about.
    Compared(Compared),
    /// What is there in ranges of the live operations.
    Ranges(Vec<RangeEntry>),
    /// Live operations, each with its proof.
    Operations(Vec<Vec<u8>>),
    /// The sealed block of a long value, for the operations that come next.
    Value(Vec<u8>),
    /// Asks for blocks.
    Want(Want),
    /// Which blocks are there.
    Have(Have),
    /// Blocks.
    Blocks(Blocks),
}

/// Which message it is. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageKind {
    /// [`Message::Open`]
    Open = 1,
    /// [`Message::Challenge`]
    Challenge = 2,
    /// [`Message::Proof`]
    Proof = 3,
    /// [`Message::Welcome`]
    Welcome = 4,
    /// [`Message::Refused`]
    Refused = 5,
    /// [`Message::Close`]
    Close = 6,
    /// [`Message::Hello`]
    Hello = 16,
    /// [`Message::Delta`]
    Delta = 17,
    /// [`Message::Ack`]
    Ack = 18,
    /// [`Message::Cut`]
    Cut = 19,
    /// [`Message::Announce`]
    Announce = 20,
    /// [`Message::Compare`]
    Compare = 21,
    /// [`Message::Entries`]
    Entries = 22,
    /// [`Message::Compared`]
    Compared = 23,
    /// [`Message::Ranges`]
    Ranges = 32,
    /// [`Message::Operations`]
    Operations = 33,
    /// [`Message::Value`]
    Value = 34,
    /// [`Message::Want`]
    Want = 48,
    /// [`Message::Have`]
    Have = 49,
    /// [`Message::Blocks`]
    Blocks = 50,
}

impl MessageKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::Open,
        Self::Challenge,
        Self::Proof,
        Self::Welcome,
        Self::Refused,
        Self::Close,
        Self::Hello,
        Self::Delta,
        Self::Ack,
        Self::Cut,
        Self::Announce,
        Self::Compare,
        Self::Entries,
        Self::Compared,
        Self::Ranges,
        Self::Operations,
        Self::Value,
        Self::Want,
        Self::Have,
        Self::Blocks,
    ];

    /// The kind of a number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether it begins or ends sessions; the others are spoken within open ones.
    pub const fn is_of_sessions(self) -> bool {
        matches!(
            self,
            Self::Open
                | Self::Challenge
                | Self::Proof
                | Self::Welcome
                | Self::Refused
                | Self::Close
        )
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Challenge => "challenge",
            Self::Proof => "proof",
            Self::Welcome => "welcome",
            Self::Refused => "refused",
            Self::Close => "close",
            Self::Hello => "hello",
            Self::Delta => "delta",
            Self::Ack => "ack",
            Self::Cut => "cut",
            Self::Announce => "announce",
            Self::Compare => "compare",
            Self::Entries => "entries",
            Self::Compared => "compared",
            Self::Ranges => "ranges",
            Self::Operations => "operations",
            Self::Value => "value",
            Self::Want => "want",
            Self::Have => "have",
            Self::Blocks => "blocks",
        }
    }

    /// Longest payload, in bytes. Most are what the fields at their longest come to.
    pub const fn payload_bytes_max(self) -> usize {
        match self {
            // Later versions may have something else behind theirs.
            Self::Open => 256,
            Self::Challenge => 1 + 32,
            Self::Proof | Self::Welcome => session::PROOF_BYTES_MAX,
            Self::Refused => 3,
            Self::Close => 1,
            Self::Hello => sync::HELLO_BYTES_MAX,
            Self::Delta => sync::DELTA_BYTES_MAX,
            Self::Ack => 8,
            Self::Cut => sync::CUT_BYTES,
            Self::Announce => sync::ANNOUNCE_BYTES_MAX,
            Self::Compare => entries::COMPARE_BYTES_MAX,
            Self::Entries => entries::ENTRIES_MESSAGE_BYTES_MAX,
            Self::Compared => entries::COMPARED_BYTES_MAX,
            Self::Ranges => RANGES_BYTES_MAX,
            Self::Operations => ranges::OPERATIONS_MESSAGE_BYTES_MAX,
            Self::Value => 4 + blocks::BLOCK_BYTES_MAX,
            Self::Want => want::WANT_BYTES_MAX,
            Self::Have => blocks::HAVE_BYTES_MAX,
            Self::Blocks => blocks::BLOCKS_MESSAGE_BYTES_MAX,
        }
    }
}

impl Message {
    /// Which it is.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Open(_) => MessageKind::Open,
            Self::Challenge(..) => MessageKind::Challenge,
            Self::Proof(_) => MessageKind::Proof,
            Self::Welcome(_) => MessageKind::Welcome,
            Self::Refused(_) => MessageKind::Refused,
            Self::Close(_) => MessageKind::Close,
            Self::Hello(_) => MessageKind::Hello,
            Self::Delta(_) => MessageKind::Delta,
            Self::Ack(..) => MessageKind::Ack,
            Self::Cut(_) => MessageKind::Cut,
            Self::Announce(_) => MessageKind::Announce,
            Self::Compare(_) => MessageKind::Compare,
            Self::Entries(_) => MessageKind::Entries,
            Self::Compared(_) => MessageKind::Compared,
            Self::Ranges(_) => MessageKind::Ranges,
            Self::Operations(_) => MessageKind::Operations,
            Self::Value(_) => MessageKind::Value,
            Self::Want(_) => MessageKind::Want,
            Self::Have(_) => MessageKind::Have,
            Self::Blocks(_) => MessageKind::Blocks,
        }
    }

    /// Appends the payload. The lists of a message are within the caps of this module; whoever makes one sees to that.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open(open) => session::write_open(out, open),
            Self::Challenge(version, nonce) => {
                out.push(*version);
                out.extend_from_slice(&nonce.0);
            }
            Self::Proof(proof) | Self::Welcome(proof) => out.extend_from_slice(&proof.encode()),
            Self::Refused(refused) => session::write_refused(out, *refused),
            Self::Close(reason) => out.push(*reason as u8),
            Self::Hello(hello) => sync::write_hello(out, hello),
            Self::Delta(part) => sync::write_delta(out, part),
            Self::Ack(run, round) => {
                out.extend_from_slice(&run.to_be_bytes());
                out.extend_from_slice(&round.to_be_bytes());
            }
            Self::Cut(cut) => sync::write_cut(out, cut),
            Self::Announce(announce) => sync::write_announce(out, announce),
            Self::Compare(compare) => entries::write_compare(out, compare),
            Self::Entries(all) => entries::write_entries(out, all),
            Self::Compared(compared) => entries::write_compared(out, compared),
            Self::Ranges(ranges) => ranges::write_ranges(out, ranges),
            Self::Operations(operations) => ranges::write_operations(out, operations),
            Self::Value(value) => cursor::long_string(out, value),
            Self::Want(one) => want::write_want(out, one),
            Self::Have(have) => blocks::write_have(out, have),
            Self::Blocks(blocks) => blocks::write_blocks(out, blocks),
        }
    }

    /// Reads a payload.
    ///
    /// ```
    /// use uxf_replication::wire::{Message, MessageKind};
    ///
    /// let mut payload = Vec::new();
    /// Message::Ack(3, 1).encode_into(&mut payload);
    /// assert_eq!(payload, [0, 0, 0, 3, 0, 0, 0, 1]);
    /// assert_eq!(Message::decode(MessageKind::Ack, &payload), Ok(Message::Ack(3, 1)));
    /// payload.push(0);
    /// assert!(Message::decode(MessageKind::Ack, &payload).is_err());
    /// ```
    ///
    /// # Errors
    /// All of [`DecodeError`] but `UnknownKind`.
    pub fn decode(kind: MessageKind, payload: &[u8]) -> Result<Self, DecodeError> {
        let limit = kind.payload_bytes_max();
        if payload.len() > limit {
            return Err(DecodeError::TooLong {
                what: kind.name(),
                found: payload.len() as u64,
                limit,
            });
        }
        let mut cursor = Cursor::new(payload);
        let message = match kind {
            MessageKind::Open => Self::Open(session::read_open(&mut cursor)?),
            MessageKind::Challenge => {
                let version = cursor.u8("a version")?;
                Self::Challenge(version, Nonce(cursor.array("32 bytes of a nonce")?))
            }
            MessageKind::Proof => Self::Proof(session::read_proof(&mut cursor)?),
            MessageKind::Welcome => Self::Welcome(session::read_proof(&mut cursor)?),
            MessageKind::Refused => Self::Refused(session::read_refused(&mut cursor)?),
            MessageKind::Close => Self::Close(session::read_close(&mut cursor)?),
            MessageKind::Hello => Self::Hello(sync::read_hello(&mut cursor)?),
            MessageKind::Delta => Self::Delta(sync::read_delta(&mut cursor)?),
            MessageKind::Ack => Self::Ack(cursor.u32("a run")?, cursor.u32("a round")?),
            MessageKind::Cut => Self::Cut(sync::read_cut(&mut cursor)?),
            MessageKind::Announce => Self::Announce(sync::read_announce(&mut cursor)?),
            MessageKind::Compare => Self::Compare(entries::read_compare(&mut cursor)?),
            MessageKind::Entries => Self::Entries(entries::read_entries(&mut cursor)?),
            MessageKind::Compared => Self::Compared(entries::read_compared(&mut cursor)?),
            MessageKind::Ranges => Self::Ranges(ranges::read_ranges(&mut cursor)?),
            MessageKind::Operations => Self::Operations(ranges::read_operations(&mut cursor)?),
            MessageKind::Value => Self::Value(ranges::read_value(&mut cursor)?),
            MessageKind::Want => Self::Want(want::read_want(&mut cursor)?),
            MessageKind::Have => Self::Have(blocks::read_have(&mut cursor)?),
            MessageKind::Blocks => Self::Blocks(blocks::read_blocks(&mut cursor)?),
        };
        cursor.end()?;
        Ok(message)
    }
}

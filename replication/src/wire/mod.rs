//! What peers say to each other, as bytes.
//!
//! A stream carries frames, a frame a session and one [`Message`]. Integers are big-endian and of a fixed width, lists are
//! in one order and without repeats, and nothing may follow: so equal content has one form, and decoding refuses every
//! other. A count or length is checked against its cap and against what is there before anything is allocated for it.
//!
//! Nothing here is believed because it could be decoded: whether a signature holds or a block has its hash is judged by
//! those who take it in. `docs/WIRE.md` has the bytes and the limits.

mod blocks;
pub(crate) mod cursor;
mod entries;
mod error;
mod frame;
mod message;
mod ranges;
mod session;
mod sync;
mod want;

#[cfg(test)]
mod tests;

pub use blocks::{BLOCK_BYTES_MAX, BLOCKS_BYTES_TARGET, Block, Blocks, Have};
pub use entries::{Compare, Compared, ENTRIES_BYTES_TARGET, ENTRIES_MAX, ENTRY_BYTES_MAX, Entries};
pub use error::DecodeError;
pub use frame::{FRAME_BYTES_MAX, Frame, FrameReader, SessionId};
pub use message::{Message, MessageKind};
pub use ranges::{
    BOUND_OPERATION_BYTES_MAX, Bound, Fingerprint, ITEMS_MAX, OPERATIONS_BYTES_TARGET,
    OPERATIONS_MAX, RANGES_BYTES_MAX, RANGES_MAX, RangeContent, RangeEntry, ShortId,
};
pub use session::{CloseReason, Nonce, Open, ProfileTag, Refusal, Refused, Versions};
pub use sync::{
    AGAIN_MAX, Announce, Cut, DELTA_PART_BYTES_MAX, DeltaPart, Hello, ROUNDS_MAX, SKIPS_MAX,
    StatementsDigest,
};
pub use want::{Below, REQUESTS_MAX, Role, WANTS_MAX, Want, WantEntry, WantKind};

/// The protocol of sessions, oplogs and reconciliation on a stream of its own.
pub const SYNC_PROTOCOL: &str = "/uxf/sync/1";
/// The protocol of blocks on a stream of its own. Reserved: nodes carry blocks on the stream of [`SYNC_PROTOCOL`].
pub const BLOCKS_PROTOCOL: &str = "/uxf/blocks/1";
/// The topic on which heads are announced; a node adds `/` and the profile's tag.
pub const HEADS_TOPIC: &str = "/uxf/heads/1";
/// The versions of the messages that this crate speaks.
pub const VERSIONS: Versions = Versions {
    lowest: 1,
    highest: 1,
};

//! Every cap of the format in one place. Format notes, section 19.
//!
//! They are the reference implementation's own: what is written within them, the reference can read.

/// Largest CAR that is read, in bytes: 64 MiB.
pub const CAR_BYTES_MAX: u64 = 64 << 20;
/// Most blocks a CAR may have, envelope and manifest included.
pub const CAR_BLOCKS_MAX: usize = 10_000;
/// Largest block of a CAR, in bytes: 64 KiB.
pub const BLOCK_BYTES_MAX: usize = 65_536;
/// Most tokens a manifest may list.
pub const MANIFEST_TOKENS_MAX: usize = 100_000;
/// Most elements a UXF JSON text may hold.
pub const JSON_ELEMENTS_MAX: usize = 100_000;
/// Most elements a package may hold to be worked on.
pub const POOL_ELEMENTS_MAX: usize = 1_000_000;
/// Largest element that verifies, in bytes of its JSON memory form, which is about twice the canonical bytes.
pub const VERIFY_ELEMENT_BYTES_MAX: usize = 65_536;
/// Deepest path from a root that verifies, in elements.
pub const VERIFY_DEPTH_MAX: usize = 4_096;
/// Most errors that verification lists before it stops.
///
/// The reference has no such cap. Every token that leads to a broken part repeats what is broken there, so that a
/// package of a few megabytes could ask for billions of errors.
pub const VERIFY_ISSUES_MAX: usize = 10_000;
/// Deepest nesting of name-tag tokens, the outermost token counted.
pub const NAMETAG_DEPTH_MAX: usize = 100;
/// Name-tag budget when a proof alone is assembled.
pub const PROOF_DEPTH_MAX: usize = 64;
/// Largest token JSON that is assembled unless asked otherwise, in bytes: 256 MiB.
///
/// Name-tags that list one another can make a few elements into JSON without end; the reference has no such cap.
pub const TOKEN_JSON_BYTES_MAX: usize = 256 << 20;
/// Longest path of a step in a Merkle path, in bytes: 32 KiB, some 78,900 decimal digits.
///
/// The reference has no such cap; an element with a longer one does not verify ([`VERIFY_ELEMENT_BYTES_MAX`]).
pub const PATH_BYTES_MAX: usize = 32_768;
/// Longest instance kind, in UTF-16 units (its characters are all ASCII).
pub const KIND_UNITS_MAX: usize = 64;
/// Longest creator of an envelope, in UTF-16 units.
pub const CREATOR_UNITS_MAX: usize = 256;
/// Longest description of an envelope, in UTF-16 units.
pub const DESCRIPTION_UNITS_MAX: usize = 1_024;
/// Most members that the instance chains found in one package may have together.
///
/// The reference has no such cap. A fork lists its shared history once for every branch, so that a package of many
/// branches over a long history would need memory with the square of its size; a million is far beyond any use.
pub const CHAIN_MEMBERS_MAX: usize = 1_000_000;
/// Largest state index that can be asked for.
pub const STATE_INDEX_MAX: u64 = u32::MAX as u64;
/// Largest version number in a header: 2^53-1.
pub const HEADER_NUMBER_MAX: u64 = (1 << 53) - 1;
/// Longest transfer payload, in UTF-16 units.
pub const PAYLOAD_UNITS_MAX: usize = 8 << 20;
/// Most token ids a transfer payload may list.
pub const PAYLOAD_TOKENS_MAX: usize = 256;
/// A CAR larger than this is probed for its root by its header alone, in bytes.
pub const CAR_ROOT_PROBE_BYTES: usize = 4_096;
/// Deepest nesting of arrays and objects in JSON or DAG-CBOR.
///
/// The reference has no such cap but the stack of its language. 100 name-tags inside each other's transactions
/// need 501 levels, so nothing the reference can write is refused.
pub const NESTING_MAX: usize = 1_024;

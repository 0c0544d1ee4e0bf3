//! Bundles: what one device publishes of its tokens, and what becomes of it (profile notes, sections 5 to 7).
//!
//! Everything here is a rule without a store: values and times go in, decisions come out. Where the reference's rule
//! loses tokens, ours differs; `docs/decisions/0005-wallet-rules.md` lists each difference.

pub mod consolidation;
mod content;
mod manifest;
mod reference;
mod references;
mod retry;

pub use content::{CID_TEXT_BYTES_MAX, ContentError, ShownDigest, check_content, parse_cid};
pub use manifest::{Branches, StructuralEntry, structural_manifest};
pub use reference::{BUNDLE_KEY_PREFIX, BundleRef, BundleRefError, BundleStatus, UnixSeconds};
pub use references::{BundleRefs, UNREADABLE_LISTED_MAX};
pub use retry::{PIN_RETRY_DELAYS, RetryClass};

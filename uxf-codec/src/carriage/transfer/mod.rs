//! Transfer payloads: the message in which one wallet hands a bundle to another. Format notes, section 18.
//!
//! A payload carries the archive itself in base64 or the CID to fetch it by; payloads from before this format pass
//! through unread. Nothing here looks inside the archive but for its root: a receiver compares [`extract_root`] with
//! the payload's `bundle_cid` and then verifies the package.

mod base64;
mod error;
mod legacy;
mod payload;
mod root;

pub use base64::{decode_base64, encode_base64};
pub use error::TransferError;
pub use legacy::LegacyTransfer;
pub use payload::{BundleTransfer, Carrier, TransferMode, TransferPayload};
pub use root::extract_root;

//! Names of the profile's values: address ids, the table of every known key, and translation between the names an
//! application uses and those the store holds (profile notes, section 1).
//!
//! The table in `schema` is the one place that says which keys are replicated, how concurrent values of a replicated
//! key are merged, and which keys never leave the device. A replicated key without a merger cannot be written down.
//! Everything here is pure text.

mod address;
mod schema;
mod translate;

pub use address::{AddressId, AddressIdError, address_id_text};
pub use schema::{COLLECTIONS, Class, Collection, KEY_TABLE, KeyRule, Scope, classify};
pub use translate::{Translated, to_profile_key, to_sdk_key};

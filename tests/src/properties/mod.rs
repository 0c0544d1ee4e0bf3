//! What must hold for any bytes whatever: one property for each reader of bytes that a peer or a file controls.
//!
//! The fuzz targets feed these functions, and the tests of this crate replay on stable every input that ever broke
//! one. A property that does not hold is an `Err` that says what was seen; the caller makes it a failure.

mod bundle_blocks;
mod checkpoint_decode;
mod commit_decode;
mod delta_decode;
mod delta_ingest;
mod element_decode;
mod fold_operations;
mod json_tape;
mod packages;
mod profile_files;
mod profile_recipe;
mod reassemble_hostile;
mod recipe;
mod replay;
mod sealed_open;
mod store_ops;
mod streams;
mod token_deconstruct;
mod transfer_payload;

use core::fmt::{self, Display};

pub use replay::{ReplayOutcome, replay};

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(String);

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a property held.
pub type Verdict = Result<(), Violation>;

/// A property of any bytes.
pub type Property = fn(&[u8]) -> Verdict;

/// Every property by the name of its fuzz target.
pub const ALL: &[(&str, Property)] = &[
    ("checkpoint_decode", checkpoint_decode::check),
    ("commit_decode", commit_decode::check),
    ("delta_decode", delta_decode::check),
    ("delta_ingest", delta_ingest::check),
    ("fold_operations", fold_operations::check),
    ("wire_frames", streams::check_frames),
    ("bitswap_messages", streams::check_bitswap),
    ("sealed_open", sealed_open::check),
    ("element_decode", element_decode::check),
    ("token_deconstruct", token_deconstruct::check),
    ("reassemble_hostile", reassemble_hostile::check),
    ("car_read", packages::check_car),
    ("uxf_json_read", packages::check_json),
    ("bundle_blocks_read", bundle_blocks::check),
    ("lean_snapshot_read", profile_files::check_lean),
    ("full_export_read", profile_files::check_full),
    ("local_snapshot_read", profile_files::check_local),
    ("json_tape", json_tape::check),
    ("transfer_payload", transfer_payload::check),
    ("store_ops", store_ops::check),
];

/// The property of a fuzz target.
pub fn by_name(name: &str) -> Option<Property> {
    ALL.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, property)| *property)
}

fn violation<T>(what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation(what.into()))
}

/// Holds if a condition does.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { violation(what()) }
}

/// Turns an error that may not happen into a violation.
fn must<T>(what: &str, result: Result<T, impl Display>) -> Result<T, Violation> {
    result.or_else(|error| violation(format!("{what}: {error}")))
}

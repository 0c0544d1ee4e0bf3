//! Checks of `profile/`: names of values, sealing, the envelope of an entry, every merge rule, and the rules of a wallet.
//!
//! Cases in which the reference contradicts itself, loses tokens, or accepts what a strict reader must refuse, are checked
//! for our own answer; `docs/decisions/0003-merge-rules.md` and `0005-wallet-rules.md` have each of them.

mod bundles;
mod consolidation;
mod disposition;
mod envelope;
mod files;
mod import;
mod keys;
mod merge;
mod outbox;
mod sealed;
mod wallet;

use std::path::Path;

use serde_json::Value;

use super::report::{Report, Scope};
use super::{guarded, json, vectors};

/// What is done with the JSON of a file.
type Check = fn(&mut Scope<'_>, &Value);

/// Files of the folder, and the checks of each.
const CHECKS: &[(&str, Check)] = &[
    ("address-id", keys::address_id),
    ("key-table", keys::key_table),
    ("key-mapping", keys::key_mapping),
    ("key-derivation", sealed::key_derivation),
    ("encryption", sealed::encryption),
    ("cid-ref", sealed::cid_ref),
    ("oplog-envelope", envelope::oplog_envelope),
    ("lamport", envelope::lamport),
    ("orbitdb-lww", merge::orbitdb_lww),
    ("snapshot-slot-merge", merge::snapshot_slot_merge),
    ("single-blob-union", merge::single_blob_union),
    ("opstate-union", merge::opstate_union),
    ("manifest-merge", merge::manifest_merge),
    ("audit-promoted-from", merge::audit_promoted_from),
    ("outbox-shape", outbox::outbox_shape),
    ("outbox-state-machine", outbox::outbox_state_machine),
    ("outbox-merge", outbox::outbox_merge),
    ("cid-verify", bundles::cid_verify),
    ("pin-error-class", bundles::pin_error_class),
    ("txf-keys", wallet::txf_keys),
    ("dedup-keys", wallet::dedup_keys),
    ("derived-caches", wallet::derived_caches),
    ("storage-mode", wallet::storage_mode),
    ("manifest-derivation", bundles::manifest_derivation),
    ("consolidation", consolidation::consolidation),
    ("disposition", disposition::disposition),
    ("import-results", import::import_results),
    ("outbox-legacy-migration", import::outbox_legacy_migration),
    ("profile-snapshots", files::profile_snapshots),
    ("local-snapshot-blob", files::local_snapshot_blob),
];

/// Whether a directory is laid out like `profile/` itself.
pub(super) fn is_laid_out(directory: &Path) -> bool {
    CHECKS
        .iter()
        .any(|(name, _)| directory.join(format!("{name}.json")).is_file())
}

/// Runs the vectors of a folder laid out like `profile/`.
pub(super) fn run(report: &mut Report, folder: &Path) {
    let files = vectors::list(folder);
    for file in files
        .iter()
        .filter(|file| file.is_file() && !vectors::is_readme(file))
    {
        let name = vectors::file_name(file);
        let shown = format!("profile/{name}");
        let stem = name.strip_suffix(".json").unwrap_or_default();
        let Some((_, check)) = CHECKS.iter().find(|(known, _)| *known == stem) else {
            report.not_covered(shown);
            continue;
        };
        guarded(
            report,
            ("profile", &name),
            &shown,
            |scope| match vectors::read_json(file) {
                Ok(value) => check(scope, &value),
                Err(error) => scope.fail("reading the file", "JSON", error),
            },
        );
    }
}

/// The cases of a file under one of its fields, numbered. No such field or an empty one is a failure.
fn cases<'v>(scope: &mut Scope<'_>, file: &'v Value, field: &str) -> Vec<(String, &'v Value)> {
    let cases = file
        .get(field)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if cases.is_empty() {
        scope.fail(field, "cases", "none");
    }
    let named = cases.iter().enumerate().map(|(index, case)| {
        let name = ["name", "why"]
            .iter()
            .find_map(|name| case.get(name))
            .and_then(Value::as_str);
        (
            format!("{field}[{index}] {}", name.unwrap_or_default()),
            case,
        )
    });
    named.collect()
}

/// A text field; empty if it is none, which then fails its check.
fn text<'v>(case: &'v Value, field: &str) -> &'v str {
    case.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A text field that may be absent or null.
fn optional_text<'v>(case: &'v Value, field: &str) -> Option<&'v str> {
    case.get(field).and_then(Value::as_str)
}

/// A field that is true or false; false if it is neither.
fn flag(case: &Value, field: &str) -> bool {
    case.get(field).and_then(Value::as_bool) == Some(true)
}

/// A hex field as bytes.
fn bytes(case: &Value, field: &str) -> Vec<u8> {
    const_hex::decode(text(case, field)).unwrap_or_default()
}

/// Sets a field of an object.
fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value.into());
    }
}

/// Checks that two JSON values are the same, whatever the order of keys.
fn same_json(scope: &mut Scope<'_>, name: &str, expected: &Value, found: &Value) {
    scope.equal(name, json::sorted_text(expected), json::sorted_text(found));
}

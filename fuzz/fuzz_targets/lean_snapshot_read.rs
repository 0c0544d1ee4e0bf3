//! Feeds bytes to the property `lean_snapshot_read` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("lean_snapshot_read");

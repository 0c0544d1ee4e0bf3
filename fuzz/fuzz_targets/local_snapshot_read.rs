//! Feeds bytes to the property `local_snapshot_read` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("local_snapshot_read");

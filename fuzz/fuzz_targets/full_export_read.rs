//! Feeds bytes to the property `full_export_read` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("full_export_read");

//! Feeds bytes to the property `delta_ingest` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("delta_ingest");

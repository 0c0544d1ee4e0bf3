//! Feeds bytes to the property `uxf_json_read` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("uxf_json_read");

//! Feeds bytes to the property `json_tape` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("json_tape");

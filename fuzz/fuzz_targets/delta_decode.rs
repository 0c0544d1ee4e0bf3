//! Feeds bytes to the property `delta_decode` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("delta_decode");

//! Feeds bytes to the property `element_decode` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("element_decode");

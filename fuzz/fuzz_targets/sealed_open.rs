//! Feeds bytes to the property `sealed_open` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("sealed_open");

//! Feeds bytes to the property `checkpoint_decode` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("checkpoint_decode");

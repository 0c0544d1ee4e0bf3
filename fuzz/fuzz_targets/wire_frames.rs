//! Feeds bytes to the property `wire_frames` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("wire_frames");

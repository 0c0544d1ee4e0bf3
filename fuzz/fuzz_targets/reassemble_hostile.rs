//! Feeds bytes to the property `reassemble_hostile` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("reassemble_hostile");

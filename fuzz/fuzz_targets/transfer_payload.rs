//! Feeds bytes to the property `transfer_payload` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("transfer_payload");

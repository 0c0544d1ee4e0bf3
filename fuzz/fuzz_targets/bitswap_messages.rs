//! Feeds bytes to the property `bitswap_messages` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("bitswap_messages");

//! Feeds bytes to the property `store_ops` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("store_ops");

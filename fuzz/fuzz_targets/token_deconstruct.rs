//! Feeds bytes to the property `token_deconstruct` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("token_deconstruct");

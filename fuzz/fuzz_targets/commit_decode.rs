//! Feeds bytes to the property `commit_decode` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("commit_decode");

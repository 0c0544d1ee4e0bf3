//! Feeds bytes to the property `fold_operations` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("fold_operations");

//! Feeds bytes to the property `bundle_blocks_read` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("bundle_blocks_read");

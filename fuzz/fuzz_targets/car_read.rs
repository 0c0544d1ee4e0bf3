//! Feeds bytes to the property `car_read` of `uxf-tests`.
#![no_main]

uxf_fuzz::target!("car_read");

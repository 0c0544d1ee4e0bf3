//! JSON, deconstruction and assembly against the golden vectors, against oracles and against random input.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod json;

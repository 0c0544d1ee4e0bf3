//! Bulk storage as an application meets it. What needs no HTTP runs over object stores in memory and in directories.
#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod durability;
mod fetch;
mod gateway;
mod kubo;
mod loose;
mod node;
mod objects;
mod samples;
mod wallets;

//! The element store as an application sees it.

#![expect(
    clippy::unwrap_used,
    reason = "functions shared by tests are tests too, which the lint cannot tell"
)]

mod backup;
mod basics;
mod concurrency;
mod exchange;
mod faults;
mod index;
mod instances;
mod integrity;
mod model;
mod preview;
mod tokens;

//! The element store: where an element lies, how often it is referenced, and how it goes.

pub(crate) mod count;
pub(crate) mod count_pages;
pub(crate) mod fingerprint;
pub(crate) mod index_runs;
pub(crate) mod locator;
pub(crate) mod readers;
pub(crate) mod segment;

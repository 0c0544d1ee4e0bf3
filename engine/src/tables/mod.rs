//! What lies on disk: the tables and the encodings of their keys and values. FORMAT.md describes every byte.

pub(crate) mod journal;
pub(crate) mod profile_rows;
pub(crate) mod row;
pub(crate) mod run_directory;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod varint;
pub(crate) mod wallet_rows;

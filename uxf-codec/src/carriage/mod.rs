//! How packages travel: CARv1 archives, UXF JSON, transfer payloads, and a place to keep a package.
//!
//! Everything here turns a [`Package`](crate::package::Package) or an element source into bytes and back. Archives
//! are read and written as streams through any [`std::io::Read`] and [`std::io::Write`], so that a file never has to
//! be in memory whole; opening files is the caller's part.

pub mod car;
mod json_form;
pub mod storage;
pub mod transfer;

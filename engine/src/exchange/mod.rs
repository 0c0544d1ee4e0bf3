//! Tokens in files: what wallets and other implementations hand over, and what is handed to them.
//!
//! [`Inventory::import`](crate::Inventory::import) takes a token, an array of tokens, UXF JSON or a CAR; a token is
//! taken whole or not at all, and one bad token does not keep the others out. Exports read one snapshot.

mod export;
mod import;
mod kind;
mod package;
mod report;
mod tokens;

pub use export::{CarExport, ExportOptions};
pub use import::{ImportOptions, Progress};
pub use kind::InputKind;
pub(crate) use package::{Layered, gather};
pub use report::{ImportReport, Rejected};

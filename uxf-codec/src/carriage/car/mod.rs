//! CARv1 archives: a header that names the root, then blocks, each with its CID. Format notes, section 11.
//!
//! Four layers, each usable alone:
//! * [`CarReader`] and [`CarWriter`] know framing only: sections, CIDs and caps;
//! * [`PackageReader`] adds what a UXF package is: it yields verified elements and keeps envelope and manifest;
//! * [`export`](fn@write_car) walks any [`ElementSource`](crate::ElementSource) from the roots of a manifest;
//! * `Package::to_car` and `Package::from_car` do it for a package in memory, with the reference's exact order of
//!   blocks and of checks.

mod ahead;
mod bundle;
mod cid;
mod export;
mod framing;
mod header;
mod import;
mod input;
mod limits;
mod package_reader;
mod reader;
mod split;
mod varint;
mod walk;
mod writer;

pub use bundle::{BundleBlocks, check_roots, read_envelope, read_manifest};
pub(crate) use bundle::{check_exportable, check_token_count, check_units, parse_token_id};
pub use cid::BlockCid;
pub use export::{CarContents, CarProfile, CarSummary, write_blocks, write_car};
pub(crate) use framing::{check_framing, root_cids};
pub use limits::CarLimits;
pub use package_reader::PackageReader;
pub use reader::{CarBlock, CarReader};
pub use split::{CarPlan, TokenTooLarge, plan_cars};
pub use writer::CarWriter;

//! Files of a profile, as the reference writes and reads them (profile notes, section 12): the full export, the lean
//! snapshot that devices exchange, and the snapshot that a device starts from.
//!
//! Values in them are sealed; what is read is bounded, and every block is checked against its id.

mod archive;
mod bundle_blocks;
mod error;
mod full_export;
mod import_check;
mod lean_root;
mod lean_snapshot;
mod local_snapshot;
mod parts;
#[cfg(test)]
mod refusals;

pub use error::ProfileFileError;
pub use full_export::{FullExport, FullExportFile, FullExportSummary};
pub use import_check::{FullImportRefusal, FullImportRequest, OtherIdentity};
pub use lean_root::{EPOCH_MAX, Epoch, GroupLine, LeanRoot, RESET_REASON_BYTES_MAX};
pub use lean_snapshot::{EntryGroup, LeanSnapshot};
pub use local_snapshot::{
    LOCAL_SNAPSHOT_BYTES_MAX, LocalSnapshot, ReadSnapshot, SnapshotFault, local_snapshot_key,
    local_snapshot_pending_key, read_local_snapshot,
};
pub use parts::{
    BLOCKS_MAX, BUNDLES_MAX, ENTRIES_MAX, FILE_BYTES_MAX, FileBundle, FileEntry, FileHeader,
    KEY_BYTES_MAX, VALUE_BYTES_MAX,
};

/// Largest block of a bundle in a full export: 1 MiB.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Largest block of a group in a lean snapshot: 50 MiB, the most that is fetched as one block.
pub const GROUP_BYTES_MAX: usize = 50 << 20;

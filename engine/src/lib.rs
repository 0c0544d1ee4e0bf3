#![doc = include_str!("../README.md")]

mod backup;
mod batch;
pub mod bundles;
mod cbor;
mod clock;
mod compact;
mod elements;
mod engine;
mod entropy;
mod error;
mod exchange;
mod integrity;
mod inventory;
mod metrics;
mod new_file;
pub mod oplog;
mod options;
pub mod profile;
mod recovery;
mod replica;
mod shared;
mod snapshot;
mod stats;
mod survey;
mod sweep_preview;
mod tables;
mod upgrade;
pub mod wallet;
mod writer;

pub use backup::BackupOutcome;
pub use batch::WriteBatch;
pub use clock::{Clock, SystemClock};
pub use compact::CompactOutcome;
pub use engine::{DATABASE_FILE, Engine, Import, ReadOnlyEngine};
pub use entropy::{Entropy, SystemEntropy};
pub use error::{Error, ErrorKind};
pub use exchange::{
    CarExport, ExportOptions, ImportOptions, ImportReport, InputKind, Progress, Rejected,
};
pub use integrity::{IntegrityProgress, IntegrityReport, Problem};
pub use inventory::{
    INVENTORY_NAME_BYTES_MAX, Inventory, TOKEN_ID_BYTES_MAX, TOKEN_INSTANCES_MAX, Tokens,
};
pub use metrics::MetricsSnapshot;
pub use options::{Durability, EngineOptions, RepairPolicy};
pub use snapshot::{ElementBytes, Snapshot};
pub use stats::{Stats, TypeStats};
pub use survey::Survey;
pub use tables::row::BlockKind;
pub use writer::{CommitOutcome, SweepOutcome, Ticket};

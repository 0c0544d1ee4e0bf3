//! The engines, each set up as its makers advise for this kind of work: 256 MiB of cache where it has one of its own,
//! sorted and aggregated batches, no compression (the payload is random), one durable commit a batch.

mod fjall;
mod lmdb;
mod redb;
mod redb_bare;
mod sqlite;
mod uxf;

use std::path::Path;
use std::str::FromStr;

use crate::Outcome;
use crate::rival::Rival;

/// Cache of the engines that have one, in bytes.
const CACHE_BYTES: usize = 256 << 20;

/// An engine by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineKind {
    Uxf,
    Redb,
    RedbBare,
    Fjall,
    Lmdb,
    Sqlite,
}

impl EngineKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Uxf,
        Self::Redb,
        Self::RedbBare,
        Self::Fjall,
        Self::Lmdb,
        Self::Sqlite,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uxf => "uxf",
            Self::Redb => "redb",
            Self::RedbBare => "redb-bare",
            Self::Fjall => "fjall",
            Self::Lmdb => "lmdb",
            Self::Sqlite => "sqlite",
        }
    }

    /// Opens the engine's store in a directory, or makes it.
    pub(crate) fn open(self, dir: &Path) -> Outcome<Box<dyn Rival>> {
        Ok(match self {
            Self::Uxf => Box::new(uxf::Uxf::open(dir)?),
            Self::Redb => Box::new(redb::ObviousRedb::open(dir)?),
            Self::RedbBare => Box::new(redb_bare::BareRedb::open(dir)?),
            Self::Fjall => Box::new(fjall::Fjall::open(dir)?),
            Self::Lmdb => Box::new(lmdb::Lmdb::open(dir)?),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(dir)?),
        })
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|engine| engine.name() == name)
            .ok_or_else(|| format!("unknown engine {name}"))
    }
}

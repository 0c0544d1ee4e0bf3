use core::time::Duration;

use redb::ReadableTableMetadata as _;

use crate::error::{During as _, Error};
use crate::shared::Shared;
use crate::tables::row::BlockKind;
use crate::tables::schema::{INVENTORIES, TOKENS};
use crate::tables::state::KINDS;

/// What a store holds. See [`Engine::stats`](crate::Engine::stats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Inventories.
    pub inventories: u64,
    /// Tokens of all inventories together.
    pub tokens: u64,
    /// Elements, those waiting to be reclaimed included.
    pub elements: u64,
    /// Their bytes, each stored once, without any overhead.
    pub element_bytes: u64,
    /// Elements whose last reference was released and which wait to be reclaimed.
    pub released: u64,
    /// Anonymous pins.
    pub pins: u64,
    /// Elements by type, the types with none left out.
    pub by_type: Vec<TypeStats>,
    /// Elements ever stored.
    pub stored_ever: u64,
    /// Elements opening would read again after a crash now.
    pub replay_elements: u64,
    /// Count changes opening would replay after a crash now.
    pub replay_changes: u64,
    /// Memory of the hash index, in bytes.
    pub index_memory_bytes: u64,
    /// Length of the database file, in bytes; `None` for a store in memory.
    pub file_bytes: Option<u64>,
    /// Open snapshots.
    pub snapshots: u64,
    /// For how long the oldest state that is still read has been read; space reclaimed since is not used again yet.
    pub oldest_reader: Option<Duration>,
}

/// Elements of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeStats {
    /// What they are.
    pub kind: BlockKind,
    /// How many there are.
    pub elements: u64,
    /// Their bytes, without any overhead.
    pub bytes: u64,
}

impl TypeStats {
    /// The type's name in the format, or `opaque`, `segment`, `commit` or `operation`.
    pub const fn name(&self) -> &'static str {
        match self.kind {
            BlockKind::Opaque => "opaque",
            BlockKind::Element(element_type) => element_type.name(),
            BlockKind::Segment => "segment",
            BlockKind::Commit => "commit",
            BlockKind::Operation => "operation",
        }
    }
}

impl Stats {
    pub(crate) fn of(shared: &Shared) -> Result<Self, Error> {
        let txn = shared.db.begin_read()?;
        let tokens = txn.open_table(TOKENS).during("opening tokens-1")?;
        let inventories = txn
            .open_table(INVENTORIES)
            .during("opening inventories-1")?;
        let file_bytes = shared.file_bytes()?;
        let state = shared.state();
        let now = shared.options.clock.monotonic();
        let totals = state.kinds.iter().zip(&state.kind_bytes);
        let by_type = (0_u8..)
            .zip(totals.take(KINDS))
            .filter(|(_, (elements, _))| **elements > 0)
            .filter_map(|(kind, (&elements, &bytes))| {
                Some(TypeStats {
                    kind: BlockKind::from_id(kind)?,
                    elements,
                    bytes,
                })
            })
            .collect();
        Ok(Self {
            inventories: inventories.len().during("counting inventories")?,
            tokens: tokens.len().during("counting tokens")?,
            elements: state.elements,
            element_bytes: state.bytes,
            released: state.released,
            pins: state.pins,
            by_type,
            stored_ever: state.next_seq,
            replay_elements: state.next_seq - state.watermark,
            replay_changes: state.journal_entries,
            index_memory_bytes: shared.locator.bytes() as u64,
            file_bytes,
            snapshots: shared.readers.snapshots() as u64,
            oldest_reader: shared
                .readers
                .oldest()
                .map(|since| now.saturating_sub(since)),
        })
    }
}

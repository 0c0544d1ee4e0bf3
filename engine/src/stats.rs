use crate::shared::Shared;

/// What a store holds. See [`Engine::stats`](crate::Engine::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Elements, those waiting to be reclaimed included.
    pub elements: u64,
    /// Their bytes, without any overhead.
    pub element_bytes: u64,
    /// Elements whose last reference was released and which wait to be reclaimed.
    pub released: u64,
    /// Anonymous pins.
    pub pins: u64,
    /// Elements ever stored.
    pub stored_ever: u64,
    /// Elements opening would read again after a crash now.
    pub replay_elements: u64,
    /// Count changes opening would replay after a crash now.
    pub replay_changes: u64,
    /// Memory of the hash index, in bytes.
    pub index_memory_bytes: u64,
    /// Open snapshots.
    pub snapshots: u64,
}

impl Stats {
    pub(crate) fn of(shared: &Shared) -> Self {
        let state = shared.state();
        Self {
            elements: state.elements,
            element_bytes: state.bytes,
            released: state.released,
            pins: state.pins,
            stored_ever: state.next_seq,
            replay_elements: state.next_seq - state.watermark,
            replay_changes: state.journal_entries,
            index_memory_bytes: shared.locator.bytes() as u64,
            snapshots: shared.readers.snapshots() as u64,
        }
    }
}

use core::sync::atomic::{AtomicU64, Ordering};

/// Counters since the engine was opened. Reading them is cheap and never blocks.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_field_names,
    reason = "a counter's name ends in total, as in every metrics system"
)]
pub(crate) struct Metrics {
    commits_total: AtomicU64,
    batches_total: AtomicU64,
    batches_refused_total: AtomicU64,
    elements_stored_total: AtomicU64,
    element_bytes_stored_total: AtomicU64,
    elements_known_total: AtomicU64,
    elements_reclaimed_total: AtomicU64,
    element_bytes_reclaimed_total: AtomicU64,
    checkpoints_total: AtomicU64,
    journal_folds_total: AtomicU64,
    index_segments_loaded_total: AtomicU64,
    index_segments_evicted_total: AtomicU64,
}

/// What a store has done since it was opened, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Database commits; one may hold many batches.
    pub commits_total: u64,
    /// Batches applied.
    pub batches_total: u64,
    /// Batches refused with nothing applied.
    pub batches_refused_total: u64,
    /// Elements written.
    pub elements_stored_total: u64,
    /// Bytes of the elements written.
    pub element_bytes_stored_total: u64,
    /// Elements of batches that were there already.
    pub elements_known_total: u64,
    /// Elements collected.
    pub elements_reclaimed_total: u64,
    /// Bytes of the elements collected.
    pub element_bytes_reclaimed_total: u64,
    /// Runs written to the index.
    pub checkpoints_total: u64,
    /// Times the journal was folded into the count pages.
    pub journal_folds_total: u64,
    /// Index segments read into memory.
    pub index_segments_loaded_total: u64,
    /// Index segments dropped from memory.
    pub index_segments_evicted_total: u64,
}

macro_rules! counters {
    ($($add:ident => $field:ident),* $(,)?) => {
        impl Metrics {
            $(pub(crate) fn $add(&self, count: u64) {
                self.$field.fetch_add(count, Ordering::Relaxed);
            })*

            /// The values now.
            pub(crate) fn snapshot(&self) -> MetricsSnapshot {
                MetricsSnapshot { $($field: self.$field.load(Ordering::Relaxed)),* }
            }
        }
    };
}

counters! {
    commits => commits_total,
    batches => batches_total,
    batches_refused => batches_refused_total,
    elements_stored => elements_stored_total,
    element_bytes_stored => element_bytes_stored_total,
    elements_known => elements_known_total,
    elements_reclaimed => elements_reclaimed_total,
    element_bytes_reclaimed => element_bytes_reclaimed_total,
    checkpoints => checkpoints_total,
    journal_folds => journal_folds_total,
    index_segments_loaded => index_segments_loaded_total,
    index_segments_evicted => index_segments_evicted_total,
}

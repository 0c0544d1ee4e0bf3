use core::cmp::Ordering;

use super::Merge;
use super::text::text_order;

/// What an entry of the reference's log does to its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogOp<V> {
    /// Gives it a value.
    Put(V),
    /// Takes its value away.
    Del,
}

/// An entry of the reference's replicated log, as far as it decides who wins (profile notes, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry<V> {
    /// One more than the highest time among the heads its writer knew. No wall clock.
    pub time: u64,
    /// Public key of the writer.
    pub writer: String,
    /// Content id of the entry, which no two entries share.
    pub id: String,
    /// What it does.
    pub op: LogOp<V>,
}

impl<V: Ord> Ord for LogEntry<V> {
    /// By time, then by writer as text, then by content id.
    ///
    /// The last is ours: the reference has no order between two entries that one writer makes at one time.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_clock = self.time.cmp(&other.time);
        by_clock
            .then_with(|| text_order(&self.writer, &other.writer))
            .then_with(|| text_order(&self.id, &other.id))
            .then_with(|| self.op.cmp(&other.op))
    }
}

impl<V: Ord> PartialOrd for LogEntry<V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V: Ord> Merge for LogEntry<V> {
    fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

/// The entry that decides over a key, in whatever order its entries come. If it is a [`LogOp::Del`], the key is absent.
pub fn winner<'e, V: Ord>(
    entries: impl IntoIterator<Item = &'e LogEntry<V>>,
) -> Option<&'e LogEntry<V>> {
    entries.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = LogEntry<u8>> {
        (0_u64..3, "[ab]", "[xy]", proptest::option::of(0_u8..2)).prop_map(
            |(time, writer, id, value)| LogEntry {
                time,
                writer,
                id,
                op: value.map_or(LogOp::Del, LogOp::Put),
            },
        )
    }

    proptest! {
        #[test]
        fn log_entries_obey_the_laws(a in entries(), b in entries(), c in entries()) {
            laws::hold(&a, &b, &c);
        }
    }

    #[test]
    fn two_entries_of_one_writer_at_one_time_are_decided_by_their_ids() {
        let entry = |id: &str, value| LogEntry {
            time: 1,
            writer: "w".into(),
            id: id.into(),
            op: LogOp::Put(value),
        };
        let (a, b) = (entry("a", 2), entry("b", 1));
        assert_eq!(winner([&a, &b]), Some(&b));
        assert_eq!(winner([&b, &a]), Some(&b));
    }
}

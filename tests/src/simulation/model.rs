//! What a profile should come to: a pure function of the set of operations.
//!
//! It is written from the document and shares no code with the engine's fold; only the joins of two values of a merged
//! class are the engine's, whose laws are tested beside them.

use std::collections::BTreeMap;

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CommitId, HybridTime, LogHead, VersionVector};
use uxf_engine::profile::merge::{Merged, Merger};

use super::values::{KEYS, merger};

/// An operation that some device acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Time of its commit.
    pub(crate) time: HybridTime,
    /// Its key.
    pub(crate) key: &'static str,
    /// `None` for a delete.
    pub(crate) put: Option<Put>,
}

/// What a put set.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    /// What the caller gave: several for a merged key that a batch adds to more than once.
    pub(crate) given: Vec<Vec<u8>>,
    /// What the operation carries: where values are merged, what was there joined with what was given.
    pub(crate) value: Vec<u8>,
}

/// All operations, by log; the first of a log has the sequence number 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    logs: BTreeMap<LogId, Vec<Operation>>,
}

/// The greatest wins: time, then a delete, then the device's bytes, the epoch, the sequence number.
type Order = (u64, bool, [u8; 32], u64, u64);

/// A value that a key has, and the operation that wrote it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visible {
    /// The bytes.
    pub(crate) value: Vec<u8>,
    /// Log and sequence number.
    pub(crate) written_by: (LogId, u64),
    /// When.
    pub(crate) time: HybridTime,
}

fn order(log: LogId, seq: u64, operation: &Operation) -> Order {
    let (device, epoch) = (*log.device.as_bytes(), log.epoch.as_u64());
    (
        operation.time.as_u64(),
        operation.put.is_none(),
        device,
        epoch,
        seq,
    )
}

impl Model {
    /// Adds the next operation of a log.
    pub(crate) fn push(&mut self, log: LogId, operation: Operation) {
        self.logs.entry(log).or_default().push(operation);
    }

    /// How many operations a log has.
    pub(crate) fn len_of(&self, log: LogId) -> u64 {
        self.logs.get(&log).map_or(0, Vec::len) as u64
    }

    /// Forgets what a log has from a sequence number on: it was lost before anybody was promised anything.
    pub(crate) fn cut(&mut self, log: LogId, next_seq: u64) {
        let len = usize::try_from(next_seq.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(operations) = self.logs.get_mut(&log) {
            operations.truncate(len);
        }
    }

    /// The vector that covers everything here. The ids of commits in it mean nothing.
    pub(crate) fn everything(&self) -> VersionVector {
        let mut vector = VersionVector::default();
        for (&log, operations) in &self.logs {
            let head = LogHead {
                next_seq: operations.len() as u64 + 1,
                head: Some(CommitId::from_bytes([0; 32])),
                ..LogHead::empty(log)
            };
            // There are never so many logs that one has no place.
            drop(vector.set(&head));
        }
        vector
    }

    /// How many operations there are.
    pub(crate) fn len(&self) -> u64 {
        self.logs.values().map(|log| log.len() as u64).sum()
    }

    /// The latest time of all operations that a vector covers.
    pub(crate) fn latest(&self, known: &VersionVector) -> HybridTime {
        let times = self.known(known).map(|(_, _, operation)| operation.time);
        times.max().unwrap_or(HybridTime::ZERO)
    }

    /// The operations that a vector covers.
    fn known<'m>(
        &'m self,
        vector: &'m VersionVector,
    ) -> impl Iterator<Item = (LogId, u64, &'m Operation)> + 'm {
        self.logs.iter().flat_map(|(&log, operations)| {
            let next = vector.get(&log).map_or(1, |reached| reached.next_seq);
            let numbered = (1..).zip(operations);
            numbered
                .take_while(move |(seq, _)| *seq < next)
                .map(move |(seq, operation)| (log, seq, operation))
        })
    }

    /// The puts of a key that count, oldest first.
    fn counting<'m>(
        &'m self,
        vector: &'m VersionVector,
        key: &str,
    ) -> BTreeMap<Order, (LogId, u64, &'m Operation)> {
        let all = self.known(vector).filter(|(_, _, found)| found.key == key);
        let mut sorted: BTreeMap<Order, (LogId, u64, &Operation)> = all
            .map(|(log, seq, operation)| (order(log, seq, operation), (log, seq, operation)))
            .collect();
        if merger(key) == Merger::LastWriter {
            let last = sorted.pop_last();
            return last
                .into_iter()
                .filter(|(_, (_, _, operation))| operation.put.is_some())
                .collect();
        }
        let deletes = sorted.iter().filter(|(_, found)| found.2.put.is_none());
        if let Some(last) = deletes.map(|(order, _)| *order).next_back() {
            sorted.retain(|order, _| *order > last);
        }
        let mut last_of_log: BTreeMap<LogId, Order> = BTreeMap::new();
        for (order, (log, ..)) in &sorted {
            last_of_log.insert(*log, *order);
        }
        sorted.retain(|order, (log, ..)| last_of_log.get(log) == Some(order));
        sorted
    }

    /// The value of a key for a replica that has the operations a vector covers.
    pub(crate) fn visible(&self, vector: &VersionVector, key: &str) -> Option<Visible> {
        let counting = self.counting(vector, key);
        let (_, &(log, seq, last)) = counting.last_key_value()?;
        let puts = counting.values().filter_map(|found| found.2.put.as_ref());
        let value = puts.fold(None, |have, put| Some(join(key, have, &put.value)))?;
        Some(Visible {
            value,
            written_by: (log, seq),
            time: last.time,
        })
    }

    /// Whether some operation on a key is covered.
    pub(crate) fn touched(&self, vector: &VersionVector, key: &str) -> bool {
        self.known(vector).any(|(_, _, found)| found.key == key)
    }

    /// Everything that was given to a merged key after its last delete is in its value.
    ///
    /// # Errors
    /// What is not.
    pub(crate) fn nothing_is_lost(&self, vector: &VersionVector) -> Result<(), String> {
        let keys = KEYS.into_iter();
        let mut merged = keys.filter(|key| merger(key) != Merger::LastWriter);
        merged.try_for_each(|key| self.nothing_of_key_is_lost(vector, key))
    }

    fn nothing_of_key_is_lost(&self, vector: &VersionVector, key: &str) -> Result<(), String> {
        let all = || self.known(vector).filter(|(_, _, found)| found.key == key);
        let deletes = all().filter(|(_, _, found)| found.put.is_none());
        let deleted = deletes
            .map(|(log, seq, found)| order(log, seq, found))
            .max();
        let visible = self.visible(vector, key).map(|visible| visible.value);
        let canonical = visible.as_ref().and_then(|have| canonical(key, have));
        for (log, seq, operation) in all() {
            let Some(put) = &operation.put else { continue };
            if deleted.is_some_and(|deleted| deleted > order(log, seq, operation)) {
                continue;
            }
            for given in &put.given {
                let joined = visible.as_ref().and_then(|have| merge(key, have, given));
                // What is there already changes nothing but how the value is written.
                let after = joined.and_then(|joined| self::canonical(key, &joined));
                if after.is_none() || after != canonical {
                    return Err(format!(
                        "{key} has lost what operation {seq} of {log:?} added"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Joins what a key has with one value more.
pub(crate) fn join(key: &str, have: Option<Vec<u8>>, value: &[u8]) -> Vec<u8> {
    let Some(have) = have else {
        return value.to_vec();
    };
    match merge(key, &have, value) {
        Some(merged) => merged,
        None => value.to_vec(),
    }
}

fn merge(key: &str, a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let (a, b) = (core::str::from_utf8(a).ok()?, core::str::from_utf8(b).ok()?);
    match merger(key).merge(key, a, b) {
        Merged::Value(value) => Some(value.into_bytes()),
        Merged::ByOrder => None,
    }
}

/// A value as it is written anew: one that meets itself stays as it was, so it meets itself with a blank behind it.
fn canonical(key: &str, value: &[u8]) -> Option<Vec<u8>> {
    merge(key, value, &[value, b" "].concat())
}

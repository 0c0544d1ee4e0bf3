use std::collections::BTreeMap;

use thiserror::Error;

use super::commit::CommitId;
use super::identity::{DeviceId, Epoch, LogId};
use super::log::LogHead;
use crate::cbor::{self, ARRAY, Cursor, Malformed, UNSIGNED};

/// Most logs of one vector.
pub const LOGS_MAX: usize = 1024;
/// Longest encoding, in bytes: what that many logs at their longest come to.
pub const VECTOR_BYTES_MAX: usize = 3 + LOGS_MAX * 87;

/// Why bytes are no version vector, or a log has no place in one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VectorError {
    /// Longer than a vector may be.
    #[error("a version vector of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not the canonical bytes of a vector.
    #[error("no canonical version vector at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// More logs than a vector may have.
    #[error("a version vector of {found} logs, the most is {limit}")]
    TooManyLogs {
        /// How many there would be.
        found: u64,
        /// The cap.
        limit: usize,
    },
}

impl From<Malformed> for VectorError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

/// How far one log is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reached {
    /// The sequence number that comes next, above 1.
    pub next_seq: u64,
    /// The last commit.
    pub head: CommitId,
}

/// Operations of one log that one replica has and another lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Missing {
    /// The log.
    pub log: LogId,
    /// The first missing sequence number.
    pub from: u64,
    /// The sequence number after the last missing one.
    pub until: u64,
}

/// How far a replica knows each log, with the last commit of each, so that a fork shows when two replicas meet.
///
/// ```
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
/// use uxf_engine::oplog::{CommitId, HybridTime, LogHead, VersionVector};
///
/// let log = LogId { device: DeviceKey::take(&mut [7; 32]).id(), epoch: Epoch::from_u64(1) };
/// let mut ours = VersionVector::default();
/// ours.set(&LogHead {
///     next_seq: 5,
///     head: Some(CommitId::from_bytes([1; 32])),
///     ..LogHead::empty(log)
/// })
/// .unwrap();
/// let theirs = VersionVector::default();
/// let missing: Vec<_> = ours.missing_from(&theirs).collect();
/// assert_eq!((missing[0].from, missing[0].until), (1, 5));
/// assert_eq!(VersionVector::decode(&ours.encode()), Ok(ours));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector(BTreeMap<LogId, Reached>);

impl VersionVector {
    /// Sets how far a log is known. An empty log is left out.
    ///
    /// # Errors
    /// [`VectorError::TooManyLogs`]; nothing is changed then.
    pub fn set(&mut self, head: &LogHead) -> Result<(), VectorError> {
        let Some(id) = head.head else {
            self.0.remove(&head.log);
            return Ok(());
        };
        if self.0.len() >= LOGS_MAX && !self.0.contains_key(&head.log) {
            return Err(VectorError::TooManyLogs {
                found: self.0.len() as u64 + 1,
                limit: LOGS_MAX,
            });
        }
        let reached = Reached {
            next_seq: head.next_seq,
            head: id,
        };
        self.0.insert(head.log, reached);
        Ok(())
    }

    /// How far a log is known, `None` if not at all.
    pub fn get(&self, log: &LogId) -> Option<Reached> {
        self.0.get(log).copied()
    }

    /// All logs in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (LogId, Reached)> + '_ {
        self.0.iter().map(|(log, reached)| (*log, *reached))
    }

    /// What is known here and not there.
    pub fn missing_from<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Missing> + 'a {
        self.iter().filter_map(|(log, reached)| {
            let from = other.get(&log).map_or(1, |reached| reached.next_seq);
            (from < reached.next_seq).then_some(Missing {
                log,
                from,
                until: reached.next_seq,
            })
        })
    }

    /// Logs that reach equally far and end in different commits: their devices have written two histories.
    pub fn diverged<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = LogId> + 'a {
        self.iter().filter_map(|(log, ours)| {
            let theirs = other.get(&log)?;
            (ours.next_seq == theirs.next_seq && ours.head != theirs.head).then_some(log)
        })
    }

    /// The canonical bytes: an array of logs in ascending order.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(3 + self.0.len() * 87);
        cbor::head(&mut out, ARRAY, self.0.len() as u64);
        for (log, reached) in &self.0 {
            out.push(0x84);
            cbor::bytes(&mut out, log.device.as_bytes());
            cbor::head(&mut out, UNSIGNED, log.epoch.as_u64());
            cbor::head(&mut out, UNSIGNED, reached.next_seq);
            cbor::bytes(&mut out, reached.head.as_bytes());
        }
        out
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// All of [`VectorError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, VectorError> {
        if bytes.len() > VECTOR_BYTES_MAX {
            return Err(VectorError::TooLarge {
                found: bytes.len(),
                limit: VECTOR_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        let found = cursor.head(ARRAY, "an array of logs")?;
        if found > LOGS_MAX as u64 {
            return Err(VectorError::TooManyLogs {
                found,
                limit: LOGS_MAX,
            });
        }
        let mut logs = BTreeMap::new();
        for _ in 0..found {
            let out_of_order = cursor.malformed("a log after the one before");
            cursor.literal(b"\x84", "an array of four")?;
            let device = DeviceId::unchecked(cursor.array("32 bytes")?);
            let epoch = Epoch::from_u64(cursor.head(UNSIGNED, "an unsigned integer")?);
            let malformed = cursor.malformed("a sequence number above 1");
            let next_seq = cursor.head(UNSIGNED, malformed.expected)?;
            if next_seq < 2 {
                return Err(malformed.into());
            }
            let head = CommitId::from_bytes(cursor.array("32 bytes")?);
            let log = LogId { device, epoch };
            if logs.last_key_value().is_some_and(|(last, _)| *last >= log) {
                return Err(out_of_order.into());
            }
            logs.insert(log, Reached { next_seq, head });
        }
        cursor.end()?;
        Ok(Self(logs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(device: u8, epoch: u64, next_seq: u64, id: u8) -> LogHead {
        let log = LogId {
            device: DeviceId::unchecked([device; 32]),
            epoch: Epoch::from_u64(epoch),
        };
        LogHead {
            next_seq,
            head: Some(CommitId::from_bytes([id; 32])),
            ..LogHead::empty(log)
        }
    }

    fn vector(heads: &[LogHead]) -> VersionVector {
        let mut vector = VersionVector::default();
        for head in heads {
            vector.set(head).unwrap();
        }
        vector
    }

    #[test]
    fn what_is_missing_are_the_ranges_beyond_what_the_other_has() {
        let ours = vector(&[head(1, 1, 9, 1), head(1, 2, 4, 1), head(2, 1, 3, 1)]);
        let theirs = vector(&[head(1, 1, 5, 1), head(2, 1, 3, 2), head(3, 1, 7, 1)]);
        let ranges: Vec<_> = ours
            .missing_from(&theirs)
            .map(|missing| (missing.log.epoch.as_u64(), missing.from, missing.until))
            .collect();
        assert_eq!(ranges, [(1, 5, 9), (2, 1, 4)]);
        let forks: Vec<_> = ours.diverged(&theirs).collect();
        assert_eq!(forks, [head(2, 1, 3, 1).log]);
    }

    #[test]
    fn the_number_of_logs_is_bounded_in_memory_and_in_bytes() {
        let mut full = VersionVector::default();
        for epoch in 0..LOGS_MAX as u64 {
            full.set(&head(1, u64::MAX - epoch, u64::MAX, 1)).unwrap();
        }
        assert_eq!(full.encode().len(), VECTOR_BYTES_MAX);
        assert_eq!(VersionVector::decode(&full.encode()), Ok(full.clone()));
        assert!(matches!(
            full.set(&head(2, 1, 2, 1)),
            Err(VectorError::TooManyLogs { .. })
        ));
        full.set(&head(1, u64::MAX, 7, 1)).unwrap();
        assert!(matches!(
            VersionVector::decode(b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
            Err(VectorError::TooManyLogs { .. })
        ));
        assert!(matches!(
            VersionVector::decode(&vec![0; VECTOR_BYTES_MAX + 1]),
            Err(VectorError::TooLarge { .. })
        ));
    }

    #[test]
    fn logs_out_of_order_twice_or_empty_are_refused() {
        let one = vector(&[head(1, 1, 9, 1)]).encode()[1..].to_vec();
        let two = vector(&[head(2, 1, 9, 1)]).encode()[1..].to_vec();
        let empty = vector(&[head(1, 1, 1, 1)]).encode();
        for bad in [
            [&[0x82], &two[..], &one].concat(),
            [&[0x82], &one[..], &one].concat(),
            empty,
        ] {
            assert!(matches!(
                VersionVector::decode(&bad),
                Err(VectorError::Malformed { .. })
            ));
        }
        assert!(VersionVector::decode(&[&[0x82], &one[..], &two].concat()).is_ok());
    }

    proptest! {
        #[test]
        fn every_vector_comes_back_and_changed_bytes_read_as_themselves_or_not_at_all(
            heads in proptest::collection::vec((any::<u8>(), any::<u64>(), 2..u64::MAX, any::<u8>()), 0..6),
            at: prop::sample::Index, value: u8,
        ) {
            let heads: Vec<LogHead> =
                heads.into_iter().map(|(device, epoch, next, id)| head(device, epoch, next, id)).collect();
            let vector = vector(&heads);
            let mut bytes = vector.encode();
            prop_assert_eq!(VersionVector::decode(&bytes), Ok(vector));
            for end in 0..bytes.len() {
                prop_assert!(VersionVector::decode(&bytes[..end]).is_err());
            }
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(read) = VersionVector::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}

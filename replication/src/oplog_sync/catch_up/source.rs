use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use uxf_engine::Error as EngineError;
use uxf_engine::oplog::{ItemSum, OperationId};
use uxf_engine::profile::sealed::ProfileId;
use uxf_engine::profile::{EntryItem, LiveItem, LogEntries};

use crate::reconcile::{LiveOperation, Proven, RangeSource, SourceError, bound_between};
use crate::wire::Bound;

/// Digits of the key that an entry has where ranges are named.
const DIGITS: u32 = 16;

/// Entries of one log as a source of ranges: the key of each is its sequence number in 16 hexadecimal digits.
pub(super) struct EntryRanges<'a> {
    profile: &'a ProfileId,
    entries: &'a LogEntries,
    /// Whether what the other side lacks is sent; if not, it is noted.
    gives: bool,
    lacked: Mutex<BTreeSet<u64>>,
}

impl<'a> EntryRanges<'a> {
    /// The entries of a checkpoint, to be given.
    pub(super) const fn giving(profile: &'a ProfileId, entries: &'a LogEntries) -> Self {
        Self::new(profile, entries, true)
    }

    /// What is here of a log, some of which a checkpoint does not have.
    pub(super) const fn noting(profile: &'a ProfileId, entries: &'a LogEntries) -> Self {
        Self::new(profile, entries, false)
    }

    const fn new(profile: &'a ProfileId, entries: &'a LogEntries, gives: bool) -> Self {
        Self {
            profile,
            entries,
            gives,
            lacked: Mutex::new(BTreeSet::new()),
        }
    }

    /// What the other side lacks, as far as it was found out.
    pub(super) fn into_lacked(self) -> BTreeSet<u64> {
        let lacked = self.lacked.into_inner();
        lacked.unwrap_or_else(PoisonError::into_inner)
    }

    fn item(&self, item: &EntryItem) -> LiveItem {
        LiveItem {
            key: key_of(item.seq),
            operation: OperationId::new(&self.entries.log(), item.seq),
            hash: item.hash,
        }
    }
}

/// The key of an entry, of which the order is that of the numbers.
fn key_of(seq: u64) -> String {
    format!("{seq:016x}")
}

/// The sequence number of an item.
fn seq_of(item: &LiveItem) -> u64 {
    u64::from_str_radix(&item.key, DIGITS).unwrap_or_default()
}

/// The least sequence number whose entry is not before a bound; the greatest one, which no entry has, for the end.
fn place(bound: &Bound) -> u64 {
    let key = match bound {
        Bound::End => return u64::MAX,
        Bound::Before { key, .. } => key,
    };
    let mut least: u128 = 0;
    for at in 0..DIGITS {
        // Of the numbers that begin as this one, one sixteenth have each digit here.
        let Some(byte) = usize::try_from(at).ok().and_then(|at| key.get(at)) else {
            break;
        };
        let digits = b"0123456789abcdef";
        let less = digits.iter().filter(|digit| *digit < byte).count() as u128;
        least += less << (4 * (DIGITS - 1 - at));
        if !digits.contains(byte) {
            return u64::try_from(least).unwrap_or(u64::MAX);
        }
    }
    // A longer key is behind the number that it begins with.
    least += u128::from(key.len() > 16);
    u64::try_from(least).unwrap_or(u64::MAX)
}

fn failed(error: EngineError) -> SourceError {
    SourceError::Store(Box::new(error))
}

impl RangeSource for EntryRanges<'_> {
    fn profile(&self) -> &ProfileId {
        self.profile
    }

    fn sum(&self, from: &Bound, to: &Bound) -> Result<ItemSum, SourceError> {
        self.entries.sum(place(from)..place(to)).map_err(failed)
    }

    fn split(&self, from: &Bound, to: &Bound, parts: u64) -> Result<Vec<Bound>, SourceError> {
        let cuts = self.entries.split(place(from)..place(to), parts);
        let cuts = cuts.map_err(failed)?.into_iter();
        let item = |seq| LiveItem {
            key: key_of(seq),
            operation: OperationId::new(&self.entries.log(), seq),
            hash: uxf_engine::oplog::ItemHash([0; 32]),
        };
        Ok(cuts
            .map(|(before, behind)| bound_between(&item(before), &item(behind)))
            .collect())
    }

    fn items(&self, from: &Bound, to: &Bound, most: usize) -> Result<Vec<LiveItem>, SourceError> {
        let items = self.entries.items(place(from)..place(to), most);
        let items = items.map_err(failed)?;
        Ok(items.iter().map(|item| self.item(item)).collect())
    }

    fn prove(&self, items: &[&LiveItem]) -> Result<Vec<Option<Proven>>, SourceError> {
        let wanted: BTreeSet<u64> = items.iter().map(|item| seq_of(item)).collect();
        if !self.gives {
            let mut lacked = self.lacked.lock().unwrap_or_else(PoisonError::into_inner);
            lacked.extend(wanted);
            return Ok(vec![None; items.len()]);
        }
        let sent = self.entries.entries(&wanted, usize::MAX).map_err(failed)?;
        let proven = sent.into_iter().map(|one| {
            Some(Proven {
                proof: one.bytes,
                value: one.block,
            })
        });
        Ok(proven.collect())
    }

    fn proven_at_once(&self) -> usize {
        // Each may have a block of 1 MiB, and a segment is read quickly.
        32
    }

    fn apply(&self, _: Vec<LiveOperation>, _: Vec<Vec<u8>>) -> Result<usize, SourceError> {
        // Entries are taken in together, once all are there.
        Err(SourceError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(key: &[u8]) -> Bound {
        let (key, operation) = (key.to_vec(), Vec::new());
        Bound::Before { key, operation }
    }

    #[test]
    fn a_bound_is_placed_between_numbers_whatever_its_bytes_are() {
        assert_eq!(place(&Bound::START), 0);
        assert_eq!(place(&Bound::End), u64::MAX);
        assert_eq!(place(&bound(b"1")), 1 << 60);
        assert_eq!(place(&bound(b"1z")), 2 << 60);
        assert_eq!(place(&bound(b"g")), u64::MAX);
        assert_eq!(place(&bound(b"\xff")), u64::MAX);
        assert_eq!(place(&bound(&[0])), 0);
    }

    proptest! {
        #[test]
        fn a_number_is_before_a_bound_exactly_if_its_key_is(
            seq in prop_oneof![any::<u64>(), 0_u64..300],
            near in prop_oneof![any::<u64>(), 0_u64..300],
            len in 0_usize..=16,
            tail in proptest::collection::vec(any::<u8>(), 0..3),
        ) {
            let key = [&key_of(near).as_bytes()[..len], &tail].concat();
            let bound = bound(&key);
            prop_assume!(seq < u64::MAX);
            prop_assert_eq!(seq < place(&bound), key_of(seq).as_bytes() < key.as_slice());
        }
    }
}

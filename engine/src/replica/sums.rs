//! Sums of the operations that count, over runs of keys: what replicas compare instead of the operations.
//!
//! A run of level 1 begins with every key whose level is at least 1, one of level 2 with every key whose level is at
//! least 2, and so on; the first of each level begins before all keys. The level of a key is drawn by a hash that only
//! this store knows, so that nobody can write keys that all fall into one run. So a run has 256 keys on average, or 16
//! runs of the level below; where it begins depends on the keys that there are and not on how they came; and as no key
//! ever goes, runs are only ever cut.

use redb::{ReadableTable, Table};
use siphasher::sip::SipHasher13;

use crate::error::{During as _, Error};
use crate::oplog::ItemSum;
use crate::tables::profile_rows::key_row_sum;
use crate::tables::schema::{sum_key, value_key_prefix};

type Bytes = &'static [u8];

/// Bits of the hash that are zero for a run of level 1 to begin, and further ones for each level above.
const KEYS_BITS: u32 = 8;
const RUNS_BITS: u32 = 4;

/// Draws the levels of keys.
#[derive(Clone, Copy)]
pub(crate) struct Levels(SipHasher13);

impl Levels {
    /// Those of a store with this secret.
    pub(crate) fn new(index_key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(index_key))
    }

    /// The level of a key of a profile.
    fn of(&self, profile: u32, key: &[u8]) -> u8 {
        let hash = self.0.hash(&[&profile.to_be_bytes(), key].concat());
        let zeros = hash.trailing_zeros();
        let above = zeros
            .checked_sub(KEYS_BITS)
            .map(|zeros| 1 + zeros / RUNS_BITS);
        above
            .and_then(|level| u8::try_from(level).ok())
            .unwrap_or(0)
    }
}

impl core::fmt::Debug for Levels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Levels(secret)")
    }
}

/// What became of the sum of one key.
#[derive(Clone, Debug)]
pub(crate) struct SumChange {
    profile: u32,
    key: Box<[u8]>,
    /// What came less what went.
    difference: ItemSum,
    /// Level of a key that was not there; 0 otherwise.
    level: u8,
}

impl SumChange {
    /// That of a key as it is stored, whose operations had one sum and have another.
    pub(crate) fn new(
        levels: &Levels,
        stored: &[u8],
        old: &ItemSum,
        new: &ItemSum,
    ) -> Option<Self> {
        let (profile, key) = stored.split_first_chunk::<4>()?;
        let profile = u32::from_be_bytes(*profile);
        let is_new = old.count() == 0;
        (old != new).then(|| Self {
            profile,
            key: key.into(),
            difference: new.minus(old),
            level: if is_new { levels.of(profile, key) } else { 0 },
        })
    }
}

/// A run: where it begins and where the next one does, and its sum if it is in the table.
#[derive(Debug)]
struct Run {
    first: Vec<u8>,
    next: Option<Vec<u8>>,
    sum: Option<ItemSum>,
}

/// Takes changes into account, which ascend by profile and key and are in the table of keys already.
pub(crate) fn update_sums(
    sums: &mut Table<'_, Bytes, Bytes>,
    keys: &impl ReadableTable<Bytes, Bytes>,
    changes: &[SumChange],
) -> Result<(), Error> {
    for changes in changes.chunk_by(|a, b| a.profile == b.profile) {
        let Some(profile) = changes.first().map(|change| change.profile) else {
            continue;
        };
        let drawn = changes.iter().map(|change| change.level).max();
        let top = top_level(sums, profile)?.max(drawn.unwrap_or(0)).max(1);
        for level in 1..=top {
            update_level(sums, keys, (profile, level), changes)?;
        }
    }
    Ok(())
}

fn update_level(
    sums: &mut Table<'_, Bytes, Bytes>,
    keys: &impl ReadableTable<Bytes, Bytes>,
    (profile, level): (u32, u8),
    changes: &[SumChange],
) -> Result<(), Error> {
    let mut rest = changes;
    while let Some(first) = rest.first() {
        let run = run_of(sums, profile, level, &first.key)?;
        let inside = run.next.as_ref().map_or(rest.len(), |next| {
            rest.partition_point(|change| *change.key < **next)
        });
        let (inside, behind) = rest.split_at(inside);
        rest = behind;
        let cuts = || inside.iter().filter(|change| change.level >= level);
        match run.sum {
            Some(sum) if cuts().next().is_none() => {
                let all = inside.iter().map(|change| &change.difference);
                let sum = all.fold(sum, |sum, difference| sum.plus(difference));
                put(sums, profile, level, &run.first, &sum)?;
            }
            // No key has been drawn that high.
            None if level > 1 && cuts().next().is_none() => {}
            _ => {
                let mut first = run.first.as_slice();
                let ends = cuts().map(|change| Some(&*change.key));
                for end in ends.chain([run.next.as_deref()]) {
                    let sum = sum_below(sums, keys, (profile, level), first, end)?;
                    put(sums, profile, level, first, &sum)?;
                    first = end.unwrap_or_default();
                }
            }
        }
    }
    Ok(())
}

fn put(
    sums: &mut Table<'_, Bytes, Bytes>,
    profile: u32,
    level: u8,
    first: &[u8],
    sum: &ItemSum,
) -> Result<(), Error> {
    let key = sum_key(profile, level, first);
    let row = sum.encode();
    let done = sums.insert(key.as_slice(), row.as_slice());
    done.during("writing a sum").map(drop)
}

/// The run of a level that has a key.
fn run_of(
    sums: &impl ReadableTable<Bytes, Bytes>,
    profile: u32,
    level: u8,
    key: &[u8],
) -> Result<Run, Error> {
    let (from, at) = (sum_key(profile, level, &[]), sum_key(profile, level, key));
    let before = sums.range::<&[u8]>(&from[..]..=&at[..]);
    let (first, sum) = match before.during("reading sums")?.next_back() {
        None => (Vec::new(), None),
        Some(row) => {
            let (found, row) = row.during("reading sums")?;
            (
                first_of(found.value()).to_vec(),
                Some(decode(found.value(), row.value())?),
            )
        }
    };
    let behind = (
        core::ops::Bound::Excluded(&at[..]),
        core::ops::Bound::Unbounded,
    );
    let next = match sums.range::<&[u8]>(behind).during("reading sums")?.next() {
        None => None,
        Some(row) => {
            let (found, _) = row.during("reading sums")?;
            let next = found.value().strip_prefix(from.as_slice());
            next.map(<[u8]>::to_vec)
        }
    };
    Ok(Run { first, next, sum })
}

/// The key that a run begins with.
fn first_of(key: &[u8]) -> &[u8] {
    key.get(5..).unwrap_or_default()
}

fn decode(key: &[u8], row: &[u8]) -> Result<ItemSum, Error> {
    ItemSum::decode(row).ok_or_else(|| {
        Error::corrupted("sums-1", const_hex::encode(key), "a row of a wrong length")
    })
}

/// The highest level of a profile; 0 if it has no sums.
fn top_level(sums: &impl ReadableTable<Bytes, Bytes>, profile: u32) -> Result<u8, Error> {
    let (from, to) = (sum_key(profile, 0, &[]), sum_key(profile, u8::MAX, &[]));
    let rows = sums.range::<&[u8]>(&from[..]..&to[..]);
    let Some(row) = rows.during("reading sums")?.next_back() else {
        return Ok(0);
    };
    let (key, _) = row.during("reading sums")?;
    Ok(key.value().get(4).copied().unwrap_or(0))
}

/// The sum of a part of a level out of what is below it: runs, or keys.
fn sum_below(
    sums: &impl ReadableTable<Bytes, Bytes>,
    keys: &impl ReadableTable<Bytes, Bytes>,
    (profile, level): (u32, u8),
    from: &[u8],
    until: Option<&[u8]>,
) -> Result<ItemSum, Error> {
    if level <= 1 {
        return sum_of_keys(keys, profile, from, until);
    }
    let mut sum = ItemSum::default();
    each_run(sums, (profile, level - 1), from, until, |_, run| {
        sum = sum.plus(&run);
        Ok(true)
    })?;
    Ok(sum)
}

fn sum_of_keys(
    keys: &impl ReadableTable<Bytes, Bytes>,
    profile: u32,
    from: &[u8],
    until: Option<&[u8]>,
) -> Result<ItemSum, Error> {
    let prefix = value_key_prefix(profile);
    let from = [&prefix[..], from].concat();
    let until = until.map(|until| [&prefix[..], until].concat());
    let mut sum = ItemSum::default();
    for row in keys.range::<&[u8]>(&from[..]..).during("reading keys")? {
        let (key, row) = row.during("reading keys")?;
        let key = key.value();
        if !key.starts_with(&prefix) || until.as_ref().is_some_and(|until| key >= until.as_slice())
        {
            break;
        }
        sum = sum.plus(&key_row_sum(key, row.value())?);
    }
    Ok(sum)
}

/// Goes through the runs of a level that begin in a range of keys, until `visit` says that it is enough.
fn each_run(
    sums: &impl ReadableTable<Bytes, Bytes>,
    (profile, level): (u32, u8),
    from: &[u8],
    until: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], ItemSum) -> Result<bool, Error>,
) -> Result<(), Error> {
    let prefix = sum_key(profile, level, &[]);
    let from = sum_key(profile, level, from);
    for row in sums.range::<&[u8]>(&from[..]..).during("reading sums")? {
        let (key, row) = row.during("reading sums")?;
        let Some(first) = key.value().strip_prefix(prefix.as_slice()) else {
            break;
        };
        let is_behind = until.is_some_and(|until| first >= until);
        if is_behind || !visit(first, decode(key.value(), row.value())?)? {
            break;
        }
    }
    Ok(())
}

/// The sum of what the tables have of the keys of a profile before one, or of all. Reads about 16 rows of each level and
/// half of a run of keys.
pub(crate) fn sum_before(
    sums: &impl ReadableTable<Bytes, Bytes>,
    keys: &impl ReadableTable<Bytes, Bytes>,
    profile: u32,
    until: Option<&[u8]>,
) -> Result<ItemSum, Error> {
    let mut total = ItemSum::default();
    let mut first = Vec::new();
    for level in (1..=top_level(sums, profile)?).rev() {
        // Of the last run that begins before the bound only a part counts, which the levels below tell.
        let mut last: Option<ItemSum> = None;
        let from = first.clone();
        each_run(sums, (profile, level), &from, until, |begins, sum| {
            if let Some(whole) = last.replace(sum) {
                total = total.plus(&whole);
            }
            first.clear();
            first.extend_from_slice(begins);
            Ok(true)
        })?;
        if let (None, Some(last)) = (until, last) {
            return Ok(total.plus(&last));
        }
    }
    Ok(total.plus(&sum_of_keys(keys, profile, &first, until)?))
}

/// Some keys, and how many operations there are before them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RankedRun {
    pub(crate) first: Vec<u8>,
    pub(crate) next: Option<Vec<u8>>,
    pub(crate) before: u64,
}

impl RankedRun {
    /// Whether a run begins after these keys, at `next`, and these are not it: it is `count` operations long.
    fn pass(&mut self, count: u64, next: &[u8]) {
        self.before = self.before.wrapping_add(count);
        self.first.clear();
        self.first.extend_from_slice(next);
    }
}

/// The run of level 1 that has the operation before which there are `rank`, if there are so many. `more` says how many more
/// operations there are of some keys than the tables have, modulo 2^64.
pub(crate) fn run_at_rank(
    sums: &impl ReadableTable<Bytes, Bytes>,
    profile: u32,
    rank: u64,
    more: impl Fn(&[u8], Option<&[u8]>) -> u64,
) -> Result<RankedRun, Error> {
    let mut found = RankedRun::default();
    for level in (1..=top_level(sums, profile)?).rev() {
        let (from, until) = (found.first.clone(), found.next.take());
        let mut last: Option<ItemSum> = None;
        each_run(
            sums,
            (profile, level),
            &from,
            until.as_deref(),
            |first, sum| {
                if let Some(whole) = last.replace(sum) {
                    let count = whole.count().wrapping_add(more(&found.first, Some(first)));
                    if found.before.wrapping_add(count) > rank {
                        found.next = Some(first.to_vec());
                        return Ok(false);
                    }
                    found.pass(count, first);
                }
                Ok(true)
            },
        )?;
        found.next = found.next.take().or(until);
    }
    Ok(found)
}

/// Goes through the runs that the keys of a profile make, told by level and first key.
pub(crate) fn compute_sums(
    keys: &impl ReadableTable<Bytes, Bytes>,
    levels: &Levels,
    profile: u32,
    mut emit: impl FnMut(u8, &[u8], &ItemSum) -> Result<(), Error>,
) -> Result<(), Error> {
    let prefix = value_key_prefix(profile);
    let mut total = ItemSum::default();
    // The run of each level that is not at its end.
    let mut open = vec![(Vec::new(), ItemSum::default())];
    for row in keys.range::<&[u8]>(&prefix[..]..).during("reading keys")? {
        let (stored, row) = row.during("reading keys")?;
        let Some(key) = stored.value().strip_prefix(&prefix) else {
            break;
        };
        let sum = key_row_sum(stored.value(), row.value())?;
        let drawn = usize::from(levels.of(profile, key));
        while open.len() < drawn {
            open.push((Vec::new(), total));
        }
        for (level, run) in (1..).zip(open.iter_mut().take(drawn)) {
            emit(level, &run.0, &run.1)?;
            *run = (key.to_vec(), ItemSum::default());
        }
        for (_, run) in &mut open {
            *run = run.plus(&sum);
        }
        total = total.plus(&sum);
    }
    if total.count() > 0 {
        for (level, (first, sum)) in (1..).zip(&open) {
            emit(level, first, sum)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redb::{ReadableDatabase as _, ReadableTableMetadata as _};
    use uxf_testkit::Rng;

    use super::*;
    use crate::oplog::identity::{DeviceId, Epoch, LogId};
    use crate::oplog::{HybridTime, ItemHash, OpKind, Stamp};
    use crate::profile::envelope::EntryKind;
    use crate::profile::fold::{Counted, Folding, KeyState, ValuePlace};
    use crate::tables::profile_rows::encode_key;
    use crate::tables::schema::{KEYS, SUMS, value_key};

    fn state(seq: u64) -> KeyState {
        let stamp = Stamp {
            time: HybridTime::from_u64(seq),
            is_delete: false,
            log: LogId {
                device: DeviceId::unchecked([1; 32]),
                epoch: Epoch::from_u64(1),
            },
            seq,
        };
        let mut state = KeyState::default();
        let (block, start, len) = (seq, 0, 0);
        let counted = Counted {
            stamp,
            kind: OpKind::Put,
            entry: EntryKind::CacheIndex,
            place: ValuePlace { block, start, len },
            hash: ItemHash(*blake3::hash(&seq.to_be_bytes()).as_bytes()),
        };
        assert!(state.apply(counted, Folding::LastWriter));
        state
    }

    /// Writes a batch as a checkpoint does, into the tables and into the model.
    fn write(
        db: &redb::Database,
        levels: &Levels,
        model: &mut BTreeMap<(u32, String), ItemSum>,
        batch: &BTreeMap<(u32, String), u64>,
    ) {
        let txn = db.begin_write().unwrap();
        let mut row = Vec::new();
        let mut changes = Vec::new();
        {
            let mut keys = txn.open_table(KEYS).unwrap();
            let mut sums = txn.open_table(SUMS).unwrap();
            for ((profile, key), seq) in batch {
                let state = state(*seq);
                encode_key(&state, &mut row, |_| Some(0)).unwrap();
                let stored = value_key(*profile, key);
                keys.insert(stored.as_slice(), row.as_slice()).unwrap();
                let at = (*profile, key.clone());
                let old = model.insert(at, state.sum()).unwrap_or_default();
                changes.extend(SumChange::new(levels, &stored, &old, &state.sum()));
            }
            update_sums(&mut sums, &keys, &changes).unwrap();
        }
        txn.commit().unwrap();
    }

    /// Whether the table has what the keys make, no more and no less.
    fn is_sound(db: &redb::Database, levels: &Levels) -> u64 {
        let txn = db.begin_read().unwrap();
        let keys = txn.open_table(KEYS).unwrap();
        let sums = txn.open_table(SUMS).unwrap();
        let mut runs = 0;
        for profile in [3, 4] {
            compute_sums(&keys, levels, profile, |level, first, sum| {
                let key = sum_key(profile, level, first);
                let row = sums.get(key.as_slice()).unwrap();
                let row = row.expect("a run that the keys make");
                assert_eq!(row.value(), sum.encode(), "level {level} at {first:?}");
                runs += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(sums.len().unwrap(), runs);
        runs
    }

    #[test]
    fn batches_in_any_order_leave_the_sums_that_the_keys_make_and_any_beginning_adds_up() {
        let db = redb::Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .unwrap();
        let levels = Levels::new(&[9; 16]);
        let (mut rng, mut model) = (Rng::new(5), BTreeMap::new());
        let mut seq = 0;
        for round in 0..12_u32 {
            let mut batch = BTreeMap::new();
            for number in 0..1_500 {
                seq += 1;
                // Some come in order, some anywhere, and some again.
                let key = match round % 3 {
                    0 => format!("a.{:08}", round * 1_500 + number),
                    _ => format!("{:04x}", rng.index(1 << 16)),
                };
                batch.insert((3 + u32::from(rng.index(8) == 0), key), seq);
            }
            write(&db, &levels, &mut model, &batch);
            is_sound(&db, &levels);
        }
        assert!(is_sound(&db, &levels) > 60);
        let txn = db.begin_read().unwrap();
        let keys = txn.open_table(KEYS).unwrap();
        let sums = txn.open_table(SUMS).unwrap();
        assert!(top_level(&sums, 3).unwrap() > 1);
        let all: Vec<(&String, &ItemSum)> = model
            .iter()
            .filter(|((profile, _), _)| *profile == 3)
            .map(|((_, key), sum)| (key, sum))
            .collect();
        let mut before = ItemSum::default();
        for (rank, (key, sum)) in (0..).zip(&all) {
            if rank % 97 == 0 {
                let found = sum_before(&sums, &keys, 3, Some(key.as_bytes())).unwrap();
                assert_eq!(found, before, "{key}");
                let run = run_at_rank(&sums, 3, rank, |_, _| 0).unwrap();
                assert!(run.first.as_slice() <= key.as_bytes());
                assert!(run.next.is_none_or(|next| key.as_bytes() < next.as_slice()));
                let first = sum_before(&sums, &keys, 3, Some(&run.first)).unwrap();
                assert_eq!(run.before, first.count());
            }
            before = before.plus(sum);
        }
        assert_eq!(sum_before(&sums, &keys, 3, None).unwrap(), before);
        assert_eq!(
            sum_before(&sums, &keys, 9, None).unwrap(),
            ItemSum::default()
        );
    }

    #[test]
    fn levels_are_drawn_as_seldom_as_they_should_and_nobody_can_tell_them_beforehand() {
        let (one, other) = (Levels::new(&[1; 16]), Levels::new(&[2; 16]));
        let keys: Vec<String> = (0..40_960).map(|key| format!("app.{key}")).collect();
        let drawn = |levels: &Levels, least: u8| {
            let all = keys.iter().map(|key| levels.of(1, key.as_bytes()));
            all.filter(|level| *level >= least).count()
        };
        assert!((110..210).contains(&drawn(&one, 1)));
        assert!((1..30).contains(&drawn(&one, 2)));
        let same = keys.iter().filter(|key| {
            let (one, other) = (one.of(1, key.as_bytes()), other.of(1, key.as_bytes()));
            one > 0 && one == other
        });
        assert!(same.count() < 10);
        assert_eq!(format!("{one:?}"), "Levels(secret)");
    }
}

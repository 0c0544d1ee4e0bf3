//! Rows of the tables of profiles. All numbers are varints unless they say otherwise.

use super::varint;
use crate::error::Error;
use crate::oplog::identity::{DeviceId, Epoch, LogId};
use crate::oplog::{CommitId, HybridTime, ItemHash, ItemSum, LogHead, OpKind, Stamp};
use crate::profile::envelope::EntryKind;
use crate::profile::fold::{Counted, KeyState, ValuePlace};
use crate::profile::sealed::ProfileId;

/// Most operations in a key row: a profile has at most as many logs, and one delete counts.
const COUNTED_MAX: u64 = crate::oplog::LOGS_MAX as u64 + 1;

/// A row of `profiles-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProfileRow {
    pub(crate) id: ProfileId,
    /// The device this store writes as.
    pub(crate) device: DeviceId,
    /// The epoch it writes in.
    pub(crate) epoch: Epoch,
    /// Device and inode number of the file the epoch belongs to; another file is a copy and gets an epoch of its own.
    pub(crate) file: (u64, u64),
    /// Seals before the last checkpoint.
    pub(crate) seals: u64,
    /// The device's key, sealed under the profile's.
    pub(crate) sealed_key: Vec<u8>,
}

impl ProfileRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.device.as_bytes());
        for number in [self.epoch.as_u64(), self.file.0, self.file.1, self.seals] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.sealed_key);
        out
    }

    pub(crate) fn decode(number: u32, row: &[u8]) -> Result<Self, Error> {
        let read = || {
            let (id, rest) = row.split_first_chunk::<33>()?;
            let (device, rest) = rest.split_first_chunk::<32>()?;
            let (numbers, sealed_key) = rest.split_first_chunk::<32>()?;
            let (numbers, _) = numbers.as_chunks::<8>();
            let number = |at: usize| numbers.get(at).map(|bytes| u64::from_be_bytes(*bytes));
            Some(Self {
                id: ProfileId::from_bytes(*id),
                device: DeviceId::unchecked(*device),
                epoch: Epoch::from_u64(number(0)?),
                file: (number(1)?, number(2)?),
                seals: number(3)?,
                sealed_key: sealed_key.to_vec(),
            })
        };
        read().ok_or_else(|| Error::corrupted("profiles-1", number, "a row that is too short"))
    }
}

/// A row of `logs-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogRow {
    /// Number of its profile.
    pub(crate) profile: u32,
    /// Whether it is forked is in `statements-1` and not here.
    pub(crate) head: LogHead,
}

impl LogRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let LogHead {
            log,
            next_seq,
            head,
            time,
            ..
        } = &self.head;
        let mut out = Vec::with_capacity(100);
        out.extend_from_slice(&self.profile.to_be_bytes());
        out.extend_from_slice(log.device.as_bytes());
        for number in [log.epoch.as_u64(), *next_seq, time.as_u64()] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        if let Some(head) = head {
            out.extend_from_slice(head.as_bytes());
        }
        out
    }

    pub(crate) fn decode(number: u32, row: &[u8]) -> Result<Self, Error> {
        let read = || {
            let (profile, rest) = row.split_first_chunk::<4>()?;
            let (device, rest) = rest.split_first_chunk::<32>()?;
            let (numbers, head) = rest.split_first_chunk::<24>()?;
            let (numbers, _) = numbers.as_chunks::<8>();
            let number = |at: usize| numbers.get(at).map(|bytes| u64::from_be_bytes(*bytes));
            let head = match head {
                [] => None,
                head => Some(CommitId::from_bytes(head.try_into().ok()?)),
            };
            let log = LogId {
                device: DeviceId::unchecked(*device),
                epoch: Epoch::from_u64(number(0)?),
            };
            Some(Self {
                profile: u32::from_be_bytes(*profile),
                head: LogHead {
                    next_seq: number(1)?,
                    head,
                    time: HybridTime::from_u64(number(2)?),
                    ..LogHead::empty(log)
                },
            })
        };
        read().ok_or_else(|| Error::corrupted("logs-1", number, "a row of a wrong length"))
    }
}

/// A row of `commits-1`, and what is known of a commit that is in no row yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitRow {
    /// Sequence number of its block.
    pub(crate) block: u64,
    /// Its last operation.
    pub(crate) last_seq: u64,
    pub(crate) id: CommitId,
}

impl CommitRow {
    pub(crate) fn encode(&self) -> [u8; 48] {
        let mut out = [0; 48];
        let (numbers, id) = out.split_at_mut(16);
        let (block, last_seq) = numbers.split_at_mut(8);
        block.copy_from_slice(&self.block.to_be_bytes());
        last_seq.copy_from_slice(&self.last_seq.to_be_bytes());
        id.copy_from_slice(self.id.as_bytes());
        out
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, Error> {
        let read = || {
            let (block, rest) = row.split_first_chunk::<8>()?;
            let (last_seq, id) = rest.split_first_chunk::<8>()?;
            Some(Self {
                block: u64::from_be_bytes(*block),
                last_seq: u64::from_be_bytes(*last_seq),
                id: CommitId::from_bytes(id.try_into().ok()?),
            })
        };
        read().ok_or_else(|| Error::corrupted("commits-1", "a commit", "a row of a wrong length"))
    }
}

/// A row of `checkpoints-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointRow {
    /// The last sequence number the checkpoint covers.
    pub(crate) until: u64,
    /// Blocks of its segments, in order, and behind them those of older checkpoints that still hold an operation that
    /// counts.
    pub(crate) segments: Vec<u64>,
    /// How many of them are its own.
    pub(crate) current: usize,
    /// The signed checkpoint.
    pub(crate) signed: Vec<u8>,
}

/// Most segments of a row: more than any checkpoint can have entries for in 64 KiB each.
const SEGMENTS_MAX: u64 = 1 << 32;

impl CheckpointRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.segments.len() * 5 + self.signed.len());
        varint::write(&mut out, self.until);
        varint::write(&mut out, self.current as u64);
        varint::write(&mut out, self.segments.len() as u64);
        for segment in &self.segments {
            varint::write(&mut out, *segment);
        }
        out.extend_from_slice(&self.signed);
        out
    }

    pub(crate) fn decode(log: u32, mut row: &[u8]) -> Result<Self, Error> {
        let mut read = || {
            let until = varint::read(&mut row)?;
            let current = varint::read(&mut row)?;
            let count = varint::read(&mut row)?;
            // Each takes a byte at least, so a number that lies costs nothing.
            if current > count || count > SEGMENTS_MAX.min(row.len() as u64) {
                return None;
            }
            let mut segments = Vec::with_capacity(usize::try_from(count).ok()?);
            for _ in 0..count {
                segments.push(varint::read(&mut row)?);
            }
            Some(Self {
                until,
                segments,
                current: usize::try_from(current).ok()?,
                signed: row.to_vec(),
            })
        };
        read().ok_or_else(|| Error::corrupted("checkpoints-1", log, "a row that cannot be read"))
    }

    /// The segments that the checkpoint was signed for.
    pub(crate) fn own_segments(&self) -> &[u64] {
        self.segments.get(..self.current).unwrap_or_default()
    }
}

/// A row of `alone-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AloneRow<'a> {
    /// Sequence number of its block.
    pub(crate) block: u64,
    /// When it was written: the own log goes on later than that.
    pub(crate) time: HybridTime,
    /// The key it writes, as it is stored.
    pub(crate) key: &'a [u8],
}

impl<'a> AloneRow<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.key.len());
        out.extend_from_slice(&self.block.to_be_bytes());
        out.extend_from_slice(&self.time.as_u64().to_be_bytes());
        out.extend_from_slice(self.key);
        out
    }

    pub(crate) fn decode(key: &[u8], row: &'a [u8]) -> Result<Self, Error> {
        let read = || {
            let (block, rest) = row.split_first_chunk::<8>()?;
            let (time, key) = rest.split_first_chunk::<8>()?;
            Some(Self {
                block: u64::from_be_bytes(*block),
                time: HybridTime::from_u64(u64::from_be_bytes(*time)),
                key,
            })
        };
        let damaged = || {
            let key = const_hex::encode(key);
            Error::corrupted("alone-1", key, "a row that is too short")
        };
        read().ok_or_else(damaged)
    }
}

/// Writes a row of `keys-2`: twice the number of puts, plus one if a delete counts; then the delete and the puts, each
/// as time (8 bytes, big-endian), number of the log, sequence number, kinds (kind of operation in the upper four bits,
/// kind of entry in the lower), block, start and length of the value, hash of the operation (32 bytes).
pub(crate) fn encode_key(
    state: &KeyState,
    out: &mut Vec<u8>,
    number_of: impl FnMut(LogId) -> Option<u32>,
) -> Result<(), Error> {
    encode_row(state, out, number_of, |out, counted| {
        out.extend_from_slice(&counted.hash.0);
    })
}

/// Writes a row of `keys-1`.
#[cfg(test)]
pub(crate) fn encode_key_1(
    state: &KeyState,
    out: &mut Vec<u8>,
    number_of: impl FnMut(LogId) -> Option<u32>,
) -> Result<(), Error> {
    encode_row(state, out, number_of, |_, _| {})
}

fn encode_row(
    state: &KeyState,
    out: &mut Vec<u8>,
    mut number_of: impl FnMut(LogId) -> Option<u32>,
    end: impl Fn(&mut Vec<u8>, &Counted),
) -> Result<(), Error> {
    out.clear();
    let head = (state.puts().len() as u64) << 1 | u64::from(state.deleted().is_some());
    varint::write(out, head);
    for counted in state.iter() {
        let log = number_of(counted.stamp.log);
        let log = log.ok_or_else(|| {
            Error::corrupted("keys-2", "memory", "INV-KEY-1: an operation of no log")
        })?;
        out.extend_from_slice(&counted.stamp.time.as_u64().to_be_bytes());
        varint::write(out, u64::from(log));
        varint::write(out, counted.stamp.seq);
        out.push((counted.kind as u8) << 4 | counted.entry as u8);
        varint::write(out, counted.place.block);
        varint::write(out, u64::from(counted.place.start));
        varint::write(out, u64::from(counted.place.len));
        end(out, counted);
    }
    Ok(())
}

/// Reads a row of `keys-2`.
pub(crate) fn decode_key(
    key: &[u8],
    row: &[u8],
    log_of: impl Fn(u32) -> Option<LogId>,
) -> Result<KeyState, Error> {
    decode_row("keys-2", key, row, |row| {
        let counted = read_counted(row, &log_of)?;
        let hash = take_hash(row)?;
        Some(Counted { hash, ..counted })
    })
}

/// Reads a row of `keys-1`, which had no hashes; they are zero.
pub(crate) fn decode_key_1(
    key: &[u8],
    row: &[u8],
    log_of: impl Fn(u32) -> Option<LogId>,
) -> Result<KeyState, Error> {
    decode_row("keys-1", key, row, |row| read_counted(row, &log_of))
}

fn decode_row(
    table: &'static str,
    key: &[u8],
    mut row: &[u8],
    mut read_one: impl FnMut(&mut &[u8]) -> Option<Counted>,
) -> Result<KeyState, Error> {
    let mut read = || {
        let head = varint::read(&mut row)?;
        let (puts, deletes) = (head >> 1, head & 1);
        if puts > COUNTED_MAX {
            return None;
        }
        let deleted = match deletes {
            0 => None,
            _ => Some(read_one(&mut row)?),
        };
        let mut all = Vec::with_capacity(usize::try_from(puts).ok()?);
        for _ in 0..puts {
            all.push(read_one(&mut row)?);
        }
        let state = KeyState::from_parts(deleted, all)?;
        row.is_empty().then_some(state)
    };
    read().ok_or_else(|| {
        let key = String::from_utf8_lossy(key.get(4..).unwrap_or(key)).into_owned();
        Error::corrupted(table, key, "a row that cannot be read")
    })
}

/// The sum of the operations of a row of `keys-2`, for which nothing else of it is looked at.
pub(crate) fn key_row_sum(key: &[u8], mut row: &[u8]) -> Result<ItemSum, Error> {
    let mut read = || {
        let head = varint::read(&mut row)?;
        let mut sum = ItemSum::default();
        for _ in 0..(head >> 1).checked_add(head & 1)? {
            let (_, rest) = row.split_at_checked(8)?;
            row = rest;
            let (_log, _seq) = (varint::read(&mut row)?, varint::read(&mut row)?);
            let (_, rest) = row.split_first()?;
            row = rest;
            for _ in 0..3 {
                varint::read(&mut row)?;
            }
            sum = sum.plus(&ItemSum::of(&take_hash(&mut row)?));
        }
        row.is_empty().then_some(sum)
    };
    read().ok_or_else(|| {
        let key = String::from_utf8_lossy(key.get(4..).unwrap_or(key)).into_owned();
        Error::corrupted("keys-2", key, "a row that cannot be read")
    })
}

fn take_hash(row: &mut &[u8]) -> Option<ItemHash> {
    let (hash, rest) = row.split_first_chunk::<32>()?;
    *row = rest;
    Some(ItemHash(*hash))
}

fn read_counted(row: &mut &[u8], log_of: &impl Fn(u32) -> Option<LogId>) -> Option<Counted> {
    let (time, rest) = row.split_first_chunk::<8>()?;
    *row = rest;
    let log = log_of(u32::try_from(varint::read(row)?).ok()?)?;
    let seq = varint::read(row)?;
    let (&kinds, rest) = row.split_first()?;
    *row = rest;
    let kind = *OpKind::ALL.get(usize::from(kinds >> 4))?;
    let entry = *EntryKind::ALL.get(usize::from(kinds & 15))?;
    let place = ValuePlace {
        block: varint::read(row)?,
        start: u32::try_from(varint::read(row)?).ok()?,
        len: u32::try_from(varint::read(row)?).ok()?,
    };
    Some(Counted {
        hash: ItemHash([0; 32]),
        stamp: Stamp {
            time: HybridTime::from_u64(u64::from_be_bytes(*time)),
            is_delete: kind == OpKind::Delete,
            log,
            seq,
        },
        kind,
        entry,
        place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fold::Folding;

    fn log(byte: u8) -> LogId {
        LogId {
            device: DeviceId::unchecked([byte; 32]),
            epoch: Epoch::from_u64(u64::from(byte)),
        }
    }

    fn counted(time: u64, by: u8, seq: u64, kind: OpKind) -> Counted {
        Counted {
            stamp: Stamp {
                time: HybridTime::from_u64(time),
                is_delete: kind == OpKind::Delete,
                log: log(by),
                seq,
            },
            kind,
            entry: EntryKind::LastOpenedTs,
            place: ValuePlace {
                block: 1 << 40,
                start: 300,
                len: 70_000,
            },
            hash: ItemHash([by; 32]),
        }
    }

    #[test]
    fn a_key_row_comes_back_and_every_shorter_or_longer_one_is_refused() {
        let mut state = KeyState::default();
        state.apply(counted(9, 1, 1, OpKind::Put), Folding::Merged);
        state.apply(counted(5, 2, 1 << 50, OpKind::Delete), Folding::Merged);
        state.apply(counted(1 << 60, 2, 1 << 51, OpKind::Ref), Folding::Merged);
        let mut row = Vec::new();
        let number_of = |log: LogId| u32::try_from(log.epoch.as_u64()).ok();
        encode_key(&state, &mut row, number_of).unwrap();
        let log_of = |number| u8::try_from(number).ok().map(log);
        assert_eq!(decode_key(b"0000k", &row, log_of).unwrap(), state);
        assert_eq!(key_row_sum(b"0000k", &row).unwrap(), state.sum());
        for end in 0..row.len() {
            assert!(decode_key(b"0000k", &row[..end], log_of).is_err());
            assert!(key_row_sum(b"0000k", &row[..end]).is_err());
        }
        row.push(0);
        assert!(key_row_sum(b"0000k", &row).is_err());
        assert!(decode_key(b"0000k", &row, log_of).is_err());
        assert!(encode_key(&state, &mut row, |_| None).is_err());
    }

    #[test]
    fn rows_of_profiles_logs_and_commits_come_back() {
        let profile = ProfileRow {
            id: ProfileId::from_bytes([2; 33]),
            device: DeviceId::unchecked([7; 32]),
            epoch: Epoch::from_u64(1 << 60),
            file: (3, 4),
            seals: 5,
            sealed_key: vec![9; 60],
        };
        let row = profile.encode();
        assert_eq!(ProfileRow::decode(0, &row).unwrap(), profile);
        assert!(ProfileRow::decode(0, &row[..96]).is_err());
        let mut head = LogHead::empty(log(3));
        for id in [None, Some(CommitId::from_bytes([1; 32]))] {
            (head.next_seq, head.head) = (7, id);
            let log = LogRow { profile: 1, head };
            assert_eq!(LogRow::decode(0, &log.encode()).unwrap(), log);
            assert!(LogRow::decode(0, &log.encode()[1..]).is_err());
        }
        let commit = CommitRow {
            block: 1,
            last_seq: 2,
            id: CommitId::from_bytes([3; 32]),
        };
        assert_eq!(CommitRow::decode(&commit.encode()).unwrap(), commit);
        assert!(CommitRow::decode(&commit.encode()[1..]).is_err());
        let checkpoint = CheckpointRow {
            until: 1 << 40,
            segments: vec![5, 900, 3],
            current: 2,
            signed: vec![7; 200],
        };
        let row = checkpoint.encode();
        assert_eq!(CheckpointRow::decode(0, &row).unwrap(), checkpoint);
        assert_eq!(checkpoint.own_segments(), [5, 900]);
        assert!(CheckpointRow::decode(0, &row[..8]).is_err());
    }
}

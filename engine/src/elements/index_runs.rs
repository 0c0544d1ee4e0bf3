//! The hash index on disk: runs of entries, one row per segment, merged geometrically.

use core::hash::Hasher as _;

use redb::{ReadableTable, Table, WriteTransaction};
use siphasher::sip::SipHasher13;

use super::locator::Locator;
use super::segment::{ENTRY_LEN, Entry};
use crate::error::{During as _, Error};
use crate::tables::run_directory::{FAN_IN, Merge, Run, RunDirectory};
use crate::tables::schema::{Db, INDEX, MetaKey, SEGMENTS, read_meta, run_key};

/// Entries up to which a run counts as fresh from a checkpoint.
const FRESH_ENTRIES: u64 = 131_072;

/// Segments merged in one go: the rows of the inputs are then removed range by range.
const MERGE_SEGMENTS: u16 = 64;

/// Reads all entries of a segment from the last committed state.
pub(crate) fn read_segment(db: &Db, segment: u16) -> Result<Vec<Entry>, Error> {
    let txn = db.begin_read()?;
    let mut entries = Vec::new();
    let Some(row) = read_meta(&txn, MetaKey::Runs)? else {
        return Ok(entries);
    };
    let directory = RunDirectory::decode(&row)?;
    let table = txn.open_table(INDEX).during("opening index-1")?;
    for run in &directory.runs {
        read_row(&table, run.id, segment, &mut entries)?;
    }
    Ok(entries)
}

/// Writes everything pending as a new run. Gives the number of entries; without any nothing is written.
pub(crate) fn write_run(
    txn: &WriteTransaction,
    locator: &Locator,
    directory: &mut RunDirectory,
) -> Result<u64, Error> {
    let segments = 0..SEGMENTS;
    let pending = |segment| locator.pending(segment, <[Entry]>::len).unwrap_or(0) as u64;
    let total: u64 = segments.clone().map(pending).sum();
    if total == 0 {
        return Ok(0);
    }
    let run = directory.allocate(total)?;
    let mut table = txn.open_table(INDEX).during("opening index-1")?;
    let mut cursor = table
        .upper_bound_mut(core::ops::Bound::<u64>::Unbounded)
        .during("seeking in index-1")?;
    let mut entries = Vec::new();
    let mut row = Vec::new();
    for segment in segments {
        entries.clear();
        locator.pending(segment, |pending| entries.extend_from_slice(pending));
        if entries.is_empty() {
            continue;
        }
        let key = run_key(run, segment);
        encode_row(key, &mut entries, &mut row);
        cursor
            .insert_before(key, row.as_slice())
            .during("writing an index run")?;
    }
    cursor.close().during("writing an index run")?;
    Ok(total)
}

/// Starts the merges that are due: the runs of a level that has enough of them, or all runs if `rewrite`.
pub(crate) fn plan_merges(directory: &mut RunDirectory, rewrite: bool) -> Result<(), Error> {
    if rewrite && directory.merges.is_empty() && !directory.runs.is_empty() {
        let inputs = directory.runs.iter().map(|run| run.id).collect();
        return start_merge(directory, inputs);
    }
    for level in 0..16 {
        let inputs: Vec<u32> = directory
            .runs
            .iter()
            .filter(|run| self::level(run) == level && !is_merging(directory, run.id))
            .map(|run| run.id)
            .collect();
        if inputs.len() >= FAN_IN {
            start_merge(directory, inputs)?;
        }
    }
    Ok(())
}

fn start_merge(directory: &mut RunDirectory, inputs: Vec<u32>) -> Result<(), Error> {
    let output = directory.allocate(0)?;
    directory.merges.push(Merge {
        output,
        inputs,
        next_segment: 0,
    });
    Ok(())
}

fn level(run: &Run) -> u32 {
    (run.entries / FRESH_ENTRIES)
        .checked_ilog(FAN_IN as u64)
        .map_or(0, |level| level + 1)
}

fn is_merging(directory: &RunDirectory, run: u32) -> bool {
    directory
        .merges
        .iter()
        .any(|merge| merge.output == run || merge.inputs.contains(&run))
}

/// Goes on with the merges under way until about `budget` entries were read. Entries for which `is_live` says no are
/// left out; gives how many.
pub(crate) fn merge_step(
    txn: &WriteTransaction,
    directory: &mut RunDirectory,
    mut budget: u64,
    mut is_live: impl FnMut(u64) -> Result<bool, Error>,
) -> Result<u64, Error> {
    let mut dropped = 0;
    if directory.merges.is_empty() {
        return Ok(0);
    }
    let mut table = txn.open_table(INDEX).during("opening index-1")?;
    let mut merges = core::mem::take(&mut directory.merges);
    // The youngest merges are the smallest; they must not queue behind a large one.
    merges.sort_by_key(|merge| core::cmp::Reverse(merge.output));
    for merge in &mut merges {
        while budget > 0 && merge.next_segment < SEGMENTS {
            let end = (merge.next_segment + MERGE_SEGMENTS).min(SEGMENTS);
            let outcome = merge_segments(&mut table, merge, end, &mut is_live)?;
            if let Some(run) = directory.runs.iter_mut().find(|run| run.id == merge.output) {
                run.entries += outcome.written;
            }
            dropped += outcome.dropped;
            budget = budget.saturating_sub(outcome.written + outcome.dropped + 16);
            merge.next_segment = end;
        }
    }
    for merge in merges {
        if merge.next_segment < SEGMENTS {
            directory.merges.push(merge);
        } else {
            directory.runs.retain(|run| !merge.inputs.contains(&run.id));
        }
    }
    Ok(dropped)
}

struct Merged {
    written: u64,
    dropped: u64,
}

fn merge_segments(
    table: &mut Table<'_, u64, &'static [u8]>,
    merge: &Merge,
    end: u16,
    is_live: &mut impl FnMut(u64) -> Result<bool, Error>,
) -> Result<Merged, Error> {
    let mut outcome = Merged {
        written: 0,
        dropped: 0,
    };
    let mut rows = Vec::new();
    for segment in merge.next_segment..end {
        let mut entries = Vec::new();
        for input in &merge.inputs {
            read_row(table, *input, segment, &mut entries)?;
        }
        let mut live = Vec::with_capacity(entries.len());
        for entry in entries {
            if is_live(entry.seq())? {
                live.push(entry);
            } else {
                outcome.dropped += 1;
            }
        }
        if !live.is_empty() {
            outcome.written += live.len() as u64;
            let key = run_key(merge.output, segment);
            let mut row = Vec::new();
            encode_row(key, &mut live, &mut row);
            rows.push((key, row));
        }
    }
    for input in &merge.inputs {
        let range = run_key(*input, merge.next_segment)..run_key(*input, end);
        table
            .retain_in(range, |_, _| false)
            .during("removing merged index rows")?;
    }
    for (key, row) in rows {
        table
            .insert(key, row.as_slice())
            .during("writing a merged index row")?;
    }
    Ok(outcome)
}

/// Row: checksum (8 bytes, SipHash-1-3 keyed with the row's key and zero), then the entries in ascending order.
fn encode_row(key: u64, entries: &mut [Entry], row: &mut Vec<u8>) {
    entries.sort_unstable();
    row.clear();
    row.extend_from_slice(&[0; 8]);
    for entry in entries {
        row.extend_from_slice(&entry.to_bytes());
    }
    if let Some((sum, entries)) = row.split_first_chunk_mut::<8>() {
        *sum = checksum(key, entries);
    }
}

fn read_row(
    table: &impl ReadableTable<u64, &'static [u8]>,
    run: u32,
    segment: u16,
    entries: &mut Vec<Entry>,
) -> Result<(), Error> {
    let key = run_key(run, segment);
    match table.get(key).during("reading an index row")? {
        Some(row) => decode_row(key, row.value(), entries),
        None => Ok(()),
    }
}

/// Checks a row and appends its entries.
pub(crate) fn decode_row(key: u64, row: &[u8], entries: &mut Vec<Entry>) -> Result<(), Error> {
    let damaged = || {
        let (run, segment) = (key >> 16, key & 0xffff);
        Error::corrupted(
            "index-1",
            format!("run {run}, segment {segment}"),
            "checksum",
        )
    };
    let (sum, bytes) = row.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (chunks, tail) = bytes.as_chunks::<ENTRY_LEN>();
    if !tail.is_empty() || *sum != checksum(key, bytes) {
        return Err(damaged());
    }
    for chunk in chunks {
        entries.push(Entry::from_bytes(*chunk).ok_or_else(damaged)?);
    }
    Ok(())
}

fn checksum(key: u64, bytes: &[u8]) -> [u8; 8] {
    let mut hasher = SipHasher13::new_with_keys(key, 0);
    hasher.write(bytes);
    hasher.finish().to_be_bytes()
}

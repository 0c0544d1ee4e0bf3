use redb::ReadableTable;

use super::recent::{LogNumbers, Recent};
use crate::error::{During as _, Error};
use crate::profile::fold::KeyState;
use crate::tables::profile_rows::{CommitRow, decode_key};
use crate::tables::schema::{commit_key, split_commit_key};

/// Finds what is in the tables unless it is in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) recent: &'a Recent,
    pub(crate) logs: &'a LogNumbers,
    /// Where the blocks end that the reader sees.
    pub(crate) end: u64,
}

impl Lookup<'_> {
    /// What counts of a key; `None` if nothing does.
    pub(crate) fn key(
        &self,
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
        key: &[u8],
    ) -> Result<Option<KeyState>, Error> {
        if let Some(state) = self.recent.key(key, self.end, KeyState::clone) {
            return Ok(Some(state));
        }
        stored_key(table, self.logs, key)
    }

    /// The commit that has an operation of a log, with its first sequence number; `None` if it is not kept.
    pub(crate) fn commit_at(
        &self,
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
        log: u32,
        seq: u64,
    ) -> Result<Option<(u64, CommitRow)>, Error> {
        if let Some(found) = self.recent.commit_at(log, seq, self.end) {
            return Ok(Some(found));
        }
        let (from, to) = (commit_key(log, 0), commit_key(log, seq));
        let range = table.range::<&[u8]>(&from[..]..=&to[..]);
        let Some(found) = range.during("reading commits")?.next_back() else {
            return Ok(None);
        };
        let (key, row) = found.during("reading commits")?;
        let (_, first_seq) = split_commit_key(key.value())
            .ok_or_else(|| Error::corrupted("commits-1", log, "a key of a wrong length"))?;
        let row = CommitRow::decode(row.value())?;
        Ok((row.last_seq >= seq).then_some((first_seq, row)))
    }
}

/// What the table says of a key.
pub(crate) fn stored_key(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    logs: &LogNumbers,
    key: &[u8],
) -> Result<Option<KeyState>, Error> {
    let row = table.get(key).during("reading a key")?;
    row.map(|row| decode_key(key, row.value(), |number| logs.log(number)))
        .transpose()
}

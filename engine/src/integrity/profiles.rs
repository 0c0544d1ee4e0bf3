use redb::{ReadOnlyTable, ReadableTable as _, ReadableTableMetadata as _};

use super::check::Check;
use crate::error::{During as _, Error};
use crate::oplog::Commit;
use crate::profile::change::ReadCommit;
use crate::tables::profile_rows::{CheckpointRow, CommitRow, decode_key};
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::{CHECKPOINTS, COMMITS, KEYS, PARKED};

type Blocks = ReadOnlyTable<u64, &'static [u8]>;

impl Check<'_> {
    /// Checks what logs list and keys point to, and counts the references of both.
    pub(super) fn profiles(&mut self, blocks: &Blocks) -> Result<(), Error> {
        self.commits(blocks)?;
        self.checkpoints(blocks)?;
        self.parked()?;
        self.keys(blocks)
    }

    /// Every commit that a log lists is stored, and holds its block.
    fn commits(&mut self, blocks: &Blocks) -> Result<(), Error> {
        let table = self.snapshot.txn().open_table(COMMITS);
        let table = table.during("opening commits-1")?;
        let mut listed = Vec::new();
        for row in table.iter().during("reading commits")? {
            let (_, row) = row.during("reading commits")?;
            match CommitRow::decode(row.value()) {
                Ok(row) => listed.push(row),
                Err(error) => self.report.absorb(error)?,
            }
        }
        let lookup = self.snapshot.lookup()?;
        lookup.recent.for_each_commit(|_, _, row| {
            if row.block < lookup.end {
                listed.push(*row);
            }
            Ok::<_, Error>(())
        })?;
        let total = listed.len() as u64;
        for (done, row) in (1..).zip(&listed) {
            self.at("commits", done, total);
            let stored = blocks.get(row.block).during("reading a block")?;
            let id = stored.and_then(|stored| {
                let stored = BlockRow::decode(row.block, stored.value()).ok()?;
                let is_commit = stored.kind == BlockKind::Commit;
                let commit = is_commit.then(|| Commit::decode(stored.bytes).ok())??;
                Some(commit.id())
            });
            if id == Some(row.id) {
                self.hold(row.block);
            } else {
                let what = "INV-LOG-1: the commit that a log lists is not there";
                self.report.add("commits-1", row.block, what);
            }
        }
        Ok(())
    }

    /// Every segment that a checkpoint lists is stored, and held.
    fn checkpoints(&mut self, blocks: &Blocks) -> Result<(), Error> {
        let table = self.snapshot.txn().open_table(CHECKPOINTS);
        let table = table.during("opening checkpoints-1")?;
        for row in table.iter().during("reading checkpoints")? {
            let (log, row) = row.during("reading checkpoints")?;
            let row = match CheckpointRow::decode(log.value(), row.value()) {
                Ok(row) => row,
                Err(error) => {
                    self.report.absorb(error)?;
                    continue;
                }
            };
            for block in row.segments {
                let stored = blocks.get(block).during("reading a block")?;
                let is_segment = stored.is_some_and(|stored| {
                    BlockRow::decode(block, stored.value())
                        .is_ok_and(|stored| stored.kind == BlockKind::Segment)
                });
                if is_segment {
                    self.hold(block);
                } else {
                    let what = format!("INV-LOG-1: its segment {block} is not there");
                    self.report.add("checkpoints-1", log.value(), what);
                }
            }
        }
        Ok(())
    }

    /// Parked commits hold the blocks of their values.
    fn parked(&mut self) -> Result<(), Error> {
        let table = self.snapshot.txn().open_table(PARKED);
        let table = table.during("opening parked-1")?;
        for (number, row) in (0..).zip(table.iter().during("reading parked commits")?) {
            let (_, row) = row.during("reading parked commits")?;
            match Commit::decode(row.value()) {
                Ok(commit) => {
                    let links: Vec<_> = ReadCommit::of(&commit).links().collect();
                    self.refer("parked-1", number, &links);
                }
                Err(error) => self.report.add("parked-1", number, error.to_string()),
            }
        }
        Ok(())
    }

    /// What counts of a key lies in a block that is there.
    fn keys(&mut self, blocks: &Blocks) -> Result<(), Error> {
        let table = self.snapshot.txn().open_table(KEYS);
        let table = table.during("opening keys-1")?;
        let total = table.len().during("counting keys")?;
        let logs = self.snapshot.lookup()?.logs;
        for (done, row) in (1..).zip(table.iter().during("reading keys")?) {
            let (key, row) = row.during("reading keys")?;
            self.at("keys", done, total);
            // What is in memory is newer, and points to where the value lies by now.
            let newer = self.snapshot.lookup()?;
            if newer.recent.key(key.value(), newer.end, |_| ()).is_some() {
                continue;
            }
            let state = match decode_key(key.value(), row.value(), |number| logs.log(number)) {
                Ok(state) => state,
                Err(error) => {
                    self.report.absorb(error)?;
                    continue;
                }
            };
            for counted in state.iter() {
                let block = counted.place.block;
                let end = u64::from(counted.place.start) + u64::from(counted.place.len);
                let stored = blocks.get(block).during("reading a block")?;
                let fits = stored.is_some_and(|row| {
                    BlockRow::decode(block, row.value())
                        .is_ok_and(|row| row.bytes.len() as u64 >= end)
                });
                if !fits {
                    let name = key.value().get(4..).unwrap_or_default();
                    let what = format!("INV-KEY-1: its value lies in block {block}, not stored");
                    self.report
                        .add("keys-1", String::from_utf8_lossy(name), what);
                }
            }
        }
        Ok(())
    }
}

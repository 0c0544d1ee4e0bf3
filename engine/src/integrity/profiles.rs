use redb::{ReadOnlyTable, ReadableTable as _, ReadableTableMetadata as _};

use super::check::Check;
use crate::error::{During as _, Error};
use crate::oplog::{Commit, ItemHash};
use crate::profile::change::{ReadCommit, ReadOperation};
use crate::replica::{Levels, compute_sums};
use crate::tables::profile_rows::{AloneRow, CheckpointRow, CommitRow, decode_key};
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::{
    ALONE, CHECKPOINTS, COMMITS, KEYS, PARKED, PROFILES, SUMS, split_commit_key, sum_key,
};

type Blocks = ReadOnlyTable<u64, &'static [u8]>;

impl Check<'_> {
    /// Checks what logs list and keys point to, and counts the references of both.
    pub(super) fn profiles(&mut self, blocks: &Blocks) -> Result<(), Error> {
        self.commits(blocks)?;
        self.checkpoints(blocks)?;
        self.parked()?;
        self.alone(blocks)?;
        self.keys(blocks)?;
        self.sums()
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

    /// Every operation that came alone is stored where its row says, and held.
    fn alone(&mut self, blocks: &Blocks) -> Result<(), Error> {
        let table = self.snapshot.txn().open_table(ALONE);
        let table = table.during("opening alone-1")?;
        let logs = self.snapshot.lookup()?.logs;
        for row in table.iter().during("reading alone-1")? {
            let (key, row) = row.during("reading alone-1")?;
            let (key, row) = (key.value(), AloneRow::decode(key.value(), row.value()));
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    self.report.absorb(error)?;
                    continue;
                }
            };
            let stored = blocks.get(row.block).during("reading a block")?;
            let alone = stored.and_then(|stored| {
                let stored = BlockRow::decode(row.block, stored.value()).ok()?;
                let is_alone = stored.kind == BlockKind::Operation;
                is_alone.then(|| ReadOperation::stored(stored.bytes).ok())?
            });
            let is_it = alone.is_some_and(|alone| {
                let place = split_commit_key(key);
                let stamp = &alone.stamp;
                row.key.get(4..) == Some(alone.key.as_bytes())
                    && row.time == stamp.time
                    && place.and_then(|(log, _)| logs.log(log)) == Some(stamp.log)
                    && place.is_some_and(|(_, seq)| seq == stamp.seq)
            });
            if is_it {
                self.hold(row.block);
            } else {
                let what = format!("INV-ALONE-1: it does not lie in block {}", row.block);
                self.report.add("alone-1", const_hex::encode(key), what);
            }
        }
        Ok(())
    }

    /// What counts of a key lies in a block that is there.
    fn keys(&mut self, blocks: &Blocks) -> Result<(), Error> {
        let table = self.snapshot.txn().open_table(KEYS);
        let table = table.during("opening keys-2")?;
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
                let stored = blocks.get(counted.place.block);
                let stored = stored.during("reading a block")?;
                let value = stored
                    .as_ref()
                    .and_then(|row| counted.value_in(row.value()));
                let name = String::from_utf8_lossy(key.value().get(4..).unwrap_or_default());
                let block = counted.place.block;
                match value {
                    None => {
                        let what =
                            format!("INV-KEY-1: its value lies in block {block}, not stored");
                        self.report.add("keys-2", name, what);
                    }
                    Some(value) => {
                        let hash = ItemHash::of_parts(&counted.stamp, counted.kind, &name, value);
                        if hash != counted.hash {
                            let what = "INV-SUM-2: the hash of another operation";
                            self.report.add("keys-2", name, what);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The sums over runs of keys are those of what the table of keys has.
    fn sums(&mut self) -> Result<(), Error> {
        let txn = self.snapshot.txn();
        let sums = txn.open_table(SUMS).during("opening sums-1")?;
        let keys = txn.open_table(KEYS).during("opening keys-2")?;
        let profiles = txn.open_table(PROFILES).during("opening profiles-1")?;
        let levels = Levels::new(&self.snapshot.shared().header.index_key);
        let mut expected = 0;
        for row in profiles.iter().during("reading profiles")? {
            let (profile, _) = row.during("reading profiles")?;
            let profile = profile.value();
            let checked = compute_sums(&keys, &levels, profile, |level, first, sum| {
                expected += 1;
                let key = sum_key(profile, level, first);
                let row = sums.get(key.as_slice()).during("reading sums")?;
                if row.is_none_or(|row| row.value() != sum.encode()) {
                    let what = "INV-SUM-1: a sum that is not that of its keys, or is missing";
                    self.report.add("sums-1", const_hex::encode(key), what);
                }
                Ok(())
            });
            if let Err(error) = checked {
                // Where the run ends that cannot be read, nobody can tell.
                return self.report.absorb(error);
            }
        }
        let found = sums.len().during("counting sums")?;
        if found != expected {
            let what = format!("INV-SUM-1: {found} sums, {expected} runs of keys");
            self.report.add("sums-1", "table", what);
        }
        Ok(())
    }
}

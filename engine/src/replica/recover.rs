use redb::{ReadTransaction, ReadableTable as _};

use super::fold::{Folded, fold_commit, folding};
use super::lookup::stored_key;
use super::recent::{Keep, Recent};
use super::state::{Parked, ProfileState, Replica};
use crate::error::{During as _, Error};
use crate::oplog::identity::{Certificate, Revocation};
use crate::oplog::{Commit, ForkProof, HybridClock, HybridTime};
use crate::profile::change::{ReadCommit, ReadOperation};
use crate::profile::sealed::ProfileId;
use crate::tables::profile_rows::{AloneRow, CommitRow, LogRow, ProfileRow};
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::{
    ALONE, BLOCKS, KEYS, LOGS, PARKED, PROFILES, STATEMENTS, StatementKind, split_commit_key,
    split_statement_key, value_key,
};

/// Reads the profiles, and takes the commits from block `watermark` on in again. `is_kept` says which blocks are.
pub(crate) fn recover_profiles(
    txn: &ReadTransaction,
    watermark: u64,
    mut is_kept: impl FnMut(u64) -> Result<bool, Error>,
) -> Result<(Replica, Recent), Error> {
    let mut replica = Replica::default();
    read_profiles(txn, &mut replica)?;
    if replica.profiles.is_empty() {
        return Ok((replica, Recent::default()));
    }
    read_logs(txn, &mut replica)?;
    read_statements(txn, &mut replica)?;
    read_parked(txn, &mut replica)?;
    let recent = Recent::default();
    let keys = txn.open_table(KEYS).during("opening keys-2")?;
    let blocks = txn.open_table(BLOCKS).during("opening blocks-1")?;
    for row in blocks.range(watermark..).during("reading blocks")? {
        let (seq, row) = row.during("reading blocks")?;
        let seq = seq.value();
        let row = BlockRow::decode(seq, row.value())?;
        match row.kind {
            BlockKind::Commit if is_kept(seq)? => {
                replay(&mut replica, &recent, &keys, seq, row.bytes)?;
            }
            BlockKind::Operation if is_kept(seq)? => {
                replay_alone(&replica, &recent, &keys, seq, row.bytes)?;
            }
            _ => {}
        }
    }
    start_clocks(&mut replica);
    read_alone(txn, &mut replica)?;
    Ok((replica, recent))
}

fn read_profiles(txn: &ReadTransaction, replica: &mut Replica) -> Result<(), Error> {
    let table = txn.open_table(PROFILES).during("opening profiles-1")?;
    for row in table.iter().during("reading profiles")? {
        let (number, row) = row.during("reading profiles")?;
        let row = ProfileRow::decode(number.value(), row.value())?;
        let state = ProfileState::new(row);
        replica.profiles.insert(number.value(), state);
    }
    Ok(())
}

fn read_logs(txn: &ReadTransaction, replica: &mut Replica) -> Result<(), Error> {
    let table = txn.open_table(LOGS).during("opening logs-1")?;
    for row in table.iter().during("reading logs")? {
        let (number, row) = row.during("reading logs")?;
        let row = LogRow::decode(number.value(), row.value())?;
        if replica.number_of(row.profile, row.head.log) != number.value() {
            return Err(Error::corrupted(
                "logs-1",
                number.value(),
                "INV-LOG-1: a log that is there twice, or a number that was left out",
            ));
        }
        if let Some(log) = replica.log_mut(number.value()) {
            *log = row;
        }
    }
    Ok(())
}

fn read_statements(txn: &ReadTransaction, replica: &mut Replica) -> Result<(), Error> {
    let table = txn.open_table(STATEMENTS).during("opening statements-1")?;
    for row in table.iter().during("reading statements")? {
        let (key, row) = row.during("reading statements")?;
        let damaged = |reason: String| {
            Error::corrupted("statements-1", const_hex::encode(key.value()), reason)
        };
        let (profile, kind) = split_statement_key(key.value())
            .ok_or_else(|| damaged("a key of an unknown kind".to_owned()))?;
        let state = replica
            .profiles
            .get_mut(&profile)
            .ok_or_else(|| damaged("of no profile".to_owned()))?;
        match kind {
            StatementKind::Certificate => {
                let certificate =
                    Certificate::decode(row.value()).map_err(|error| damaged(error.to_string()))?;
                state.devices.insert(certificate.device(), certificate);
            }
            StatementKind::Revocation => {
                let revocation =
                    Revocation::decode(row.value()).map_err(|error| damaged(error.to_string()))?;
                state.revocations.push(revocation);
            }
            StatementKind::Fork => {
                let proof =
                    ForkProof::decode(row.value()).map_err(|error| damaged(error.to_string()))?;
                state.forks.insert(proof.log(), proof.first_shared_seq());
                let number = replica.number_of(profile, proof.log());
                if let Some(log) = replica.log_mut(number) {
                    log.head.forked = true;
                }
            }
        }
    }
    Ok(())
}

fn read_parked(txn: &ReadTransaction, replica: &mut Replica) -> Result<(), Error> {
    let table = txn.open_table(PARKED).during("opening parked-1")?;
    for row in table.iter().during("reading parked commits")? {
        let (key, row) = row.during("reading parked commits")?;
        let damaged = || Error::corrupted("parked-1", const_hex::encode(key.value()), "no commit");
        let (log, first_seq) = split_commit_key(key.value()).ok_or_else(damaged)?;
        let commit = Commit::decode(row.value()).map_err(|_| damaged())?;
        let profile = replica.log(log).ok_or_else(damaged)?.profile;
        let state = replica.profiles.get_mut(&profile).ok_or_else(damaged)?;
        let parked = Parked {
            id: commit.id(),
            last_seq: commit.header().last_seq(),
            time: commit.header().time,
            bytes: row.value().len(),
        };
        state.parked.insert((log, first_seq), parked);
    }
    Ok(())
}

/// Takes one commit in again.
fn replay(
    replica: &mut Replica,
    recent: &Recent,
    keys: &redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    block: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    let damaged = |reason: String| Error::corrupted("blocks-1", block, reason);
    let commit = Commit::decode(bytes).map_err(|error| damaged(error.to_string()))?;
    let commit = ReadCommit::of(&commit);
    let profile = profile_of(replica, &commit.header.profile)
        .ok_or_else(|| damaged("INV-LOG-1: a commit of no profile".to_owned()))?;
    let log = replica.number_of(profile, commit.header.log);
    let at = Folded {
        profile,
        block,
        keep: Keep::From(u64::MAX),
    };
    fold_commit(recent, &replica.numbers, keys, &commit, at)?;
    let row = CommitRow {
        block,
        last_seq: commit.header.last_seq(),
        id: commit.id,
    };
    recent.add_commit(log, commit.header.first_seq, row, commit.operations.len());
    if let Some(log) = replica.log_mut(log) {
        if log.head.next_seq != commit.header.first_seq {
            return Err(damaged(format!(
                "INV-LOG-1: operation {} of a log that goes on with {}",
                commit.header.first_seq, log.head.next_seq
            )));
        }
        log.head.advance(&commit.header, commit.id);
    }
    if let Some(state) = replica.profiles.get_mut(&profile)
        && state.own_log() == commit.header.log
    {
        state.count_seals(&commit.operations);
    }
    Ok(())
}

/// Takes an operation in again that came alone.
fn replay_alone(
    replica: &Replica,
    recent: &Recent,
    keys: &redb::ReadOnlyTable<&'static [u8], &'static [u8]>,
    block: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    let damaged = |reason: String| Error::corrupted("blocks-1", block, reason);
    let alone = ReadOperation::stored(bytes).map_err(|error| damaged(error.to_string()))?;
    let profile = profile_of(replica, &alone.profile)
        .ok_or_else(|| damaged("INV-ALONE-1: an operation of no profile".to_owned()))?;
    let key = value_key(profile, &alone.key);
    recent.update(
        &key,
        block.saturating_add(1),
        Keep::From(u64::MAX),
        || {
            let stored = stored_key(keys, &replica.numbers, &key);
            stored.map(Option::unwrap_or_default)
        },
        |state| state.apply(alone.counted(block), folding(&alone.key)),
    )?;
    recent.add_operations(1);
    Ok(())
}

fn profile_of(replica: &Replica, id: &ProfileId) -> Option<u32> {
    let mut profiles = replica.profiles.iter();
    let found = profiles.find(|(_, state)| state.row.id == *id);
    found.map(|(&number, _)| number)
}

/// The own log goes on after what came alone as well.
fn read_alone(txn: &ReadTransaction, replica: &mut Replica) -> Result<(), Error> {
    let table = txn.open_table(ALONE).during("opening alone-1")?;
    for row in table.iter().during("reading alone-1")? {
        let (key, row) = row.during("reading alone-1")?;
        let row = AloneRow::decode(key.value(), row.value())?;
        let profile = row.key.first_chunk::<4>().copied().map(u32::from_be_bytes);
        let state = profile.and_then(|profile| replica.profiles.get_mut(&profile));
        if let Some(state) = state.filter(|state| state.clock.last() < row.time) {
            state.clock = HybridClock::at(row.time);
        }
    }
    Ok(())
}

/// The own log goes on after everything that was applied, whatever the clock says by now: it was believed when it was
/// applied, and a write must not come before what its author has seen.
fn start_clocks(replica: &mut Replica) {
    for (&number, state) in &mut replica.profiles {
        let logs = replica.logs.iter().filter(|row| row.profile == number);
        let last = logs.map(|row| row.head.time).max();
        state.clock = HybridClock::at(last.unwrap_or(HybridTime::ZERO));
    }
}

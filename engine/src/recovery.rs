//! Opening: what a store's tables say about what is kept in memory.
//!
//! After a clean close there is nothing to do but to read the totals. After a crash the blocks that no index run has
//! yet are read again, and the journal is replayed over the counts. Nothing is written: opening twice, or crashing
//! while opening, changes nothing.

use std::sync::Arc;

use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _};

use crate::elements::count::Count;
use crate::elements::count_pages::CountPages;
use crate::elements::fingerprint::Fingerprinter;
use crate::elements::locator::Locator;
use crate::error::{During as _, Error};
use crate::options::EngineOptions;
use crate::replica::{Recent, Replica, recover_profiles};
use crate::tables::journal;
use crate::tables::row::BlockRow;
use crate::tables::run_directory::RunDirectory;
use crate::tables::schema::{
    ALONE, BLOCKS, CHECKPOINTS, COMMITS, COUNTS, Db, Header, INDEX, INVENTORIES, JOURNAL, KEYS,
    LOCAL, LOGS, META, MetaKey, PARKED, PROFILES, STATEMENTS, SUMS, TOKENS, WALLETS, read_meta,
};
use crate::tables::state::State;
use crate::upgrade::{refuse_earlier, upgrade};

/// What the writer starts from.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) header: Header,
    pub(crate) state: State,
    pub(crate) directory: RunDirectory,
    pub(crate) counts: CountPages,
    pub(crate) replica: Replica,
    pub(crate) recent: Arc<Recent>,
    /// Goes to what the handles share.
    locator: Option<Locator>,
}

impl Recovered {
    /// The locator, once; an empty one after that.
    pub(crate) fn take_locator(&mut self) -> Locator {
        self.locator.take().unwrap_or_else(|| Locator::new(0, true))
    }
}

/// Makes the tables of a new store, in one commit; an existing store is left as it is.
pub(crate) fn create_if_new(db: &redb::Database, options: &EngineOptions) -> Result<(), Error> {
    let txn = db.begin_read().during("beginning to read")?;
    let tables = txn.list_tables().during("listing the tables")?.count();
    drop(txn);
    if tables > 0 {
        return upgrade(db);
    }
    let header = Header::generate(options.entropy.as_ref())?;
    let mut txn = db.begin_write().during("beginning to write")?;
    txn.set_two_phase_commit(true);
    txn.set_quick_repair(true);
    {
        let during = "making the tables";
        let mut meta = txn.open_table(META).during(during)?;
        meta.insert(MetaKey::Header as u8, header.encode().as_slice())
            .during(during)?;
        txn.open_table(BLOCKS).during(during)?;
        txn.open_table(JOURNAL).during(during)?;
        txn.open_table(INDEX).during(during)?;
        txn.open_table(COUNTS).during(during)?;
        txn.open_table(INVENTORIES).during(during)?;
        txn.open_table(TOKENS).during(during)?;
        txn.open_table(PROFILES).during(during)?;
        txn.open_table(LOGS).during(during)?;
        txn.open_table(COMMITS).during(during)?;
        txn.open_table(CHECKPOINTS).during(during)?;
        txn.open_table(KEYS).during(during)?;
        txn.open_table(SUMS).during(during)?;
        txn.open_table(ALONE).during(during)?;
        txn.open_table(STATEMENTS).during(during)?;
        txn.open_table(PARKED).during(during)?;
        txn.open_table(LOCAL).during(during)?;
        txn.open_table(WALLETS).during(during)?;
    }
    txn.commit().during("making the tables")
}

/// Reads what has to be known before the first request.
pub(crate) fn recover(db: &Db, options: &EngineOptions) -> Result<Recovered, Error> {
    let span = tracing::debug_span!("recover");
    let _entered = span.enter();
    let txn = db.begin_read()?;
    let header = read_meta(&txn, MetaKey::Header)?
        .ok_or_else(|| Error::corrupted("meta-1", "header", "missing, this is no uxf store"))?;
    let header = Header::decode(&header)?;
    refuse_earlier(&txn)?;
    let mut state = match read_meta(&txn, MetaKey::State)? {
        Some(row) => State::decode("meta-1", &row)?.0,
        None => State::default(),
    };
    let directory = match read_meta(&txn, MetaKey::Runs)? {
        Some(row) => RunDirectory::decode(&row)?,
        None => RunDirectory::default(),
    };
    if let Some(newer) = newest_journal_state(&txn)?
        && newer.number > state.number
    {
        state = newer;
    }
    let locator = Locator::new(options.index_bytes, directory.runs.is_empty());
    let mut counts = CountPages::default();
    let tail = replay_blocks(db, &txn, &header, &mut state, &locator, &mut counts)?;
    let journal = replay_journal(db, &txn, &mut counts)?;
    let (replica, recent) = recover_profiles(&txn, state.watermark, |seq| {
        Ok(matches!(counts.get(db, seq)?, Count::Held(_)))
    })?;
    tracing::debug!(tail, journal, elements = state.elements, "recovered");
    Ok(Recovered {
        header,
        state,
        directory,
        counts,
        replica,
        recent: Arc::new(recent),
        locator: Some(locator),
    })
}

fn newest_journal_state(txn: &ReadTransaction) -> Result<Option<State>, Error> {
    let table = txn.open_table(JOURNAL).during("opening journal-1")?;
    match table.last().during("reading the journal")? {
        Some((_, row)) => Ok(Some(State::decode("journal-1", row.value())?.0)),
        None => Ok(None),
    }
}

/// Takes the blocks that no index run has into the locator, and those that no written state counts into the totals.
fn replay_blocks(
    db: &Db,
    txn: &ReadTransaction,
    header: &Header,
    state: &mut State,
    locator: &Locator,
    counts: &mut CountPages,
) -> Result<u64, Error> {
    let fingerprinter = Fingerprinter::new(&header.index_key);
    let table = txn.open_table(BLOCKS).during("opening blocks-1")?;
    let mut replayed = 0;
    for row in table.range(state.watermark..).during("reading blocks")? {
        let (seq, row) = row.during("reading blocks")?;
        let seq = seq.value();
        let row = BlockRow::decode(seq, row.value())?;
        locator.insert(fingerprinter.of(&row.hash), seq);
        counts.set(db, seq, Count::at_insert(row.count))?;
        if seq >= state.next_seq {
            state.next_seq = seq + 1;
            state.pins += u64::from(row.pins);
            state.add_block(row.kind.id(), row.bytes.len());
        }
        replayed += 1;
    }
    Ok(replayed)
}

/// Replays the count changes since they were last folded, oldest first: the last one of a block is its count.
fn replay_journal(db: &Db, txn: &ReadTransaction, counts: &mut CountPages) -> Result<u64, Error> {
    let table = txn.open_table(JOURNAL).during("opening journal-1")?;
    let mut replayed = 0;
    for row in table.iter().during("reading the journal")? {
        let (number, row) = row.during("reading the journal")?;
        journal::decode(number.value(), row.value(), |seq, count| {
            replayed += 1;
            counts.set(db, seq, count)
        })?;
    }
    Ok(replayed)
}

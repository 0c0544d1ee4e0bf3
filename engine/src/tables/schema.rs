//! Every table of the database, and nothing else defines one.
//!
//! A table's name ends in its schema number: a table that changes its encoding gets a new name. Keys and values are
//! integers and byte strings of redb, whose type names are stable; what is inside the byte strings is ours.

use std::sync::{PoisonError, RwLock};

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableDatabase as _, TableDefinition, TableError,
    WriteTransaction,
};
use uxf_codec::ElementHash;

use crate::entropy::Entropy;
use crate::error::{During as _, Error};

/// Version of the whole format, in the header row.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Header, state and run directory. Key: [`MetaKey`]. Written by the writer thread.
pub(crate) const META: TableDefinition<'_, u8, &[u8]> = TableDefinition::new("meta-1");
/// Sequence number -> block row, in arrival order. INV-BLOCK-1, INV-BLOCK-2.
pub(crate) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks-1");
/// State number -> state and the count changes of one commit. INV-COUNT-2.
pub(crate) const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal-1");
/// Run number and segment, packed by [`run_key`] -> index entries and their checksum. INV-INDEX-1.
pub(crate) const INDEX: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("index-1");
/// Page number -> counts of 1,024 sequence numbers.
pub(crate) const COUNTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("counts-1");
/// Inventory name, UTF-8 -> inventory id.
pub(crate) const INVENTORIES: TableDefinition<'_, &[u8], u32> =
    TableDefinition::new("inventories-1");
/// Inventory id big-endian and token id -> token row.
pub(crate) const TOKENS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("tokens-1");

/// Profile number -> profile row. INV-PROFILE-1.
pub(crate) const PROFILES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("profiles-1");
/// Log number -> log row, as of the last checkpoint. INV-LOG-1.
pub(crate) const LOGS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("logs-1");
/// Log number and first sequence number, packed by [`commit_key`] -> commit row, as of the last checkpoint.
pub(crate) const COMMITS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("commits-1");
/// Log number -> checkpoint of the log, and where its segments lie.
pub(crate) const CHECKPOINTS: TableDefinition<'_, u32, &[u8]> =
    TableDefinition::new("checkpoints-1");
/// Profile number big-endian and key -> key row, as of the last checkpoint. INV-KEY-1.
pub(crate) const KEYS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("keys-2");
/// What [`KEYS`] was when its rows had no hashes. Moved over when a store is opened for writing.
pub(crate) const KEYS_1: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("keys-1");
/// Profile number, level and first key, packed by [`sum_key`] -> number and sum of the operations of a run of keys. INV-SUM-1.
pub(crate) const SUMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sums-1");
/// Log number and sequence number, packed by [`commit_key`] -> where an operation lies that came alone. INV-ALONE-1.
pub(crate) const ALONE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("alone-1");
/// Profile number big-endian, kind and a number -> certificate, revocation or proof of a fork.
pub(crate) const STATEMENTS: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("statements-1");
/// Log number and first sequence number, packed by [`commit_key`] -> a commit whose time has not come.
pub(crate) const PARKED: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("parked-1");
/// Profile number big-endian and key -> sealed value that no other device gets.
pub(crate) const LOCAL: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("local-1");

/// Inventory id big-endian, [`WalletRowKind`] and a text -> joined token, or bundle that was taken in. INV-WALLET-1.
pub(crate) const WALLETS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("wallets-1");

/// Rows of [`META`].
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum MetaKey {
    Header = 0,
    State = 1,
    Runs = 2,
}

/// Segments of the hash index.
pub(crate) const SEGMENTS: u16 = 4_096;

/// Key of a segment's row within a run: all rows of a run lie together, so a checkpoint is one ascending append.
pub(crate) const fn run_key(run: u32, segment: u16) -> u64 {
    ((run as u64) << 16) | segment as u64
}

/// Key of a token: `inventory` (4 bytes, big-endian), then the id's text.
pub(crate) fn token_key(inventory: u32, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + id.len());
    key.extend_from_slice(&inventory.to_be_bytes());
    key.extend_from_slice(id.as_bytes());
    key
}

/// What the keys of all values of a profile start with.
pub(crate) const fn value_key_prefix(profile: u32) -> [u8; 4] {
    profile.to_be_bytes()
}

/// Key of a value: the profile's number (4 bytes, big-endian), then the key's text.
pub(crate) fn value_key(profile: u32, key: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + key.len());
    value_key_into(&mut out, profile, key);
    out
}

/// The same, in place of what is in `out`.
pub(crate) fn value_key_into(out: &mut Vec<u8>, profile: u32, key: &str) {
    out.clear();
    out.extend_from_slice(&profile.to_be_bytes());
    out.extend_from_slice(key.as_bytes());
}

/// Key of a run of keys: the profile's number (4 bytes, big-endian), the level from 1, the key the run begins with.
pub(crate) fn sum_key(profile: u32, level: u8, first: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + first.len());
    out.extend_from_slice(&profile.to_be_bytes());
    out.push(level);
    out.extend_from_slice(first);
    out
}

/// Key of a commit: the log's number (4 bytes, big-endian), then the commit's first sequence number (8 bytes).
pub(crate) fn commit_key(log: u32, first_seq: u64) -> [u8; 12] {
    let mut out = [0; 12];
    let (number, seq) = out.split_at_mut(4);
    number.copy_from_slice(&log.to_be_bytes());
    seq.copy_from_slice(&first_seq.to_be_bytes());
    out
}

/// Reads a [`commit_key`].
pub(crate) fn split_commit_key(key: &[u8]) -> Option<(u32, u64)> {
    let (log, seq) = key.split_first_chunk::<4>()?;
    let seq = seq.try_into().ok()?;
    Some((u32::from_be_bytes(*log), u64::from_be_bytes(seq)))
}

/// What a row of [`STATEMENTS`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum StatementKind {
    Certificate = 0,
    Revocation = 1,
    Fork = 2,
}

/// Key of a statement: the profile's number (4 bytes, big-endian), the kind, what it is about.
pub(crate) fn statement_key(profile: u32, kind: StatementKind, about: &[u8]) -> Vec<u8> {
    let mut key = profile.to_be_bytes().to_vec();
    key.push(kind as u8);
    key.extend_from_slice(about);
    key
}

/// What a row of [`WALLETS`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WalletRowKind {
    Token = 0,
    Bundle = 1,
}

/// Key of a row of a wallet: `inventory` (4 bytes, big-endian), the kind, a token id or the text of a bundle's id.
pub(crate) fn wallet_key(inventory: u32, kind: WalletRowKind, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + name.len());
    key.extend_from_slice(&inventory.to_be_bytes());
    key.push(kind as u8);
    key.extend_from_slice(name.as_bytes());
    key
}

/// Reads a [`wallet_key`].
pub(crate) fn split_wallet_key(key: &[u8]) -> Option<(u32, WalletRowKind, &str)> {
    let (inventory, rest) = key.split_first_chunk::<4>()?;
    let (kind, name) = rest.split_first()?;
    let kind = match kind {
        0 => WalletRowKind::Token,
        1 => WalletRowKind::Bundle,
        _ => return None,
    };
    let name = core::str::from_utf8(name).ok()?;
    Some((u32::from_be_bytes(*inventory), kind, name))
}

/// Reads the front of a [`statement_key`].
pub(crate) fn split_statement_key(key: &[u8]) -> Option<(u32, StatementKind)> {
    let (profile, rest) = key.split_first_chunk::<4>()?;
    let kind = match rest.first()? {
        0 => StatementKind::Certificate,
        1 => StatementKind::Revocation,
        2 => StatementKind::Fork,
        _ => return None,
    };
    Some((u32::from_be_bytes(*profile), kind))
}

/// Reads what a token row pins: its root, then any number of newer instances.
pub(crate) fn token_pins(
    row: &[u8],
) -> Result<(ElementHash, impl Iterator<Item = ElementHash>), Error> {
    let (digests, rest) = row.as_chunks::<32>();
    match digests.split_first() {
        Some((root, instances)) if rest.is_empty() => {
            let instances = instances.iter().copied().map(ElementHash::from_bytes);
            Ok((ElementHash::from_bytes(*root), instances))
        }
        _ => Err(Error::corrupted(
            "tokens-1",
            "a token",
            "a row that is no list of hashes",
        )),
    }
}

/// Reads the root out of a token row.
pub(crate) fn token_root(row: &[u8]) -> Result<ElementHash, Error> {
    token_pins(row).map(|(root, _)| root)
}

/// What is decided once, when a store is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) store_id: [u8; 16],
    /// Secret of the fingerprints.
    pub(crate) index_key: [u8; 16],
}

impl Header {
    pub(crate) fn generate(entropy: &dyn Entropy) -> Result<Self, Error> {
        let mut header = Self {
            store_id: [0; 16],
            index_key: [0; 16],
        };
        let failed = |source| Error::Io {
            during: "drawing the store's secrets",
            source,
        };
        entropy.fill(&mut header.store_id).map_err(failed)?;
        entropy.fill(&mut header.index_key).map_err(failed)?;
        Ok(header)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = FORMAT_VERSION.to_be_bytes().to_vec();
        out.extend_from_slice(&self.store_id);
        out.extend_from_slice(&self.index_key);
        out
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::corrupted("meta-1", "header", "too short");
        let (version, rest) = row.split_first_chunk::<4>().ok_or_else(damaged)?;
        let version = u32::from_be_bytes(*version);
        if version != FORMAT_VERSION {
            return Err(Error::FormatVersion {
                found: version,
                supported: FORMAT_VERSION,
            });
        }
        let (store_id, rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (index_key, _) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        Ok(Self {
            store_id: *store_id,
            index_key: *index_key,
        })
    }
}

/// The database, writable or not.
pub(crate) enum Db {
    /// The lock is taken for writing by compaction alone, which must have the database for itself.
    Writable(RwLock<redb::Database>),
    ReadOnly(redb::ReadOnlyDatabase),
}

impl core::fmt::Debug for Db {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Writable(_) => "Db::Writable",
            Self::ReadOnly(_) => "Db::ReadOnly",
        })
    }
}

impl Db {
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Error> {
        match self {
            Self::Writable(db) => db
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .begin_read(),
            Self::ReadOnly(db) => db.begin_read(),
        }
        .during("beginning to read")
    }

    /// Begins to write; [`Error::Closed`] for a store opened for reading only, which no writer is made for.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Error> {
        match self {
            Self::Writable(db) => db
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .begin_write()
                .during("beginning to write"),
            Self::ReadOnly(_) => Err(Error::Closed),
        }
    }

    /// Moves pages to the front of the file and cuts off its end. Nobody can begin to read meanwhile.
    pub(crate) fn compact(&self) -> Result<bool, Error> {
        match self {
            Self::Writable(db) => {
                let mut db = db.write().unwrap_or_else(PoisonError::into_inner);
                match db.compact() {
                    Err(redb::CompactionError::TransactionInProgress) => Err(Error::SnapshotsOpen),
                    result => result.during("compacting"),
                }
            }
            Self::ReadOnly(_) => Err(Error::Closed),
        }
    }
}

/// Reads a row of [`META`] as bytes.
pub(crate) fn read_meta(txn: &ReadTransaction, key: MetaKey) -> Result<Option<Vec<u8>>, Error> {
    let table = txn.open_table(META).during("opening meta-1")?;
    let row = table.get(key as u8).during("reading meta-1")?;
    Ok(row.map(|row| row.value().to_vec()))
}

/// [`WALLETS`] as readers see it.
pub(crate) type WalletTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The rows of wallets; `None` in a store that was made before there were any and is opened for reading only.
pub(crate) fn wallets(txn: &ReadTransaction) -> Result<Option<WalletTable>, Error> {
    match txn.open_table(WALLETS) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(Error::storage("opening wallets-1", error)),
    }
}

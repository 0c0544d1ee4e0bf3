use redb::ReadableTable as _;
use zeroize::Zeroizing;

use super::super::Writer;
use super::super::transaction::Transaction;
use crate::error::{During as _, Error};
use crate::oplog::{OpKind, VALUE_BYTES_MAX};
use crate::profile::ProfileError;
use crate::profile::change::referenced;
use crate::profile::fold::{Counted, KeyState};
use crate::profile::merge::Merger;
use crate::profile::sealed::{Nonces, OVERHEAD_BYTES, Place, SealedValue};
use crate::profile::session::Session;
use crate::replica::Lookup;
use crate::tables::row::BlockRow;
use crate::tables::schema::{BLOCKS, KEYS, value_key};

impl Writer {
    /// Joins values with what a key has, and seals the outcome.
    pub(super) fn merge_value(
        &self,
        tx: &Transaction,
        session: &Session,
        key: &str,
        merger: Merger,
        values: &[Zeroizing<String>],
    ) -> Result<SealedValue, Error> {
        let state = {
            let keys = tx.txn.open_table(KEYS).during("opening keys-2")?;
            let newest = Lookup {
                recent: &self.recent,
                logs: &self.replica.numbers,
                end: u64::MAX,
            };
            newest.key(&keys, &value_key(session.number, key))?
        };
        let mut stored = Vec::new();
        for counted in state.as_ref().map(KeyState::puts).unwrap_or_default() {
            stored.push(self.read_value(tx, session, key, counted)?);
        }
        // What some device wrote and no rule can read loses against what this one writes.
        let stored = stored
            .iter()
            .filter_map(|value| core::str::from_utf8(value).ok());
        let all: Vec<_> = stored
            .chain(values.iter().map(|value| value.as_str()))
            .collect();
        let joined = Zeroizing::new(merger.merge_all(key, &all).unwrap_or_default());
        let limit = VALUE_BYTES_MAX - OVERHEAD_BYTES;
        if joined.len() > limit {
            return Err(ProfileError::ValueLength {
                found: joined.len(),
                limit,
            }
            .into());
        }
        Ok(session
            .seal(key, joined.as_bytes(), Place::Row, &mut Nonces::new())
            .map_err(ProfileError::from)?)
    }

    /// Opens the value of an operation, in the database or in this commit.
    fn read_value(
        &self,
        tx: &Transaction,
        session: &Session,
        key: &str,
        counted: &Counted,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let start = usize::try_from(counted.place.start).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(counted.place.len).unwrap_or(usize::MAX));
        let sealed = Self::block_part(tx, counted.place.block, start..end)?;
        let (sealed, place) = match counted.kind {
            OpKind::Ref => (self.referenced_block(tx, &sealed)?, Place::Block),
            _ => (sealed, Place::Row),
        };
        let aad = crate::profile::sealed::Aad {
            profile: &session.id,
            key,
            place,
        };
        session.sealer.open(&aad, &sealed).map_err(|source| {
            ProfileError::Open {
                key: key.to_owned(),
                source,
            }
            .into()
        })
    }

    fn referenced_block(&self, tx: &Transaction, reference: &[u8]) -> Result<Vec<u8>, Error> {
        let hash = referenced(reference);
        let seq = match hash {
            Some(hash) => self.shared.locate(self.shared.fingerprint(&hash))?,
            None => None,
        };
        let seq = seq.ok_or_else(|| {
            Error::corrupted(
                "blocks-1",
                "a value",
                "INV-COUNT-1: a named block is not stored",
            )
        })?;
        Self::block_part(tx, seq, 0..usize::MAX)
    }

    fn block_part(
        tx: &Transaction,
        seq: u64,
        part: core::ops::Range<usize>,
    ) -> Result<Vec<u8>, Error> {
        let take = |bytes: &[u8]| {
            let end = part.end.min(bytes.len());
            bytes.get(part.start..end).unwrap_or_default().to_vec()
        };
        let new = seq.checked_sub(tx.first_new);
        if let Some(row) = new.and_then(|at| tx.rows.get(usize::try_from(at).ok()?)) {
            return Ok(row
                .source
                .block()
                .map_or_else(Vec::new, |(_, bytes)| take(bytes)));
        }
        let table = tx.txn.open_table(BLOCKS).during("opening blocks-1")?;
        let row = table.get(seq).during("reading a block")?;
        let row = row.ok_or_else(|| {
            Error::corrupted(
                "blocks-1",
                seq,
                "INV-KEY-1: a value in a block that is gone",
            )
        })?;
        Ok(take(BlockRow::decode(seq, row.value())?.bytes))
    }
}

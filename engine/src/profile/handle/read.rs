use core::ops::{Bound, RangeBounds};
use std::sync::Arc;

use redb::ReadOnlyTable;
use zeroize::Zeroizing;

use super::Value;
use crate::error::{During as _, Error};
use crate::oplog::identity::LogId;
use crate::oplog::{HybridTime, OpKind};
use crate::profile::ProfileError;
use crate::profile::change::referenced;
use crate::profile::fold::{Counted, KeyState, ValueVersion};
use crate::profile::keys::{Class, classify};
use crate::profile::merge::Merger;
use crate::profile::sealed::{Aad, Place};
use crate::profile::session::Session;
use crate::replica::{KeyPage, stored_key};
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::decode_key;
use crate::tables::schema::{LOCAL, value_key};

/// Keys taken from memory at once in a walk over keys.
const PAGE_KEYS: usize = 256;

/// A key as it is stored, and what counts of it.
type Row = (Box<[u8]>, KeyState);

/// A profile at the time of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct ProfileView<'s> {
    snapshot: &'s Snapshot,
    session: &'s Arc<Session>,
}

/// What is known of a key without opening its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The key.
    pub key: String,
    /// What tells its value from every earlier and later one.
    pub version: ValueVersion,
    /// When it was last written.
    pub time: HybridTime,
    /// The log that wrote it last.
    pub log: LogId,
    /// Length of its sealed values in bytes; those in blocks of their own count with their references.
    pub sealed_bytes: u64,
}

impl<'s> ProfileView<'s> {
    pub(super) const fn new(snapshot: &'s Snapshot, session: &'s Arc<Session>) -> Self {
        Self { snapshot, session }
    }

    /// The value of a key; `None` if it has none.
    ///
    /// # Errors
    /// [`ProfileError::Open`] if it was not sealed for this key; [`Error::Io`], [`Error::Corrupted`].
    pub fn get(&self, key: &str) -> Result<Option<Value>, Error> {
        let class = classify(key);
        if !class.is_replicated() {
            return self.get_local(key);
        }
        let stored = value_key(self.session.number, key);
        let lookup = self.snapshot.lookup()?;
        // The common case needs no copy of the state: one put, in memory.
        let single = lookup
            .recent
            .key(&stored, lookup.end, |state| match state.puts() {
                [put] => Ok(Some(*put)),
                [] => Ok(None),
                _ => Err(Box::new(state.clone())),
            });
        let state = match single {
            Some(Ok(put)) => return put.map(|put| self.single(key, &put)).transpose(),
            Some(Err(state)) => Some(*state),
            None => stored_key(self.snapshot.keys()?.1, lookup.logs, &stored)?,
        };
        match state {
            Some(state) => self.value(key, class, &state),
            None => Ok(None),
        }
    }

    /// What tells the value of a key from every earlier and later one; `None` for a key that was never written.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn version(&self, key: &str) -> Result<Option<ValueVersion>, Error> {
        let (lookup, table) = self.snapshot.keys()?;
        let state = lookup.key(table, &value_key(self.session.number, key))?;
        Ok(state.map(|state| state.version()))
    }

    /// The keys that have a value and start with a prefix, in their order. Those that stay on this device are not
    /// among them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn keys(&self, prefix: &str) -> Result<Keys<'s>, Error> {
        self.walk(prefix.as_bytes(), Some(prefix), Bound::Unbounded)
    }

    /// The keys of a range and their values, in the order of the keys.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn range<'k>(&self, range: impl RangeBounds<&'k str>) -> Result<Values<'s>, Error> {
        let mut keys = self.walk(b"", None, range.end_bound().map(|end| (*end).to_owned()))?;
        match range.start_bound() {
            Bound::Unbounded => {}
            Bound::Included(from) => keys.start(from, false)?,
            Bound::Excluded(from) => keys.start(from, true)?,
        }
        Ok(Values { view: *self, keys })
    }

    /// The keys that start with a prefix and their values, in the order of the keys.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn prefix(&self, prefix: &str) -> Result<Values<'s>, Error> {
        let keys = self.keys(prefix)?;
        Ok(Values { view: *self, keys })
    }

    /// The keys that were written, with their values and when that was; `None` for those that were deleted.
    #[cfg(feature = "automerge")]
    pub(in crate::profile) fn written(&self) -> Result<Written<'s>, Error> {
        let mut keys = self.keys("")?;
        keys.with_deleted = true;
        Ok(Written { view: *self, keys })
    }

    pub(super) fn walk(
        &self,
        from: &[u8],
        prefix: Option<&str>,
        until: Bound<String>,
    ) -> Result<Keys<'s>, Error> {
        let number = self.session.number.to_be_bytes();
        let (_, table) = self.snapshot.keys()?;
        let mut keys = Keys {
            snapshot: self.snapshot,
            table,
            number: self.session.number,
            prefix: prefix.map(str::to_owned),
            until,
            page: Vec::new().into_iter().peekable(),
            page_is_last: false,
            page_from: Bound::Unbounded,
            rows: None,
            row: None,
            is_done: false,
            with_deleted: false,
        };
        keys.seek(Bound::Included([&number[..], from].concat()))?;
        Ok(keys)
    }

    fn get_local(&self, key: &str) -> Result<Option<Value>, Error> {
        let txn = self.snapshot.txn();
        let table = txn.open_table(LOCAL).during("opening local-1")?;
        let row = table.get(value_key(self.session.number, key).as_slice());
        let Some(row) = row.during("reading a local value")? else {
            return Ok(None);
        };
        let opened = self.open(key, Place::Row, row.value())?;
        Ok(Some(Value::local(opened)))
    }

    /// The value that the operations of a key come to.
    fn value(&self, key: &str, class: Class, state: &KeyState) -> Result<Option<Value>, Error> {
        let Some(last) = state.puts().last() else {
            return Ok(None);
        };
        let bytes = match (class, state.puts()) {
            (Class::Synced(merger), puts) if puts.len() > 1 => self.merged(key, merger, puts)?,
            _ => self.read(key, last)?,
        };
        Ok(Some(Value::written(bytes, last, self.session.log)))
    }

    fn single(&self, key: &str, put: &Counted) -> Result<Value, Error> {
        let bytes = self.read(key, put)?;
        Ok(Value::written(bytes, put, self.session.log))
    }

    /// Joins the values of several logs, in the order of their operations.
    fn merged(
        &self,
        key: &str,
        merger: Merger,
        puts: &[Counted],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut all = Vec::with_capacity(puts.len());
        for counted in puts {
            all.push(self.read(key, counted)?);
        }
        let texts = all
            .iter()
            .filter_map(|bytes| core::str::from_utf8(bytes).ok());
        let joined = merger.merge_all(key, &texts.collect::<Vec<_>>());
        let joined = joined.map(|joined| Zeroizing::new(joined.into_bytes()));
        // None is text: the last one counts.
        Ok(joined.or_else(|| all.pop()).unwrap_or_default())
    }

    /// Opens the value of one operation.
    fn read(&self, key: &str, counted: &Counted) -> Result<Zeroizing<Vec<u8>>, Error> {
        let block = counted.place.block;
        let (row, bytes_start) = self.snapshot.block(block)?.ok_or_else(|| {
            Error::corrupted(
                "blocks-1",
                block,
                "INV-KEY-1: a value in a block that is gone",
            )
        })?;
        let place = &counted.place;
        let start = bytes_start.saturating_add(usize::try_from(place.start).unwrap_or(usize::MAX));
        let end = start.saturating_add(usize::try_from(place.len).unwrap_or(usize::MAX));
        let sealed = row.value().get(start..end).ok_or_else(|| {
            Error::corrupted(
                "blocks-1",
                block,
                "INV-KEY-1: a value beyond the end of its block",
            )
        })?;
        self.open_operation(key, counted.kind, sealed)
    }

    /// Opens the value of an operation that puts it, or refers to it.
    pub(in crate::profile) fn open_operation(
        &self,
        key: &str,
        kind: OpKind,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        if kind != OpKind::Ref {
            return self.open(key, Place::Row, sealed);
        }
        let hash = referenced(sealed)
            .ok_or_else(|| Error::corrupted("blocks-1", key, "a reference that names no block"))?;
        let found = self.snapshot.get(&hash)?.ok_or_else(|| {
            Error::corrupted("blocks-1", hash, "INV-COUNT-1: a named block is not stored")
        })?;
        self.open(key, Place::Block, found.as_ref())
    }

    fn open(&self, key: &str, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let aad = Aad {
            profile: &self.session.id,
            key,
            place,
        };
        self.session.sealer.open(&aad, sealed).map_err(|source| {
            ProfileError::Open {
                key: key.to_owned(),
                source,
            }
            .into()
        })
    }
}

/// The keys of a profile that have a value, in their order.
pub struct Keys<'s> {
    snapshot: &'s Snapshot,
    table: &'s ReadOnlyTable<&'static [u8], &'static [u8]>,
    number: u32,
    prefix: Option<String>,
    until: Bound<String>,
    /// The next keys that are in memory, whether there are more behind them, and where those begin.
    page: core::iter::Peekable<std::vec::IntoIter<Row>>,
    page_is_last: bool,
    page_from: Bound<Vec<u8>>,
    rows: Option<redb::Range<'static, &'static [u8], &'static [u8]>>,
    row: Option<Row>,
    is_done: bool,
    with_deleted: bool,
}

impl core::fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Keys<'_> {
    fn start(&mut self, from: &str, exclusive: bool) -> Result<(), Error> {
        let key = value_key(self.number, from);
        self.seek(if exclusive {
            Bound::Excluded(key)
        } else {
            Bound::Included(key)
        })
    }

    fn seek(&mut self, from: Bound<Vec<u8>>) -> Result<(), Error> {
        let bound = from.as_ref().map(Vec::as_slice);
        let rows = self.table.range::<&[u8]>((bound, Bound::Unbounded));
        self.rows = Some(rows.during("reading keys")?);
        self.row = None;
        self.page_from = from;
        self.turn_page()?;
        self.next_row()
    }

    fn turn_page(&mut self) -> Result<(), Error> {
        let lookup = self.snapshot.lookup()?;
        let from = self.page_from.as_ref().map(Vec::as_slice);
        let (page, is_last): (KeyPage, bool) =
            lookup
                .recent
                .page(from, Bound::Unbounded, lookup.end, PAGE_KEYS);
        if let Some((last, _)) = page.last() {
            self.page_from = Bound::Excluded(last.to_vec());
        }
        self.page_is_last = is_last;
        self.page = page.into_iter().peekable();
        Ok(())
    }

    fn next_row(&mut self) -> Result<(), Error> {
        self.row = None;
        let next = self.rows.as_mut().and_then(Iterator::next);
        let Some(row) = next else {
            return Ok(());
        };
        let (key, row) = row.during("reading keys")?;
        let logs = self.snapshot.lookup()?.logs;
        let state = decode_key(key.value(), row.value(), |number| logs.log(number))?;
        self.row = Some((key.value().into(), state));
        Ok(())
    }

    /// The next key in memory or in the table; what is in memory is newer.
    pub(super) fn advance(&mut self) -> Result<Option<Row>, Error> {
        if self.page.peek().is_none() && !self.page_is_last {
            self.turn_page()?;
        }
        let from_table = match (self.page.peek(), &self.row) {
            (None, None) => return Ok(None),
            (Some((recent, _)), Some((row, _))) => {
                if recent == row {
                    self.next_row()?;
                    false
                } else {
                    row < recent
                }
            }
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        if !from_table {
            return Ok(self.page.next());
        }
        let row = self.row.take();
        self.next_row()?;
        Ok(row)
    }

    fn next_state(&mut self) -> Result<Option<(String, KeyState)>, Error> {
        while !self.is_done {
            let Some((key, state)) = self.advance()? else {
                break;
            };
            let Some(name) = key.strip_prefix(&self.number.to_be_bytes()) else {
                break;
            };
            let name = String::from_utf8_lossy(name).into_owned();
            let ends = match &self.until {
                Bound::Unbounded => false,
                Bound::Included(until) => name > *until,
                Bound::Excluded(until) => name >= *until,
            };
            let outside = self
                .prefix
                .as_ref()
                .is_some_and(|prefix| !name.starts_with(prefix.as_str()));
            if ends || outside {
                break;
            }
            // A key that stays on a device has no business in a log; what a peer wrote of it is not looked at.
            let counts = self.with_deleted || !state.puts().is_empty();
            if counts && classify(&name).is_replicated() {
                return Ok(Some((name, state)));
            }
        }
        self.is_done = true;
        Ok(None)
    }
}

impl Iterator for Keys<'_> {
    type Item = Result<KeyInfo, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, state) = match self.next_state() {
            Ok(found) => found?,
            Err(error) => {
                self.is_done = true;
                return Some(Err(error));
            }
        };
        let last = state.puts().last()?;
        let lengths = state.puts().iter().map(|put| u64::from(put.place.len));
        Some(Ok(KeyInfo {
            version: state.version(),
            time: last.stamp.time,
            log: last.stamp.log,
            sealed_bytes: lengths.sum(),
            key,
        }))
    }
}

/// Keys of a profile and their values, in the order of the keys.
#[derive(Debug)]
pub struct Values<'s> {
    view: ProfileView<'s>,
    keys: Keys<'s>,
}

impl Iterator for Values<'_> {
    type Item = Result<(String, Value), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (key, state) = match self.keys.next_state() {
                Ok(found) => found?,
                Err(error) => {
                    self.keys.is_done = true;
                    return Some(Err(error));
                }
            };
            match self.view.value(&key, classify(&key), &state) {
                Ok(Some(value)) => return Some(Ok((key, value))),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Keys of a profile that were written, in their order.
#[cfg(feature = "automerge")]
#[derive(Debug)]
pub(in crate::profile) struct Written<'s> {
    view: ProfileView<'s>,
    keys: Keys<'s>,
}

#[cfg(feature = "automerge")]
impl Iterator for Written<'_> {
    type Item = Result<(String, Option<Value>, HybridTime), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, state) = match self.keys.next_state() {
            Ok(found) => found?,
            Err(error) => {
                self.keys.is_done = true;
                return Some(Err(error));
            }
        };
        let time = state.iter().map(|counted| counted.stamp.time).max();
        let value = self.view.value(&key, classify(&key), &state);
        Some(value.map(|value| (key, value, time.unwrap_or(HybridTime::ZERO))))
    }
}

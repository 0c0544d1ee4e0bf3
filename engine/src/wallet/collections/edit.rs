use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::row::Row;
use super::{CollectionKind, Collections};
use crate::batch::WriteBatch;
use crate::error::Error;
use crate::profile::ProfileError;
use crate::profile::envelope::{LamportClock, LamportTime};
use crate::snapshot::Snapshot;

use super::CollectionError;

/// Times a change is worked out again because somebody else was faster.
const ATTEMPTS_MAX: usize = 64;

/// The clocks of this process, each made from the stored rows when it is needed first.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    outbox: Option<LamportClock>,
    sent: Option<LamportClock>,
}

/// A change in the making: rows as they are, and what becomes of them.
pub(super) struct Edit<'c> {
    collections: &'c Collections,
    snapshot: Snapshot,
    batch: WriteBatch,
    read: BTreeSet<String>,
    has_changes: bool,
}

impl Collections {
    /// Works a change out and commits it, again and again until nobody has come between.
    pub(super) fn edit<T>(
        &self,
        mut work: impl FnMut(&mut Edit<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut attempts = 0;
        loop {
            let mut edit = Edit {
                collections: self,
                snapshot: self.wallet.engine().snapshot()?,
                batch: self.wallet.engine().begin(),
                read: BTreeSet::new(),
                has_changes: false,
            };
            let done = work(&mut edit)?;
            let Edit {
                snapshot,
                batch,
                has_changes,
                ..
            } = edit;
            // The snapshot ends before the commit, or what the commit frees could not be used again.
            drop(snapshot);
            if !has_changes {
                return Ok(done);
            }
            attempts += 1;
            match batch.commit() {
                Ok(_) => return Ok(done),
                Err(Error::Profile(ProfileError::Conflict { .. })) if attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Edit<'_> {
    /// The text under a key, which must still be there when the change is applied.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        let profile = self.collections.wallet.profile();
        let view = self.snapshot.profile(profile);
        if self.read.insert(key.to_owned()) {
            let version = view.version(key)?;
            self.batch.expect_version(profile, key, version)?;
        }
        let value = view.get(key)?;
        Ok(value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()))
    }

    pub(super) fn put(&mut self, key: &str, text: &str) -> Result<(), Error> {
        self.has_changes = true;
        let profile = self.collections.wallet.profile();
        self.batch.put_value(profile, key, text.as_bytes())
    }

    /// Has nothing stand under a key any more.
    pub(super) fn erase(&mut self, key: &str) -> Result<(), Error> {
        self.has_changes = true;
        let profile = self.collections.wallet.profile();
        self.batch.delete_value(profile, key)
    }

    /// The number of the next write to a row.
    pub(super) fn next_lamport(
        &mut self,
        kind: CollectionKind,
        row: Option<&str>,
    ) -> Result<LamportTime, Error> {
        let row = row.map(Row::lamport_of).unwrap_or_default();
        self.with_clock(kind, |clock| {
            // What is stored here was taken in already, whoever wrote it.
            clock.rehydrate(&[row]);
            clock.next(&[])
        })
    }

    /// Lets the clock of a collection run on.
    pub(super) fn with_clock<T, E: Into<CollectionError>>(
        &mut self,
        kind: CollectionKind,
        run: impl FnOnce(&mut LamportClock) -> Result<T, E>,
    ) -> Result<T, Error> {
        let clocks = &self.collections.clocks;
        let mut clocks = clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match kind {
            CollectionKind::Sent => &mut clocks.sent,
            _ => &mut clocks.outbox,
        };
        let clock = match place {
            Some(clock) => clock,
            None => place.insert(self.stored_clock(kind)?),
        };
        Ok(run(clock).map_err(Into::into)?)
    }

    /// A clock that stands above every stored row.
    fn stored_clock(&self, kind: CollectionKind) -> Result<LamportClock, Error> {
        let view = self.snapshot.profile(self.collections.wallet.profile());
        let mut clock = LamportClock::default();
        for row in view.prefix(&kind.prefix(self.collections.wallet.address()))? {
            match row {
                Ok((_, value)) => {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    clock.rehydrate(&[Row::lamport_of(&text)]);
                }
                Err(Error::Profile(ProfileError::Open { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(clock)
    }
}

//! What a wallet derives from its tokens and keeps on the device as one row.

mod build;
mod values;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::values::{
    Balance, HistoryEntry, InvoiceEntry, InvoiceState, SentToken, SpentState, WalletViews,
};

use self::build::{Stamp, build};
use self::values::StoredViews;
use super::Wallet;
use crate::error::Error;
use crate::options::Durability;
use crate::profile::ProfileError;
use crate::snapshot::Snapshot;
use crate::wallet::views::OwnAddress;

/// The views as they were made or read last. Whoever holds the lock makes them; the others wait and have them too.
#[derive(Debug, Default)]
pub(super) struct Derived {
    kept: Option<(Stamp, Arc<WalletViews>)>,
    made: u64,
}

impl Wallet {
    /// What follows from the tokens: spent states, what was sent and to whom, the history, balances, names and invoices.
    ///
    /// It is kept in one row, which stays on this device, beside what tells the state of the wallet that it was made from.
    /// As long as that is the wallet's state, this reads it; else it is made again from the tokens, once, however many ask.
    /// That the row cannot be written is no error: it will be made again.
    ///
    /// What was received is told from what was minted for others by the addresses in the tokens that have this wallet's
    /// address id.
    ///
    /// # Errors
    /// Those of reading.
    pub fn views(&self) -> Result<Arc<WalletViews>, Error> {
        self.views_of(None)
    }

    /// The same for a wallet whose own address is known, as it is written in tokens.
    ///
    /// # Errors
    /// Those of [`views`](Self::views).
    pub fn views_of(&self, own: Option<&OwnAddress>) -> Result<Arc<WalletViews>, Error> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.engine().snapshot()?;
        let stamp = Stamp::of(self, &snapshot, own)?;
        if let Some((kept, views)) = &derived.kept
            && *kept == stamp
        {
            return Ok(Arc::clone(views));
        }
        let stored = self.stored_views(&snapshot)?;
        let views = match stored {
            Some(stored) if stored.stamp == stamp.as_str() => Arc::new(stored.views),
            stored => {
                let earlier = stored.map(|stored| stored.views).unwrap_or_default();
                let views = build(self, &snapshot, own, &earlier)?;
                // The snapshot ends before the commit, or what the commit frees could not be used again.
                drop(snapshot);
                derived.made += 1;
                let stored = StoredViews {
                    stamp: stamp.as_str().to_owned(),
                    views,
                };
                if let Err(error) = self.store_views(&stored) {
                    tracing::warn!(%error, "the views of a wallet were not kept");
                }
                Arc::new(stored.views)
            }
        };
        derived.kept = Some((stamp, Arc::clone(&views)));
        Ok(views)
    }

    /// How often this wallet and its clones have made the views from the tokens.
    pub fn views_made(&self) -> u64 {
        let derived = self.derived.lock();
        derived.unwrap_or_else(PoisonError::into_inner).made
    }

    fn views_key(&self) -> String {
        format!("deriver.{}.all", self.address)
    }

    /// The row. One that cannot be read is as good as none.
    fn stored_views(&self, snapshot: &Snapshot) -> Result<Option<StoredViews>, Error> {
        let value = match snapshot.profile(&self.profile).get(&self.views_key()) {
            Ok(value) => value,
            Err(Error::Profile(ProfileError::Open { .. })) => None,
            Err(error) => return Err(error),
        };
        let stored = value.and_then(|value| {
            let stored = serde_json::from_slice(value.as_bytes());
            stored
                .inspect_err(|_| tracing::warn!("the kept views of a wallet cannot be read"))
                .ok()
        });
        Ok(stored)
    }

    fn store_views(&self, stored: &StoredViews) -> Result<(), Error> {
        let key = self.views_key();
        let text = serde_json::to_vec(stored).map_err(|source| ProfileError::Type {
            key: key.clone(),
            source,
        })?;
        // What is lost is made again.
        let mut batch = self.engine().begin().durability(Durability::Buffered);
        batch.put_value(&self.profile, &key, &text)?;
        batch.commit().map(drop)
    }
}

pub(super) type SharedDerived = Arc<Mutex<Derived>>;

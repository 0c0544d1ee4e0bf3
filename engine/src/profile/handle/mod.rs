//! An open profile: what an application calls.

mod delta_file;
mod devices;
mod entries;
pub(in crate::profile) mod history;
mod live;
mod membership;
mod proof;
mod read;
mod value;
mod write;

use std::sync::Arc;

pub use self::delta_file::DeltaExport;
pub use self::devices::Device;
pub(crate) use self::entries::EntrySums;
pub use self::entries::{CaughtUp, EntryItem, LogEntries, OwnEntries, SentEntry};
pub use self::history::{
    CheckpointParts, Delta, IngestOutcome, LoggedOperation, ParkedCommit, Whole,
};
pub use self::live::{LiveBound, LiveItem, LiveOperations};
pub use self::read::{KeyInfo, Keys, ProfileView, Values};
pub use self::value::Value;

use super::ProfileError;
use super::envelope::EntryKind;
use super::fold::ValueVersion;
use super::sealed::{ProfileId, SealingKey, WalletSecret};
use super::session::Session;
use super::watch::Watch;
use crate::engine::Engine;
use crate::error::{During as _, Error};
use crate::oplog::identity::{DeviceId, LogId, ProfileSigner};
use crate::snapshot::Snapshot;
use crate::tables::profile_rows::ProfileRow;
use crate::tables::schema::PROFILES;
use crate::writer::{Command, CompactedLog, OpenProfile};

/// The keys and values of one wallet's user, replicated between the user's devices. Cheap to clone.
///
/// Values are sealed before they leave the calling thread, and every write is a signed commit to this device's log.
/// What a key's class is, the table of [`keys`](super::keys) says: most keys keep the last write, some merge what
/// several devices wrote, some stay on this device.
///
/// ```
/// use uxf_engine::profile::sealed::WalletSecret;
/// use uxf_engine::{Engine, EngineOptions};
///
/// let secret = WalletSecret::take(&mut [7; 32]);
/// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
/// let profile = engine.profile(&secret, "phone").unwrap();
/// profile.put("addresses.tracked", b"[0, 1]").unwrap();
/// assert_eq!(profile.get("addresses.tracked").unwrap().unwrap(), b"[0, 1]");
///
/// // Another device of the same wallet gets what it lacks, over whatever carries bytes.
/// let other = Engine::in_memory(EngineOptions::new()).unwrap();
/// let laptop = other.profile(&secret, "laptop").unwrap();
/// let delta = profile.delta_for(&laptop.version_vector().unwrap(), 1 << 20).unwrap();
/// laptop.ingest(&delta).unwrap();
/// assert_eq!(laptop.get("addresses.tracked").unwrap().unwrap(), b"[0, 1]");
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    pub(super) engine: Engine,
    pub(super) session: Arc<Session>,
}

impl Engine {
    /// The profile of a wallet, made in this store if it is not there. The device gets a key of its own, certified by
    /// the wallet's, and a name for people, of at most 64 bytes.
    ///
    /// A store that was copied or restored goes on in a new epoch, that is a log of its own, so that two stores never
    /// write one log.
    ///
    /// # Errors
    /// [`Error::Profile`] if the secret is no private key, or the name too long; those of a commit.
    pub fn profile(&self, secret: &WalletSecret, device_name: &str) -> Result<Profile, Error> {
        self.open_with(secret, Some(device_name.to_owned()))
    }

    /// The profile of a wallet, if the store has it.
    ///
    /// # Errors
    /// [`ProfileError::NotFound`]; those of [`profile`](Self::profile).
    pub fn open_profile(&self, secret: &WalletSecret) -> Result<Profile, Error> {
        self.open_with(secret, None)
    }

    /// The profiles that the store has.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn profiles(&self) -> Result<Vec<ProfileId>, Error> {
        let snapshot = self.snapshot()?;
        let table = snapshot.txn().open_table(PROFILES);
        let table = table.during("opening profiles-1")?;
        let mut profiles = Vec::new();
        for row in table.range::<u32>(0..).during("reading profiles")? {
            let (number, row) = row.during("reading profiles")?;
            profiles.push(ProfileRow::decode(number.value(), row.value())?.id);
        }
        Ok(profiles)
    }

    fn open_with(&self, secret: &WalletSecret, create: Option<String>) -> Result<Profile, Error> {
        let open = OpenProfile {
            key: SealingKey::derive(secret),
            signer: ProfileSigner::new(secret).map_err(ProfileError::from)?,
            create,
        };
        let session = self.ask(|reply| Command::OpenProfile(Box::new(open), reply))?;
        Ok(Profile {
            engine: self.clone(),
            session,
        })
    }
}

impl Profile {
    /// Who the profile is.
    pub fn id(&self) -> &ProfileId {
        &self.session.id
    }

    /// The device this store writes as.
    pub fn device(&self) -> DeviceId {
        self.session.log.device
    }

    /// The log this store writes.
    pub fn log_id(&self) -> LogId {
        self.session.log
    }

    /// The store it is part of.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Values sealed on this device under the profile's key. Beyond
    /// [`SEALS_WARNING`](super::sealed::SEALS_WARNING) of them it is time for another wallet key.
    pub fn sealed_values(&self) -> u64 {
        self.session.sealer.sealed()
    }

    /// The value of a key; `None` if it has none.
    ///
    /// # Errors
    /// [`ProfileError::Open`] if it was not sealed for this key; [`Error::Io`], [`Error::Corrupted`].
    pub fn get(&self, key: &str) -> Result<Option<Value>, Error> {
        self.engine.snapshot()?.profile(self).get(key)
    }

    /// Sets the value of a key and commits. Where the key's class merges values, the value is joined with what is
    /// there.
    ///
    /// # Errors
    /// Those of [`WriteBatch::put_value`](crate::WriteBatch::put_value) and of a commit.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        let mut batch = self.engine.begin();
        batch.put_value(self, key, value)?;
        batch.commit().map(drop)
    }

    /// Deletes the value of a key and commits. A key without a value is no error: the deletion counts against what
    /// other devices wrote before.
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        let mut batch = self.engine.begin();
        batch.delete_value(self, key)?;
        batch.commit().map(drop)
    }

    /// Sets a value, or with `None` deletes it, if it is what is expected. Whether it was.
    ///
    /// The comparison and the write are one step: no write of another thread, or delta of another device, comes
    /// between.
    ///
    /// # Errors
    /// Those of [`get`](Self::get) and [`put`](Self::put).
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool, Error> {
        loop {
            let snapshot = self.engine.snapshot()?;
            let view = snapshot.profile(self);
            let found = view.get(key)?;
            if found.as_ref().map(AsRef::as_ref) != expected {
                return Ok(false);
            }
            let version = view.version(key)?;
            let mut batch = self.engine.begin();
            batch.expect_version(self, key, version)?;
            match new {
                Some(value) => batch.put_value(self, key, value)?,
                None => batch.delete_value(self, key)?,
            }
            match batch.commit() {
                Ok(_) => return Ok(true),
                // Somebody was faster; the value may still be the same.
                Err(Error::Profile(ProfileError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The value of a key read as JSON.
    ///
    /// # Errors
    /// [`ProfileError::Type`]; those of [`get`](Self::get).
    pub fn get_json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let value = self.get(key)?;
        value.map(|value| value.json(key)).transpose()
    }

    /// Sets the value of a key, written as JSON, and commits.
    ///
    /// # Errors
    /// [`ProfileError::Type`] if it cannot be written; those of [`put`](Self::put).
    pub fn put_json<T: serde::Serialize>(&self, key: &str, value: &T) -> Result<(), Error> {
        let json = zeroize::Zeroizing::new(serde_json::to_vec(value).map_err(|source| {
            ProfileError::Type {
                key: key.to_owned(),
                source,
            }
        })?);
        self.put(key, &json)
    }

    /// Watches the keys with a prefix, from now on.
    pub fn watch(&self, prefix: &str) -> Watch {
        let shared = self.engine.shared();
        shared.watchers.watch(self.session.number, prefix)
    }

    /// Lets go of this device's operations that no longer count: what counts is put together in segments, and the
    /// device signs for it, so that other devices can take it without the history. No value changes.
    ///
    /// The logs of other devices are compacted when their own checkpoints arrive.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn compact(&self) -> Result<CompactedLog, Error> {
        let session = Arc::clone(&self.session);
        self.engine
            .ask(|reply| Command::CompactProfile(session, reply))
    }

    /// Makes everything durable that was written with
    /// [`Durability::Buffered`](crate::Durability::Buffered).
    ///
    /// # Errors
    /// Those of [`Engine::flush`].
    pub fn flush(&self) -> Result<(), Error> {
        self.engine.flush()
    }
}

impl Snapshot {
    /// The profile as it was when the snapshot was opened.
    pub fn profile<'s>(&'s self, profile: &'s Profile) -> ProfileView<'s> {
        ProfileView::new(self, &profile.session)
    }
}

/// The kind of entry a write has unless it says otherwise: bookkeeping.
pub(super) const DEFAULT_ENTRY: EntryKind = EntryKind::CacheIndex;

/// What a write of a key expects to find.
pub(super) type Expected = Option<ValueVersion>;

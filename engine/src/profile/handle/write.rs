use std::sync::Arc;

use zeroize::Zeroizing;

use super::{DEFAULT_ENTRY, Expected, Profile};
use crate::batch::WriteBatch;
use crate::error::Error;
use crate::oplog::REFERENCE_BYTES;
use crate::profile::ProfileError;
use crate::profile::change::{Change, LocalPart, ProfilePart, To};
use crate::profile::envelope::EntryKind;
use crate::profile::keys::{Class, classify};
use crate::profile::merge::Merger;
use crate::profile::sealed::{INLINE_BYTES_MAX, KEY_BYTES_MAX, Place};

/// How a reference to a sealed block begins: CID version 1, raw bytes, sha2-256 of 32 bytes.
const REFERENCE_START: [u8; 4] = [0x01, 0x55, 0x12, 0x20];

impl WriteBatch {
    /// Sets a value in a profile, in the same commit as everything else in the batch. Several values of one key: the
    /// last one counts, or where its class merges values, all of them are joined with what is there.
    ///
    /// Values over 1 KiB are kept in sealed blocks of their own. Keys of classes that stay on this device are written
    /// to the part of the store that is never replicated.
    ///
    /// # Errors
    /// [`ProfileError::KeyLength`], [`ProfileError::Seal`], [`ProfileError::Unmergeable`]; [`ProfileError::OtherProfile`]
    /// if the batch writes to another profile already; [`Error::LimitExceeded`].
    pub fn put_value(&mut self, profile: &Profile, key: &str, value: &[u8]) -> Result<(), Error> {
        self.put_entry(profile, DEFAULT_ENTRY, key, value)
    }

    /// Sets a value and says what kind of entry it is.
    ///
    /// # Errors
    /// Those of [`put_value`](Self::put_value).
    pub fn put_entry(
        &mut self,
        profile: &Profile,
        entry: EntryKind,
        key: &str,
        value: &[u8],
    ) -> Result<(), Error> {
        let in_block = value.len() > INLINE_BYTES_MAX;
        self.put_at(profile, entry, key, value, in_block)
    }

    /// Sets a value that gets a sealed block of its own however short it is.
    ///
    /// # Errors
    /// Those of [`put_value`](Self::put_value).
    pub fn put_value_in_block(
        &mut self,
        profile: &Profile,
        key: &str,
        value: &[u8],
    ) -> Result<(), Error> {
        self.put_at(profile, DEFAULT_ENTRY, key, value, true)
    }

    fn put_at(
        &mut self,
        profile: &Profile,
        entry: EntryKind,
        key: &str,
        value: &[u8],
        in_block: bool,
    ) -> Result<(), Error> {
        check_key(key)?;
        let session = &profile.session;
        let to = match classify(key) {
            Class::Synced(Merger::LastWriter) if in_block => {
                let nonces = &mut self.part(profile)?.nonces;
                let sealed = session.seal(key, value, Place::Block, nonces);
                let sealed = sealed.map_err(ProfileError::from)?;
                let hash = self.put_opaque(sealed.as_bytes())?;
                let mut reference = [0; REFERENCE_BYTES];
                let (start, digest) = reference.split_at_mut(REFERENCE_START.len());
                start.copy_from_slice(&REFERENCE_START);
                digest.copy_from_slice(hash.as_bytes());
                To::Block(reference, sealed.as_bytes().len())
            }
            Class::Synced(Merger::LastWriter) => {
                let nonces = &mut self.part(profile)?.nonces;
                let sealed = session.seal(key, value, Place::Row, nonces);
                To::Sealed(sealed.map_err(ProfileError::from)?)
            }
            Class::Synced(merger) => {
                let text = core::str::from_utf8(value).ok();
                let text = text.filter(|text| merger.reads(key, text));
                let text = text.ok_or_else(|| ProfileError::Unmergeable {
                    key: key.to_owned(),
                })?;
                To::Merged(merger, vec![Zeroizing::new(text.to_owned())])
            }
            Class::DeviceLocal | Class::CacheOnly | Class::Identity => {
                let part = self.part(profile)?;
                let sealed = session.seal(key, value, Place::Row, &mut part.nonces);
                let sealed = sealed.map_err(ProfileError::from)?;
                part.bytes += value.len();
                part.local.insert(key.into(), Some(sealed));
                return Ok(());
            }
        };
        let part = self.part(profile)?;
        part.bytes += key.len() + value.len();
        if let (
            To::Merged(_, values),
            Some(Change {
                to: To::Merged(_, before),
                ..
            }),
        ) = (&to, part.changes.get_mut(key))
        {
            before.extend(values.iter().cloned());
            return Ok(());
        }
        part.changes.insert(key.into(), Change { entry, to });
        Ok(())
    }

    /// Deletes a value in a profile, in the same commit as everything else in the batch.
    ///
    /// # Errors
    /// [`ProfileError::KeyLength`], [`ProfileError::OtherProfile`].
    pub fn delete_value(&mut self, profile: &Profile, key: &str) -> Result<(), Error> {
        check_key(key)?;
        let is_replicated = classify(key).is_replicated();
        let part = self.part(profile)?;
        part.bytes += key.len();
        if is_replicated {
            let change = Change {
                entry: DEFAULT_ENTRY,
                to: To::Deleted,
            };
            part.changes.insert(key.into(), change);
        } else {
            part.local.insert(key.into(), None);
        }
        Ok(())
    }

    /// Has the commit fail with [`ProfileError::Conflict`], and nothing of the batch applied, unless the key is in the
    /// state that [`ProfileView::version`](super::ProfileView::version) gave.
    ///
    /// # Errors
    /// [`ProfileError::KeyLength`], [`ProfileError::OtherProfile`].
    pub fn expect_version(
        &mut self,
        profile: &Profile,
        key: &str,
        version: Expected,
    ) -> Result<(), Error> {
        check_key(key)?;
        self.part(profile)?.expected.push((key.into(), version));
        Ok(())
    }

    pub(super) fn part(&mut self, profile: &Profile) -> Result<&mut LocalPart, Error> {
        let new = || {
            let part = LocalPart::new(Arc::clone(&profile.session));
            Box::new(ProfilePart::Local(part))
        };
        match &mut **self.profile_part().get_or_insert_with(new) {
            ProfilePart::Local(part) if part.session.id == profile.session.id => Ok(part),
            _ => Err(ProfileError::OtherProfile.into()),
        }
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    Err(ProfileError::KeyLength {
        found: key.len(),
        limit: KEY_BYTES_MAX,
    }
    .into())
}

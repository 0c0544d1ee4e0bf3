//! Keeping a whole package somewhere: in memory, or as its UXF JSON text under one key of a key-value store.
//!
//! This is the reference's storage, one text per package and nothing finer (format notes, section 9). A store of many
//! tokens that shares elements is the engine's business.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::package::Package;

/// Where a package is kept.
///
/// ```
/// use uxf_codec::carriage::storage::{MemoryStorage, StorageAdapter};
/// use uxf_codec::package::{Envelope, Package, Timestamp};
///
/// let package = Package::new(Envelope::new(Timestamp::from_secs(1)));
/// let mut storage = MemoryStorage::default();
/// storage.save(&package).unwrap();
/// assert_eq!(storage.load().unwrap(), Some(package));
/// storage.clear().unwrap();
/// assert_eq!(storage.load().unwrap(), None);
/// ```
pub trait StorageAdapter {
    /// Replaces what is kept.
    ///
    /// # Errors
    /// Those of [`Package::to_json`], and then what was kept stays; [`Error::Source`] if the store fails.
    fn save(&mut self, package: &Package) -> Result<(), Error>;

    /// Reads what is kept; `None` if there is nothing.
    ///
    /// # Errors
    /// Those of [`Package::from_json`]; [`Error::Source`] if the store fails.
    fn load(&self) -> Result<Option<Package>, Error>;

    /// Forgets what is kept.
    ///
    /// # Errors
    /// [`Error::Source`] if the store fails.
    fn clear(&mut self) -> Result<(), Error>;
}

/// A store of texts by key.
pub trait KeyValue {
    /// Reads a text.
    ///
    /// # Errors
    /// [`Error::Source`] if the store fails.
    fn get(&self, key: &str) -> Result<Option<String>, Error>;

    /// Writes a text.
    ///
    /// # Errors
    /// [`Error::Source`] if the store fails.
    fn set(&mut self, key: &str, text: String) -> Result<(), Error>;

    /// Removes a text.
    ///
    /// # Errors
    /// [`Error::Source`] if the store fails.
    fn remove(&mut self, key: &str) -> Result<(), Error>;
}

/// Keeps a package in memory, as text, so that what is loaded shares nothing with what was saved.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    text: Option<String>,
}

/// Keeps a package in a key-value store.
#[derive(Clone, Debug)]
pub struct KeyValueStorage<S> {
    store: S,
    key: String,
}

impl<S> KeyValueStorage<S> {
    /// The key the reference uses unless told otherwise.
    pub const DEFAULT_KEY: &'static str = "uxf_package";

    /// Keeps the package under [`Self::DEFAULT_KEY`].
    pub fn new(store: S) -> Self {
        Self::with_key(store, Self::DEFAULT_KEY)
    }

    /// Keeps the package under a key.
    pub fn with_key(store: S, key: &str) -> Self {
        Self {
            store,
            key: key.to_owned(),
        }
    }

    /// The store.
    pub fn into_inner(self) -> S {
        self.store
    }
}

impl Package {
    /// Reads the package that a storage keeps.
    ///
    /// # Errors
    /// [`Error::InvalidPackage`] if there is none; those of [`StorageAdapter::load`].
    pub fn open(storage: &impl StorageAdapter) -> Result<Self, Error> {
        storage.load()?.ok_or_else(|| Error::InvalidPackage {
            reason: "the storage holds no package".to_owned(),
        })
    }
}

impl StorageAdapter for MemoryStorage {
    fn save(&mut self, package: &Package) -> Result<(), Error> {
        self.text = Some(package.to_json()?);
        Ok(())
    }

    fn load(&self) -> Result<Option<Package>, Error> {
        self.text.as_deref().map(read).transpose()
    }

    fn clear(&mut self) -> Result<(), Error> {
        self.text = None;
        Ok(())
    }
}

impl<S: KeyValue> StorageAdapter for KeyValueStorage<S> {
    fn save(&mut self, package: &Package) -> Result<(), Error> {
        self.store.set(&self.key, package.to_json()?)
    }

    fn load(&self) -> Result<Option<Package>, Error> {
        let text = self.store.get(&self.key)?;
        // An empty text counts as nothing, as in the reference.
        text.filter(|text| !text.is_empty())
            .as_deref()
            .map(read)
            .transpose()
    }

    fn clear(&mut self) -> Result<(), Error> {
        self.store.remove(&self.key)
    }
}

impl KeyValue for BTreeMap<String, String> {
    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(Self::get(self, key).cloned())
    }

    fn set(&mut self, key: &str, text: String) -> Result<(), Error> {
        self.insert(key.to_owned(), text);
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), Error> {
        Self::remove(self, key);
        Ok(())
    }
}

fn read(text: &str) -> Result<Package, Error> {
    Package::from_json(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn a_package_is_kept_under_its_key_and_an_empty_text_is_none() {
        let mut storage = KeyValueStorage::new(BTreeMap::new());
        storage.save(&Package::default()).unwrap();
        assert_eq!(Package::open(&storage).unwrap(), Package::default());

        let mut texts = storage.into_inner();
        assert_eq!(texts["uxf_package"], Package::default().to_json().unwrap());
        texts.insert("uxf_package".to_owned(), String::new());
        let mut storage = KeyValueStorage::new(texts);
        let error = Package::open(&storage).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidPackage);
        storage.clear().unwrap();
        assert!(storage.into_inner().is_empty());
    }
}

//! What both files of a profile are made of, in canonical DAG-CBOR: keys of maps by length, then by bytes.

use std::collections::{BTreeMap, HashSet};

use super::ProfileFileError;
use crate::bundles::{BundleRef, BundleStatus, UnixSeconds};
use crate::cbor::{self, Cursor, Malformed};
use crate::profile::keys::{Class, classify, to_profile_key};
use crate::profile::merge::{JsText, text_order};

/// Most entries of a file: 100,000.
pub const ENTRIES_MAX: usize = 100_000;
/// Largest value of an entry, in bytes of its text: 8 MiB.
pub const VALUE_BYTES_MAX: usize = 8 << 20;
/// Longest key of an entry, in bytes: twice the longest that a profile has.
pub const KEY_BYTES_MAX: usize = 1024;
/// Most bundles that a file lists.
pub const BUNDLES_MAX: usize = 100_000;
/// Largest file, in bytes: 256 MiB.
pub const FILE_BYTES_MAX: usize = 256 << 20;
/// Most blocks of a file.
pub const BLOCKS_MAX: usize = 200_000;
/// Longest text of a header, in bytes.
pub(super) const HEADER_TEXT_BYTES_MAX: usize = 256;
const CID_TEXT_BYTES_MAX: usize = crate::bundles::CID_TEXT_BYTES_MAX;

const MAP: u8 = 0xa0;

/// Whose profile a file is of, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The wallet's public key, in hex.
    pub chain_pubkey: String,
    /// The network it is on.
    pub network: String,
    /// When, in milliseconds since 1970.
    pub created_at_ms: u64,
}

/// Key and sealed value, the value as base64 text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A bundle that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBundle {
    /// Its id.
    pub cid: String,
    /// Active or superseded; what is unverified goes into no file.
    pub status: BundleStatus,
    /// When it was registered.
    pub created_at: UnixSeconds,
    /// How many tokens it has, as its maker says.
    pub token_count: Option<u64>,
}

impl FileBundle {
    /// The lines of those references that go into a file: all but the unverified, in the order of their ids.
    pub(super) fn of(refs: &[BundleRef]) -> Vec<Self> {
        let verified = refs
            .iter()
            .filter(|bundle| bundle.status() != BundleStatus::Unverified);
        let mut lines: Vec<_> = verified
            .map(|bundle| Self {
                cid: bundle.cid().to_owned(),
                status: bundle.status(),
                created_at: bundle.created_at(),
                token_count: bundle.token_count(),
            })
            .collect();
        lines.sort_by(|a, b| text_order(&a.cid, &b.cid));
        lines
    }
}

/// Seed material and what is derived from it, which never leaves the device but in its owner's hands.
pub(super) fn is_identity(key: &str) -> bool {
    classify(&to_profile_key(key, None).profile_key) == Class::Identity
}

/// When events of the wallet were last seen: a matter of one device, in no file.
pub(super) fn is_event_time(key: &str) -> bool {
    let profile_key = to_profile_key(key, None).profile_key;
    ["transport.lastWalletEventTs.", "transport.lastDmEventTs."]
        .iter()
        .any(|prefix| profile_key.starts_with(prefix))
}

/// Entries in the order of their keys.
pub(super) fn sorted(
    entries: impl IntoIterator<Item = FileEntry>,
) -> Result<Vec<FileEntry>, ProfileFileError> {
    let mut by_key = BTreeMap::new();
    for entry in entries {
        ProfileFileError::check("bytes of a key", entry.key.len(), KEY_BYTES_MAX)?;
        ProfileFileError::check("bytes of a value", entry.value.len(), VALUE_BYTES_MAX)?;
        if by_key
            .insert(JsText::from(entry.key.as_str()), entry.value)
            .is_some()
        {
            return Err(duplicate("the entry", entry.key));
        }
    }
    ProfileFileError::check("entries", by_key.len(), ENTRIES_MAX)?;
    let entries = by_key.into_iter();
    Ok(entries
        .map(|(key, value)| FileEntry {
            key: key.into(),
            value,
        })
        .collect())
}

pub(super) const fn duplicate(what: &'static str, name: String) -> ProfileFileError {
    ProfileFileError::Duplicate { what, name }
}

pub(super) fn write_map(out: &mut Vec<u8>, fields: usize) {
    cbor::head(out, MAP, fields as u64);
}

pub(super) fn write_entries(out: &mut Vec<u8>, entries: &[FileEntry]) {
    cbor::text(out, "entries");
    cbor::head(out, cbor::ARRAY, entries.len() as u64);
    for entry in entries {
        write_map(out, 2);
        cbor::text(out, "key");
        cbor::text(out, &entry.key);
        cbor::text(out, "value");
        cbor::text(out, &entry.value);
    }
}

pub(super) fn write_bundles(out: &mut Vec<u8>, bundles: &[FileBundle]) {
    cbor::text(out, "bundles");
    cbor::head(out, cbor::ARRAY, bundles.len() as u64);
    for bundle in bundles {
        write_map(out, 3 + usize::from(bundle.token_count.is_some()));
        cbor::text(out, "cid");
        cbor::text(out, &bundle.cid);
        cbor::text(out, "status");
        cbor::text(out, bundle.status.as_str());
        write_number(out, "createdAt", bundle.created_at.0);
        if let Some(tokens) = bundle.token_count {
            write_number(out, "tokenCount", tokens);
        }
    }
}

pub(super) fn write_number(out: &mut Vec<u8>, key: &str, number: u64) {
    cbor::text(out, key);
    cbor::head(out, cbor::UNSIGNED, number);
}

pub(super) fn write_text(out: &mut Vec<u8>, key: &str, text: &str) {
    cbor::text(out, key);
    cbor::text(out, text);
}

/// The network and the version, which stand side by side in every root.
pub(super) fn write_kind(out: &mut Vec<u8>, header: &FileHeader, version: u64) {
    write_text(out, "network", &header.network);
    write_number(out, "version", version);
}

/// The time and the key, which stand side by side in every root.
pub(super) fn write_origin(out: &mut Vec<u8>, header: &FileHeader) {
    write_number(out, "createdAt", header.created_at_ms);
    write_text(out, "chainPubkey", &header.chain_pubkey);
}

/// Reads a block of a file.
#[derive(Clone)]
pub(super) struct BlockReader<'a> {
    cursor: Cursor<'a>,
    block: &'static str,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(bytes: &'a [u8], block: &'static str) -> Self {
        let cursor = Cursor::new(bytes);
        Self { cursor, block }
    }

    fn refused(&self, malformed: Malformed) -> ProfileFileError {
        ProfileFileError::Malformed {
            block: self.block,
            offset: malformed.offset,
            expected: malformed.expected,
        }
    }

    pub(super) fn refuse(&self, expected: &'static str) -> ProfileFileError {
        self.refused(self.cursor.malformed(expected))
    }

    pub(super) fn map(&mut self, expected: &'static str) -> Result<u64, ProfileFileError> {
        let found = self.cursor.head(MAP, expected);
        found.map_err(|malformed| self.refused(malformed))
    }

    /// A map with so many fields.
    pub(super) fn map_of(
        &mut self,
        fields: u64,
        expected: &'static str,
    ) -> Result<(), ProfileFileError> {
        let refused = self.refuse(expected);
        if self.map(expected)? == fields {
            Ok(())
        } else {
            Err(refused)
        }
    }

    pub(super) fn key(&mut self, key: &'static str) -> Result<(), ProfileFileError> {
        let refused = self.refuse(key);
        if self.text(key)? == key {
            Ok(())
        } else {
            Err(refused)
        }
    }

    pub(super) fn text(&mut self, expected: &'static str) -> Result<&'a str, ProfileFileError> {
        let found = self.cursor.text(expected);
        found.map_err(|malformed| self.refused(malformed))
    }

    pub(super) fn number(&mut self, expected: &'static str) -> Result<u64, ProfileFileError> {
        const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;
        let refused = self.refuse(expected);
        let found = self.cursor.head(cbor::UNSIGNED, expected);
        let found = found.map_err(|malformed| self.refused(malformed))?;
        if found <= SAFE_INTEGER_MAX {
            Ok(found)
        } else {
            Err(refused)
        }
    }

    pub(super) fn literal(
        &mut self,
        wanted: &[u8],
        expected: &'static str,
    ) -> Result<(), ProfileFileError> {
        let found = self.cursor.literal(wanted, expected);
        found.map_err(|malformed| self.refused(malformed))
    }

    pub(super) fn bytes_of<const N: usize>(
        &mut self,
        expected: &'static str,
    ) -> Result<[u8; N], ProfileFileError> {
        let refused = self.refuse(expected);
        let found = self
            .cursor
            .rest()
            .first_chunk::<N>()
            .copied()
            .ok_or(refused)?;
        self.cursor.skip(N);
        Ok(found)
    }

    pub(super) fn end(&self) -> Result<(), ProfileFileError> {
        self.cursor
            .end()
            .map_err(|malformed| self.refused(malformed))
    }

    pub(super) fn number_at(&mut self, key: &'static str) -> Result<u64, ProfileFileError> {
        self.key(key)?;
        self.number(key)
    }

    /// A text of bounded length under a key.
    pub(super) fn text_at(
        &mut self,
        key: &'static str,
        limit: usize,
    ) -> Result<String, ProfileFileError> {
        self.key(key)?;
        let text = self.text(key)?;
        ProfileFileError::check(key, text.len(), limit)?;
        Ok(text.to_owned())
    }

    /// The length of a list under a key. The items are still to come, so it is believed only up to a limit.
    pub(super) fn list_at(
        &mut self,
        key: &'static str,
        limit: usize,
    ) -> Result<usize, ProfileFileError> {
        self.key(key)?;
        let found = self.cursor.head(cbor::ARRAY, key);
        let found = found.map_err(|malformed| self.refused(malformed))?;
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        ProfileFileError::check(key, found, limit)?;
        Ok(found)
    }

    /// Network and version; another version than `expected` is of another kind of file.
    pub(super) fn kind(&mut self, expected: u64) -> Result<String, ProfileFileError> {
        let network = self.text_at("network", HEADER_TEXT_BYTES_MAX)?;
        match self.number_at("version")? {
            found if found == expected => Ok(network),
            found => Err(ProfileFileError::Version { found, expected }),
        }
    }

    pub(super) fn header(&mut self, network: String) -> Result<FileHeader, ProfileFileError> {
        Ok(FileHeader {
            network,
            created_at_ms: self.number_at("createdAt")?,
            chain_pubkey: self.text_at("chainPubkey", HEADER_TEXT_BYTES_MAX)?,
        })
    }

    /// Entries, each key once. In which order they stand is the writer's matter.
    pub(super) fn entries(&mut self) -> Result<Vec<FileEntry>, ProfileFileError> {
        let count = self.list_at("entries", ENTRIES_MAX)?;
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..count {
            self.map_of(2, "an entry")?;
            let key = self.text_at("key", KEY_BYTES_MAX)?;
            let value = self.text_at("value", VALUE_BYTES_MAX)?;
            if !seen.insert(key.clone()) {
                return Err(duplicate("the entry", key));
            }
            entries.push(FileEntry { key, value });
        }
        Ok(entries)
    }

    pub(super) fn bundles(&mut self) -> Result<Vec<FileBundle>, ProfileFileError> {
        let count = self.list_at("bundles", BUNDLES_MAX)?;
        let (mut bundles, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..count {
            let bundle = self.bundle()?;
            if !seen.insert(bundle.cid.clone()) {
                return Err(duplicate("the bundle", bundle.cid));
            }
            bundles.push(bundle);
        }
        Ok(bundles)
    }

    fn bundle(&mut self) -> Result<FileBundle, ProfileFileError> {
        let fields = self.map("a bundle")?;
        if !matches!(fields, 3 | 4) {
            return Err(self.refuse("a bundle of three or four fields"));
        }
        let cid = self.text_at("cid", CID_TEXT_BYTES_MAX)?;
        self.key("status")?;
        let status = BundleStatus::parse(self.text("status")?);
        let status = status.filter(|status| *status != BundleStatus::Unverified);
        Ok(FileBundle {
            cid,
            status: status.ok_or_else(|| self.refuse("the status active or superseded"))?,
            created_at: UnixSeconds(self.number_at("createdAt")?),
            token_count: match fields {
                4 => Some(self.number_at("tokenCount")?),
                _ => None,
            },
        })
    }
}

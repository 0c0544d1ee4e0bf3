use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use zeroize::Zeroizing;

use super::LegacyError;
use super::lock::{LOCK_FILE, LegacyLock};
use crate::profile::keys::AddressId;
use crate::wallet::directory::LEGACY_FILE;
use crate::wallet::{DirectoryKind, DirectoryLook, RESERVED_NAMES};

/// Where tokens are unless it is said.
const TOKENS: &str = "tokens";
/// Largest file of values: 64 MiB.
const WALLET_FILE_BYTES_MAX: u64 = 64 << 20;
/// Largest file of a token: 16 MiB. Those in use have some kilobytes.
const TOKEN_FILE_BYTES_MAX: u64 = 16 << 20;

/// The directory of a legacy wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyDirectory {
    path: PathBuf,
    tokens: PathBuf,
}

/// What is in a legacy wallet: its values, and where its tokens are. Those are read when they are needed.
#[derive(Debug)]
pub struct LegacyWallet {
    pub(super) file: LegacyFile,
    pub(super) values: BTreeMap<String, Zeroizing<String>>,
    /// Values that are no texts.
    pub(super) odd_values: u64,
    pub(super) addresses: BTreeMap<AddressId, Vec<LegacyFile>>,
    pub(super) directory: LegacyDirectory,
    /// Files that no part of the wallet is known to write there.
    pub(super) unknown: Vec<PathBuf>,
}

/// A file as it was when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LegacyFile {
    pub(super) path: PathBuf,
    /// Without its ending.
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) modified: Option<SystemTime>,
}

/// What a file in the directory of an address has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileRole<'f> {
    /// A token, under the key it has in a token file.
    Token {
        /// What its keys have in common.
        id: &'f str,
    },
    /// Times and versions, of which nothing is needed.
    Meta,
    Tombstones,
    History,
    /// Another list beside the tokens, by its name.
    List(&'f str),
    /// A token of a format before this one.
    Unknown,
}

impl LegacyDirectory {
    /// The legacy wallet in a directory. Its tokens are in `tokens` below it, unless another directory is named.
    ///
    /// # Errors
    /// [`LegacyError::NotLegacy`], [`LegacyError::Io`].
    pub fn find(path: &Path, tokens: Option<&Path>) -> Result<Self, LegacyError> {
        let look = DirectoryLook::at(path).map_err(LegacyError::io(path))?;
        if look.kind != DirectoryKind::Legacy {
            return Err(LegacyError::NotLegacy {
                path: path.to_owned(),
                found: look.kind.as_str(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            tokens: tokens.map_or_else(|| path.join(TOKENS), Path::to_owned),
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the tokens.
    pub fn tokens(&self) -> &Path {
        &self.tokens
    }

    /// Checks that a store lies elsewhere, whatever links lead there.
    ///
    /// # Errors
    /// [`LegacyError::SamePlace`], [`LegacyError::Io`].
    pub fn check_apart(&self, store: &Path) -> Result<(), LegacyError> {
        let real = |path: &Path| std::fs::canonicalize(path).map_err(LegacyError::io(path));
        let store = real(store)?;
        for own in [&self.path, &self.tokens] {
            if !own.exists() {
                continue;
            }
            let own = real(own)?;
            if own.starts_with(&store) || store.starts_with(&own) {
                return Err(LegacyError::SamePlace {
                    path: self.path.clone(),
                });
            }
        }
        Ok(())
    }

    /// Reads the values and finds the tokens. Without a lock, which a dry run needs not take, another program may change
    /// the directory meanwhile.
    ///
    /// # Errors
    /// [`LegacyError::NotAWalletFile`], [`LegacyError::FileTooLarge`], [`LegacyError::Io`].
    pub fn read(&self, _lock: Option<&LegacyLock>) -> Result<LegacyWallet, LegacyError> {
        let path = self.path.join(LEGACY_FILE);
        let file = LegacyFile::at(path.clone())?;
        let text = Zeroizing::new(file.read_up_to(WALLET_FILE_BYTES_MAX)?);
        let Ok(Value::Object(all)) = serde_json::from_slice(&text) else {
            return Err(LegacyError::NotAWalletFile { path });
        };
        let mut wallet = LegacyWallet {
            file,
            values: BTreeMap::new(),
            odd_values: 0,
            addresses: BTreeMap::new(),
            directory: self.clone(),
            unknown: Vec::new(),
        };
        for (key, value) in all {
            match value {
                Value::String(text) => drop(wallet.values.insert(key, Zeroizing::new(text))),
                _ => wallet.odd_values += 1,
            }
        }
        if self.tokens.exists() {
            wallet.find_tokens()?;
        }
        Ok(wallet)
    }
}

impl LegacyWallet {
    fn find_tokens(&mut self) -> Result<(), LegacyError> {
        let tokens = self.directory.tokens.clone();
        for (path, name, file) in entries(&tokens)? {
            match AddressId::parse(&name) {
                Ok(address) if file.is_dir() => {
                    let files = self.find_of_address(&path)?;
                    self.addresses.insert(address, files);
                }
                _ if name == LOCK_FILE => {}
                // A wallet without an address keeps its tokens right here, and whose they are is not said.
                _ if file.is_dir() || name.strip_suffix(".json").is_some() => {
                    self.unknown.push(path);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn find_of_address(&mut self, directory: &Path) -> Result<Vec<LegacyFile>, LegacyError> {
        let mut files = Vec::new();
        for (path, name, file) in entries(directory)? {
            match name.strip_suffix(".json") {
                Some(stem) if file.is_file() => files.push(LegacyFile {
                    name: stem.to_owned(),
                    len: file.len(),
                    modified: file.modified().ok(),
                    path,
                }),
                _ => self.unknown.push(path),
            }
        }
        // States of one token are judged together.
        files.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(files)
    }

    /// Addresses and how many files there are of each.
    pub fn addresses(&self) -> impl Iterator<Item = (&AddressId, usize)> {
        self.addresses
            .iter()
            .map(|(address, files)| (address, files.len()))
    }

    /// Files that are left where they are, because no part of the wallet is known to write them.
    pub fn unknown(&self) -> &[PathBuf] {
        &self.unknown
    }
}

impl LegacyFile {
    fn at(path: PathBuf) -> Result<Self, LegacyError> {
        let file = std::fs::symlink_metadata(&path).map_err(LegacyError::io(&path))?;
        Ok(Self {
            name: String::new(),
            len: file.len(),
            modified: file.modified().ok(),
            path,
        })
    }

    pub(super) fn role(&self) -> FileRole<'_> {
        match self.name.as_str() {
            "_meta" | "meta" => FileRole::Meta,
            "_tombstones" | "tombstones" => FileRole::Tombstones,
            "_history" | "history" => FileRole::History,
            name if name.starts_with("token-")
                || name.starts_with("nametag-")
                || name.starts_with("archived_") =>
            {
                FileRole::Unknown
            }
            name => match RESERVED_NAMES.iter().find(|known| **known == name) {
                Some(known) => FileRole::List(known),
                None if RESERVED_NAMES.contains(&format!("_{name}").as_str()) => {
                    FileRole::List(name)
                }
                None => FileRole::Token {
                    id: name.strip_prefix("archived-").unwrap_or(name),
                },
            },
        }
    }

    /// The key under which the content stands in a token file.
    pub(super) fn token_key(&self) -> String {
        if self.name.starts_with("archived-") {
            self.name.clone()
        } else {
            format!("_{}", self.name)
        }
    }

    fn order(&self) -> (&str, &str) {
        match self.role() {
            FileRole::Token { id } => (id, &self.name),
            _ => ("", &self.name),
        }
    }

    pub(super) fn read(&self) -> Result<Vec<u8>, LegacyError> {
        self.read_up_to(TOKEN_FILE_BYTES_MAX)
    }

    fn read_up_to(&self, limit: u64) -> Result<Vec<u8>, LegacyError> {
        let path = &self.path;
        let file = std::fs::File::open(path).map_err(LegacyError::io(path))?;
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(LegacyError::io(path))?;
        let found = bytes.len() as u64;
        if found > limit {
            return Err(LegacyError::FileTooLarge {
                path: path.clone(),
                found,
                limit,
            });
        }
        Ok(bytes)
    }

    /// Whether the file is as it was when it was found.
    pub(super) fn is_unchanged(&self) -> bool {
        let file = std::fs::symlink_metadata(&self.path);
        file.is_ok_and(|file| {
            file.is_file() && file.len() == self.len && file.modified().ok() == self.modified
        })
    }
}

/// What lies in a directory, in the order of the names. Links are not followed.
fn entries(directory: &Path) -> Result<Vec<(PathBuf, String, Metadata)>, LegacyError> {
    let failed = || LegacyError::io(directory);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let file = entry.metadata().map_err(LegacyError::io(entry.path()))?;
        all.push((entry.path(), name, file));
    }
    all.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(all)
}

//! The file with a profile's seed. Who has it reads and writes the profile, so every copy made here is wiped.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use uxf_engine::profile::sealed::{ProfileId, ProfileKeyError, WalletSecret};
use uxf_engine::{Entropy as _, SystemEntropy};
use zeroize::Zeroizing;

use crate::args::Cli;
use crate::failure::{Failure, chain};

/// Name of the seed in the store's directory.
const SEED_FILE: &str = "seed";
/// Name of the file in the store's directory that says where else the seed is.
const ELSEWHERE_FILE: &str = "seed-file";
/// Longest path that is read from it, in bytes.
const PATH_BYTES_MAX: u64 = 4_096;
/// Digits of a seed.
const DIGITS: usize = 64;
/// Longest file that is looked at, in bytes: the digits, and room for white space.
const FILE_BYTES_MAX: usize = 256;
/// Low bits of the mode that give rights to others than the owner.
#[cfg(unix)]
const OWNER_ONLY_ZEROS: u32 = 6;

/// Why there is no seed to be had of a file.
#[derive(Debug, Error)]
pub(super) enum SeedError {
    /// There is no such file.
    #[error("there is no seed in {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others than its owner may read it or more.
    #[error("others can read the seed in {}: its mode is {mode:04o}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Something else than 64 hex digits.
    #[error("{} is no seed: 64 hex digits were expected", path.display())]
    Text {
        /// The file.
        path: PathBuf,
    },
    /// 64 hex digits that are no private key.
    #[error("the seed in {} cannot be used", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProfileKeyError,
    },
    /// Reading, drawing or writing it failed.
    #[error("the seed in {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The failure.
        #[source]
        source: io::Error,
    },
}

impl From<SeedError> for Failure {
    fn from(error: SeedError) -> Self {
        let failure = Self::new(chain(&error));
        match error {
            SeedError::Missing { .. } => failure.with_help(
                "make a profile with `uxf init`, or name its seed with --seed-file FILE",
            ),
            SeedError::Exposed { path, .. } => failure.with_help(format!(
                "who has read it owns the profile; if nobody has: chmod 600 {}",
                path.display()
            )),
            SeedError::NotAKey { .. } => {
                failure.with_help("draw another: zero and numbers beyond the curve are no keys")
            }
            SeedError::Text { .. } | SeedError::Io { .. } => failure,
        }
    }
}

/// Where the seed is: as given, else in the store's directory, else where it was when the profile was made with it.
pub(super) fn path(cli: &Cli) -> PathBuf {
    if let Some(path) = &cli.seed_file {
        return path.clone();
    }
    let here = cli.store().join(SEED_FILE);
    if here.exists() {
        return here;
    }
    elsewhere(&cli.store()).unwrap_or(here)
}

fn elsewhere(store: &Path) -> Option<PathBuf> {
    let file = File::open(store.join(ELSEWHERE_FILE)).ok()?;
    let mut path = String::new();
    file.take(PATH_BYTES_MAX).read_to_string(&mut path).ok()?;
    let path = path.trim_end_matches('\n');
    (!path.is_empty()).then(|| path.into())
}

/// Notes in a store's directory where the seed is, so that it need not be named each time. The seed itself stays in one place.
pub(super) fn note(store: &Path, path: &Path) -> Result<(), SeedError> {
    let io = |source| SeedError::Io {
        path: path.to_owned(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(io)?;
    // A path that is no text has to be named each time.
    let Some(text) = absolute.to_str().filter(|text| !text.contains('\n')) else {
        return Ok(());
    };
    std::fs::write(store.join(ELSEWHERE_FILE), format!("{text}\n")).map_err(io)
}

/// Reads the seed of a file that only its owner may read.
pub(super) fn read(path: &Path) -> Result<WalletSecret, SeedError> {
    let io = |source: io::Error| SeedError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SeedError::Missing {
            path: path.to_owned(),
        },
        _ => io(error),
    })?;
    // The file that is open, so that it cannot be another one by the time it is read.
    check_owner_only(path, &file.metadata().map_err(io)?)?;
    let mut text = Zeroizing::new([0; FILE_BYTES_MAX]);
    let mut len = 0;
    while let Some(rest) = text.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read(rest).map_err(io)? {
            0 => break,
            more => len += more,
        }
    }
    let no_seed = || SeedError::Text {
        path: path.to_owned(),
    };
    let digits = text.get(..len).unwrap_or_default().trim_ascii();
    if digits.len() != DIGITS || len == FILE_BYTES_MAX {
        return Err(no_seed());
    }
    let mut seed = Zeroizing::new([0; 32]);
    const_hex::decode_to_slice(digits, seed.as_mut_slice()).map_err(|_| no_seed())?;
    checked(path, WalletSecret::take(&mut seed))
}

/// Draws a seed and writes it to a file that must not be there, durably, for its owner only.
pub(super) fn draw(path: &Path) -> Result<WalletSecret, SeedError> {
    let io = |source| SeedError::Io {
        path: path.to_owned(),
        source,
    };
    let mut seed = Zeroizing::new([0; 32]);
    SystemEntropy.fill(seed.as_mut_slice()).map_err(io)?;
    let mut text = Zeroizing::new([b'\n'; DIGITS + 1]);
    let digits = text.get_mut(..DIGITS).unwrap_or_default();
    const_hex::encode_to_slice(seed.as_slice(), digits)
        .map_err(|error| io(io::Error::other(error)))?;
    let secret = checked(path, WalletSecret::take(&mut seed))?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io)?;
    let written = file
        .write_all(text.as_slice())
        .and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| sync_parent(path)) {
        // Nothing was made with it yet.
        drop(std::fs::remove_file(path));
        return Err(io(error));
    }
    Ok(secret)
}

fn checked(path: &Path, secret: WalletSecret) -> Result<WalletSecret, SeedError> {
    match ProfileId::of(&secret) {
        Ok(_) => Ok(secret),
        Err(source) => Err(SeedError::NotAKey {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(unix)]
fn check_owner_only(path: &Path, metadata: &std::fs::Metadata) -> Result<(), SeedError> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = metadata.permissions().mode() & 0o7777;
    if mode.trailing_zeros() >= OWNER_ONLY_ZEROS {
        return Ok(());
    }
    Err(SeedError::Exposed {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn check_owner_only(_: &Path, _: &std::fs::Metadata) -> Result<(), SeedError> {
    Ok(())
}

#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        File::open(parent)?.sync_all()
    })
}

#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

use core::fmt;
use std::io;
use std::path::Path;

use super::{DiskMarkers, ModeDecision, ModeRefusal, ModeRequest, StorageMode, resolve_mode};
use crate::engine::{DATABASE_FILE, ReadOnlyEngine};
use crate::error::Error;
use crate::options::EngineOptions;

/// Name of the file that makes a directory a legacy wallet.
pub(super) const LEGACY_FILE: &str = "wallet.json";
/// Name of the directory that makes one a profile of the reference.
const REFERENCE_PROFILE: &str = "orbitdb";
/// What may lie in a directory before there is a store: the seed, and what the store itself leaves.
const OWN_FILES: [&str; 2] = ["seed", DATABASE_FILE];

/// What kind of directory one is, by what lies in it. Nothing is opened for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DirectoryKind {
    /// There is none.
    Missing,
    /// Nothing is in it, or a seed only.
    Empty,
    /// A store.
    Store,
    /// A legacy wallet of the reference.
    Legacy,
    /// A profile wallet of the reference, which this program cannot open.
    ReferenceProfile,
    /// Files of others.
    Foreign,
}

impl DirectoryKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Store => "profile",
            Self::Legacy => "legacy",
            Self::ReferenceProfile => "reference-profile",
            Self::Foreign => "foreign",
        }
    }
}

impl fmt::Display for DirectoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a look at a directory shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryLook {
    /// What kind of directory it is.
    pub kind: DirectoryKind,
    /// What of a wallet is in it.
    pub markers: DiskMarkers,
}

impl DirectoryLook {
    /// Looks at a directory. Symbolic links in it do not count for what they point at.
    ///
    /// ```
    /// use uxf_engine::wallet::{DirectoryKind, DirectoryLook};
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// assert_eq!(DirectoryLook::at(directory.path()).unwrap().kind, DirectoryKind::Empty);
    /// std::fs::write(directory.path().join("wallet.json"), "{}").unwrap();
    /// assert_eq!(DirectoryLook::at(directory.path()).unwrap().kind, DirectoryKind::Legacy);
    /// ```
    ///
    /// # Errors
    /// Those of the file system; that there is no directory is none.
    pub fn at(directory: &Path) -> io::Result<Self> {
        let none = DiskMarkers::default();
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    kind: DirectoryKind::Missing,
                    markers: none,
                });
            }
            Err(error) => return Err(error),
        };
        let mut markers = none;
        let (mut has_store, mut has_others) = (false, false);
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let file = entry.metadata()?;
            match name.as_ref() {
                DATABASE_FILE => has_store |= file.is_file(),
                LEGACY_FILE => markers.legacy |= file.is_file() && file.len() > 0,
                REFERENCE_PROFILE => markers.profile |= file.is_dir(),
                _ => {}
            }
            has_others |= !OWN_FILES.contains(&name.as_ref());
        }
        let kind = match markers {
            _ if has_store => DirectoryKind::Store,
            DiskMarkers { profile: true, .. } => DirectoryKind::ReferenceProfile,
            DiskMarkers { legacy: true, .. } => DirectoryKind::Legacy,
            _ if has_others => DirectoryKind::Foreign,
            _ => DirectoryKind::Empty,
        };
        markers.profile |= has_store;
        Ok(Self { kind, markers })
    }

    /// Whether a store may be made or used here: never where a wallet of another kind is.
    ///
    /// # Errors
    /// [`ModeRefusal`].
    pub fn check_store(&self) -> Result<ModeDecision, ModeRefusal> {
        if self.kind == DirectoryKind::ReferenceProfile {
            return Err(ModeRefusal::ReferenceProfileOnDisk);
        }
        let request = ModeRequest {
            explicit: Some(StorageMode::Profile),
            has_profile_runtime: true,
            ..ModeRequest::default()
        };
        resolve_mode(request, || self.markers)
    }
}

/// Whether a store can be used, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreCondition {
    /// It can.
    Usable,
    /// A program has it open.
    Locked,
    /// It was not closed properly; opening it for writing once puts it right.
    NeedsRepair,
    /// Another version of this program wrote it.
    OtherVersion,
    /// What is on disk contradicts itself.
    Damaged,
}

impl StoreCondition {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Locked => "locked",
            Self::NeedsRepair => "needs-repair",
            Self::OtherVersion => "other-version",
            Self::Damaged => "damaged",
        }
    }

    /// Tries the store in a directory without writing anything; what it was opened with, if it can be used.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::InvalidOption`].
    pub fn of(
        directory: &Path,
        options: EngineOptions,
    ) -> Result<(Self, Option<ReadOnlyEngine>), Error> {
        match ReadOnlyEngine::open(directory, options) {
            Ok(engine) => Ok((Self::Usable, Some(engine))),
            Err(Error::Locked { .. }) => Ok((Self::Locked, None)),
            Err(Error::FormatVersion { .. }) => Ok((Self::OtherVersion, None)),
            Err(Error::Corrupted { .. }) => Ok((Self::Damaged, None)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::InvalidData => {
                Ok((Self::Damaged, None))
            }
            // What no operating system says is the store's own word for an unclean end.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::Other => {
                Ok((Self::NeedsRepair, None))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(files: &[&str], directories: &[&str]) -> DirectoryKind {
        let place = tempfile::tempdir().unwrap();
        for name in files {
            std::fs::write(place.path().join(name), "x").unwrap();
        }
        for name in directories {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        DirectoryLook::at(place.path()).unwrap().kind
    }

    #[test]
    fn a_directory_is_known_by_what_lies_in_it() {
        assert_eq!(kind(&[], &[]), DirectoryKind::Empty);
        assert_eq!(kind(&["seed"], &[]), DirectoryKind::Empty);
        assert_eq!(kind(&["wallet.json", "notes"], &[]), DirectoryKind::Legacy);
        assert_eq!(
            kind(&[DATABASE_FILE, "wallet.json"], &[]),
            DirectoryKind::Store
        );
        assert_eq!(
            kind(&["wallet.json"], &["orbitdb"]),
            DirectoryKind::ReferenceProfile
        );
        assert_eq!(kind(&["orbitdb"], &[]), DirectoryKind::Foreign);
        assert_eq!(kind(&[], &["wallet.json"]), DirectoryKind::Foreign);
        assert_eq!(kind(&["notes"], &[]), DirectoryKind::Foreign);
        let missing = Path::new("there/is/none");
        assert_eq!(
            DirectoryLook::at(missing).unwrap().kind,
            DirectoryKind::Missing
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_wallet_and_an_empty_file_are_no_wallet() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("elsewhere"), "{}").unwrap();
        std::os::unix::fs::symlink("elsewhere", place.path().join("wallet.json")).unwrap();
        let look = DirectoryLook::at(place.path()).unwrap();
        assert_eq!(look.kind, DirectoryKind::Foreign);
        std::fs::remove_file(place.path().join("wallet.json")).unwrap();
        std::fs::write(place.path().join("wallet.json"), "").unwrap();
        let look = DirectoryLook::at(place.path()).unwrap();
        assert_eq!(look.kind, DirectoryKind::Foreign);
    }

    #[test]
    fn a_store_is_made_where_no_other_wallet_is() {
        let check = |files: &[&str], directories: &[&str]| {
            let place = tempfile::tempdir().unwrap();
            for name in files {
                std::fs::write(place.path().join(name), "x").unwrap();
            }
            for name in directories {
                std::fs::create_dir(place.path().join(name)).unwrap();
            }
            DirectoryLook::at(place.path()).unwrap().check_store()
        };
        assert!(check(&["seed", "notes"], &[]).is_ok());
        assert!(check(&[DATABASE_FILE, "wallet.json"], &[]).is_ok());
        assert_eq!(check(&["wallet.json"], &[]), Err(ModeRefusal::LegacyOnDisk));
        assert_eq!(
            check(&["wallet.json"], &["orbitdb"]),
            Err(ModeRefusal::ReferenceProfileOnDisk)
        );
    }

    #[test]
    fn a_store_says_whether_it_can_be_used() {
        let place = tempfile::tempdir().unwrap();
        let condition = || {
            let found = StoreCondition::of(place.path(), EngineOptions::new());
            found.unwrap().0
        };
        let engine = crate::Engine::open(place.path(), EngineOptions::new()).unwrap();
        assert_eq!(condition(), StoreCondition::Locked);
        // What is on disk while it is open is what a crash leaves.
        let crashed = tempfile::tempdir().unwrap();
        let file = |place: &tempfile::TempDir| place.path().join(DATABASE_FILE);
        std::fs::copy(file(&place), file(&crashed)).unwrap();
        let found = StoreCondition::of(crashed.path(), EngineOptions::new());
        assert_eq!(found.unwrap().0, StoreCondition::NeedsRepair);
        engine.close().unwrap();
        drop(engine);
        assert_eq!(condition(), StoreCondition::Usable);
        std::fs::write(place.path().join(DATABASE_FILE), [7; 8_192]).unwrap();
        assert_eq!(condition(), StoreCondition::Damaged);
    }
}

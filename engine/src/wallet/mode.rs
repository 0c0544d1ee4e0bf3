use core::fmt;

use thiserror::Error;

/// The two kinds of directory a wallet can live in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageMode {
    /// A store with a profile.
    Profile,
    /// The reference's older one: one file of the wallet, others of its tokens.
    Legacy,
}

impl StorageMode {
    /// The name, as it is committed and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Legacy => "legacy",
        }
    }

    /// Reads a committed name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Profile, Self::Legacy]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

impl fmt::Display for StorageMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a directory shows of the wallet in it. Symbolic links do not count.
///
/// A directory may show both, because a profile keeps its cache in a file of the older name; then the profile counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskMarkers {
    /// The directory of a profile store.
    pub profile: bool,
    /// A wallet file that is not empty.
    pub legacy: bool,
}

impl DiskMarkers {
    /// What there is, if there is anything.
    pub const fn mode(self) -> Option<StorageMode> {
        match self {
            Self { profile: true, .. } => Some(StorageMode::Profile),
            Self { legacy: true, .. } => Some(StorageMode::Legacy),
            _ => None,
        }
    }
}

/// What is known before a directory is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeRequest<'a> {
    /// What the user asked for in so many words.
    pub explicit: Option<StorageMode>,
    /// What was written down the last time, as it was read back.
    pub committed: Option<&'a str>,
    /// Whether this program can work with profiles.
    pub has_profile_runtime: bool,
}

/// Something to tell the user. None changes what is done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModeNotice {
    /// What was written down is no mode and is replaced.
    CommittedInvalid,
    /// Nothing is there and profiles cannot be used, so the wallet will be of the older kind.
    NoProfileRuntime,
}

/// The mode to work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeDecision {
    /// The mode.
    pub mode: StorageMode,
    /// Whether it has to be written down.
    pub is_to_be_committed: bool,
    /// What to tell, in order.
    pub notices: Vec<ModeNotice>,
}

/// Why the directory is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModeRefusal {
    /// A legacy wallet was asked for where a profile is.
    #[error("the directory holds a profile wallet, not a legacy one")]
    ProfileOnDisk,
    /// A profile was asked for where a legacy wallet is; it has to be moved in first.
    #[error("the directory holds a legacy wallet; migrate it into a profile")]
    LegacyOnDisk,
    /// A profile of the reference is there, which is of another make.
    #[error("the directory holds a profile wallet of the reference; choose another one")]
    ReferenceProfileOnDisk,
    /// A profile was asked for of a program that cannot work with them.
    #[error("this program was built without profiles")]
    NoProfileRuntime,
}

/// Says in which mode a directory is worked with (profile notes, section 9.4).
///
/// What the user asks for counts if the directory is of that kind or of none; then what was written down, without
/// looking at the directory; then what it shows; and in an empty one a profile, if that can be had. So a wallet is never
/// taken for one of the other kind, and never overwritten.
///
/// ```
/// use uxf_engine::wallet::{DiskMarkers, ModeRefusal, ModeRequest, StorageMode, resolve_mode};
///
/// let asked = ModeRequest { explicit: Some(StorageMode::Profile), has_profile_runtime: true, ..Default::default() };
/// let legacy = DiskMarkers { legacy: true, ..Default::default() };
/// assert_eq!(resolve_mode(asked, || legacy), Err(ModeRefusal::LegacyOnDisk));
/// ```
///
/// # Errors
/// [`ModeRefusal`].
pub fn resolve_mode(
    request: ModeRequest<'_>,
    look: impl FnOnce() -> DiskMarkers,
) -> Result<ModeDecision, ModeRefusal> {
    let committed = request.committed.map(StorageMode::parse);
    if let Some(mode) = request.explicit {
        check_explicit(mode, look().mode(), request.has_profile_runtime)?;
        return Ok(ModeDecision {
            mode,
            is_to_be_committed: committed != Some(Some(mode)),
            notices: Vec::new(),
        });
    }
    let mut notices = Vec::new();
    match committed {
        Some(Some(mode)) => {
            return Ok(ModeDecision {
                mode,
                is_to_be_committed: false,
                notices,
            });
        }
        Some(None) => notices.push(ModeNotice::CommittedInvalid),
        None => {}
    }
    let mode = look().mode().unwrap_or_else(|| {
        if request.has_profile_runtime {
            StorageMode::Profile
        } else {
            notices.push(ModeNotice::NoProfileRuntime);
            StorageMode::Legacy
        }
    });
    Ok(ModeDecision {
        mode,
        is_to_be_committed: true,
        notices,
    })
}

fn check_explicit(
    asked: StorageMode,
    on_disk: Option<StorageMode>,
    has_profile_runtime: bool,
) -> Result<(), ModeRefusal> {
    match (asked, on_disk) {
        (StorageMode::Legacy, Some(StorageMode::Profile)) => Err(ModeRefusal::ProfileOnDisk),
        (StorageMode::Profile, Some(StorageMode::Legacy)) => Err(ModeRefusal::LegacyOnDisk),
        (StorageMode::Profile, _) if !has_profile_runtime => Err(ModeRefusal::NoProfileRuntime),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_counts_without_a_look_at_the_directory() {
        let request = ModeRequest {
            committed: Some("legacy"),
            has_profile_runtime: true,
            ..ModeRequest::default()
        };
        let decision = resolve_mode(request, || panic!("looked")).unwrap();
        assert_eq!(decision.mode, StorageMode::Legacy);
        assert!(!decision.is_to_be_committed);
    }

    #[test]
    fn a_directory_that_shows_both_is_a_profile() {
        let both = DiskMarkers {
            profile: true,
            legacy: true,
        };
        let decision = resolve_mode(ModeRequest::default(), || both).unwrap();
        assert_eq!(decision.mode, StorageMode::Profile);
        let asked = ModeRequest {
            explicit: Some(StorageMode::Legacy),
            ..ModeRequest::default()
        };
        assert_eq!(
            resolve_mode(asked, || both),
            Err(ModeRefusal::ProfileOnDisk)
        );
    }

    #[test]
    fn a_mode_is_committed_by_its_exact_name() {
        for wrong in ["Profile", "profile ", "", "garbage"] {
            assert_eq!(StorageMode::parse(wrong), None);
        }
    }
}

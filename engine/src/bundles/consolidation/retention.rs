use thiserror::Error;

use crate::bundles::{BundleRef, BundleStatus, UnixSeconds};

/// How long superseded references stay unless asked otherwise: seven days, in seconds.
pub const RETENTION_DEFAULT_S: u64 = 7 * 24 * 3600;
/// The shortest time they can be asked to stay: a day, in seconds. A device that was away for a night must still find
/// the sources if it cannot fetch the result.
pub const RETENTION_MIN_S: u64 = 24 * 3600;

/// A retention below [`RETENTION_MIN_S`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a retention of {found_s} s, it must be {min_s} s or more")]
pub struct RetentionTooShort {
    /// What was asked for, in seconds.
    pub found_s: u64,
    /// [`RETENTION_MIN_S`].
    pub min_s: u64,
}

/// How long a superseded reference stays. The bundle itself is never unpinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention(u64);

impl Retention {
    /// A retention of so many seconds. Default seven days; a day or more.
    ///
    /// # Errors
    /// [`RetentionTooShort`].
    pub const fn new(seconds: u64) -> Result<Self, RetentionTooShort> {
        if seconds < RETENTION_MIN_S {
            return Err(RetentionTooShort {
                found_s: seconds,
                min_s: RETENTION_MIN_S,
            });
        }
        Ok(Self(seconds))
    }

    /// In seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self(RETENTION_DEFAULT_S)
    }
}

/// The superseded references whose time has come. Active ones stay whatever they say, and so do those without a time.
pub fn expired(refs: &[BundleRef], now: UnixSeconds) -> impl Iterator<Item = &BundleRef> {
    refs.iter().filter(move |bundle| {
        let is_due = bundle
            .remove_after()
            .is_some_and(|deadline| deadline <= now);
        bundle.status() == BundleStatus::Superseded && is_due
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_day_is_refused() {
        let short = RetentionTooShort {
            found_s: 86_399,
            min_s: 86_400,
        };
        assert_eq!(Retention::new(86_399), Err(short));
        assert_eq!(Retention::new(86_400).map(Retention::seconds), Ok(86_400));
    }

    #[test]
    fn a_reference_goes_when_its_time_has_come_and_not_before() {
        let at = |deadline| {
            let bundle = BundleRef::active("a", UnixSeconds(1));
            [bundle.superseded_by_bundle("b", UnixSeconds(deadline))]
        };
        assert_eq!(expired(&at(10), UnixSeconds(10)).count(), 1);
        assert_eq!(expired(&at(11), UnixSeconds(10)).count(), 0);
    }
}

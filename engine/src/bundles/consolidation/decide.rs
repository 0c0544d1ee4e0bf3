use thiserror::Error;

use super::{ConsolidationLock, LOCK_SOURCES_MAX, Retention};
use crate::bundles::{BundleRef, UnixSeconds};

/// More active bundles than this are merged.
pub const CONSOLIDATE_ABOVE: usize = 3;
/// Most active bundles. A device with so many registers no other until it has consolidated.
pub const ACTIVE_MAX: usize = 20;

/// What to do about the bundles of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Somebody is at it.
    InProgress,
    /// There are few enough.
    NotNeeded {
        /// Active bundles.
        active: usize,
    },
    /// Write this lock and begin.
    Start(ConsolidationLock),
}

/// A bundle cannot be registered because there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the wallet has {active} active bundles, the most is {limit}; consolidate them first")]
pub struct TooManyBundles {
    /// Active bundles.
    pub active: usize,
    /// [`ACTIVE_MAX`].
    pub limit: usize,
}

fn active(refs: &[BundleRef]) -> impl Iterator<Item = &BundleRef> {
    refs.iter().filter(|bundle| bundle.is_active())
}

/// Whether there are so many active bundles that they should be merged.
pub fn is_needed(refs: &[BundleRef]) -> bool {
    active(refs).count() > CONSOLIDATE_ABOVE
}

/// Whether another bundle may be registered. The result of a consolidation always may: it makes room.
///
/// # Errors
/// [`TooManyBundles`].
pub fn check_room(refs: &[BundleRef]) -> Result<(), TooManyBundles> {
    match active(refs).count() {
        active if active >= ACTIVE_MAX => Err(TooManyBundles {
            active,
            limit: ACTIVE_MAX,
        }),
        _ => Ok(()),
    }
}

/// Whether to begin a run, and with which lock. `device` is a name drawn for it.
///
/// ```
/// use uxf_engine::bundles::consolidation::{Begin, begin};
/// use uxf_engine::bundles::{BundleRef, UnixSeconds};
///
/// let now = UnixSeconds(1_700_000_000);
/// let refs: Vec<_> = ["a", "b", "c", "d"].map(|cid| BundleRef::active(cid, now)).into();
/// let Begin::Start(lock) = begin(&refs, None, now, "0a1b2c3d") else { panic!("four are too many") };
/// assert_eq!(lock.source_cids, ["a", "b", "c", "d"]);
/// assert_eq!(begin(&refs, Some(&lock), now, "99999999"), Begin::InProgress);
/// ```
pub fn begin(
    refs: &[BundleRef],
    lock: Option<&ConsolidationLock>,
    now: UnixSeconds,
    device: &str,
) -> Begin {
    if lock.is_some_and(|lock| lock.is_fresh(now)) {
        return Begin::InProgress;
    }
    if !is_needed(refs) {
        let active = active(refs).count();
        return Begin::NotNeeded { active };
    }
    let sources = active(refs).take(LOCK_SOURCES_MAX);
    Begin::Start(ConsolidationLock {
        source_cids: sources.map(|bundle| bundle.cid().to_owned()).collect(),
        started_at: now,
        device: device.to_owned(),
        result: None,
    })
}

/// The references that change once the result that a lock names is registered: the active ones among those that were
/// merged. A source that could not be fetched is not among them and stays active. Without a result nothing changes.
pub fn supersede(
    refs: &[BundleRef],
    lock: &ConsolidationLock,
    now: UnixSeconds,
    retention: Retention,
) -> Vec<BundleRef> {
    let Some(result) = &lock.result else {
        return Vec::new();
    };
    let is_merged = |bundle: &&BundleRef| {
        let merged = &result.merged_cids;
        result.cids().all(|cid| cid != bundle.cid()) && merged.iter().any(|cid| cid == bundle.cid())
    };
    retire(active(refs).filter(is_merged), &result.cid, now, retention)
}

/// Active references as they are once another bundle has all of them.
pub(super) fn retire<'r>(
    refs: impl Iterator<Item = &'r BundleRef>,
    by: &str,
    now: UnixSeconds,
    retention: Retention,
) -> Vec<BundleRef> {
    let deadline = now.plus(retention.seconds());
    refs.map(|bundle| bundle.clone().superseded_by_bundle(by, deadline))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(cids: &[&str]) -> Vec<BundleRef> {
        let active = cids
            .iter()
            .map(|cid| BundleRef::active(cid, UnixSeconds(5)));
        active.collect()
    }

    #[test]
    fn only_what_was_merged_is_superseded() {
        let refs = refs(&["a", "b", "c", "d", "result", "unrelated"]);
        let Begin::Start(lock) = begin(&refs, None, UnixSeconds(10), "x") else {
            panic!("not begun");
        };
        assert!(supersede(&refs, &lock, UnixSeconds(20), Retention::default()).is_empty());
        // The fetch of c and d failed.
        let lock = lock.with_result("result", &["a", "b", "result"]);
        let changed = supersede(&refs, &lock, UnixSeconds(20), Retention::default());
        let cids: Vec<_> = changed.iter().map(BundleRef::cid).collect();
        assert_eq!(cids, ["a", "b"]);
        assert!(
            changed
                .iter()
                .all(|bundle| bundle.superseded_by() == Some("result"))
        );
    }

    #[test]
    fn a_stale_lock_is_overridden_and_a_fresh_one_is_not() {
        let refs = refs(&["a", "b", "c", "d"]);
        let Begin::Start(lock) = begin(&refs, None, UnixSeconds(1000), "x") else {
            panic!("not begun");
        };
        let again = |now| begin(&refs, Some(&lock), UnixSeconds(now), "y");
        assert_eq!(again(1299), Begin::InProgress);
        let Begin::Start(newer) = again(1300) else {
            panic!("a dead run blocks the next");
        };
        assert!(!newer.is_same_run(&lock));
    }

    #[test]
    fn the_twenty_first_bundle_is_refused() {
        let cids: Vec<_> = (0..ACTIVE_MAX).map(|n| format!("c{n}")).collect();
        let cids: Vec<_> = cids.iter().map(String::as_str).collect();
        let mut refs = refs(&cids);
        let full = TooManyBundles {
            active: 20,
            limit: 20,
        };
        assert_eq!(check_room(&refs), Err(full));
        refs.truncate(19);
        refs.push(BundleRef::unverified("c", UnixSeconds(5)));
        assert_eq!(check_room(&refs), Ok(()));
    }
}

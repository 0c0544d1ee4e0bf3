use super::decide::retire;
use super::{ConsolidationLock, LockResult, Retention, supersede};
use crate::bundles::{BundleRef, BundleStatus, UnixSeconds};
use crate::profile::merge::compare_cids;

/// What a crash left to do. Afterwards the lock goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// References to write.
    pub changed: Vec<BundleRef>,
}

/// Ends a run that nobody goes on with: one whose lock is stale, or is of this device, which is no longer at it.
///
/// If the lock names its result and that is registered, what was merged into it is superseded. If it is not registered,
/// nothing is: the sources count as before, and the next run merges them again.
///
/// The reference's locks name no result. For those a bundle counts as the result only if it is active, was registered
/// since the run began, is no source, and if `has_all_of(result, source)` says of the bundles themselves that it has
/// whatever the source has; other sources stay. Of several such bundles the one with the smallest id by bytes counts.
/// A caller that cannot compare bundles answers `false` and loses nothing.
pub fn recover(
    refs: &[BundleRef],
    lock: &ConsolidationLock,
    now: UnixSeconds,
    retention: Retention,
    mut has_all_of: impl FnMut(&BundleRef, &BundleRef) -> bool,
) -> Recovery {
    if let Some(result) = &lock.result {
        let changed = if is_registered(refs, result) {
            supersede(refs, lock, now, retention)
        } else {
            Vec::new()
        };
        return Recovery { changed };
    }
    let is_source = |bundle: &BundleRef| lock.source_cids.iter().any(|cid| cid == bundle.cid());
    let mut candidates: Vec<_> = refs
        .iter()
        .filter(|bundle| bundle.is_active() && bundle.created_at() >= lock.started_at)
        .filter(|bundle| !is_source(bundle))
        .collect();
    candidates.sort_by(|a, b| compare_cids(a.cid(), b.cid()));
    let sources = refs
        .iter()
        .filter(|bundle| bundle.is_active() && is_source(bundle));
    let changed = sources.filter_map(|source| {
        let result = candidates
            .iter()
            .find(|result| has_all_of(result, source))?;
        retire([source].into_iter(), result.cid(), now, retention).pop()
    });
    Recovery {
        changed: changed.collect(),
    }
}

/// Whether the profile knows all bundles that a run made.
pub fn is_registered(refs: &[BundleRef], result: &LockResult) -> bool {
    result.cids().all(|cid| {
        let mut known = refs.iter().filter(|bundle| bundle.cid() == cid);
        known.any(|bundle| bundle.status() != BundleStatus::Unverified)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(10_000);

    fn lock() -> ConsolidationLock {
        ConsolidationLock {
            source_cids: vec!["a".to_owned(), "b".to_owned()],
            started_at: UnixSeconds(100),
            device: "x".to_owned(),
            result: None,
        }
    }

    fn refs() -> Vec<BundleRef> {
        let at = [("a", 1), ("b", 2), ("r", 100), ("other", 150)];
        at.map(|(cid, at)| BundleRef::active(cid, UnixSeconds(at)))
            .into()
    }

    fn changed(
        lock: &ConsolidationLock,
        has_all_of: fn(&str, &str) -> bool,
    ) -> Vec<(String, String)> {
        let recovery = recover(
            &refs(),
            lock,
            NOW,
            Retention::default(),
            |result, source| has_all_of(result.cid(), source.cid()),
        );
        let by = |bundle: &BundleRef| {
            let by = bundle.superseded_by().unwrap_or_default().to_owned();
            (bundle.cid().to_owned(), by)
        };
        recovery.changed.iter().map(by).collect()
    }

    #[test]
    fn a_result_that_was_named_and_registered_retires_what_was_merged() {
        let named = lock().with_result("r", &["a"]);
        assert_eq!(
            changed(&named, |_, _| panic!("asked")),
            [("a".to_owned(), "r".to_owned())]
        );
    }

    #[test]
    fn a_result_that_was_named_and_not_registered_retires_nothing() {
        let named = lock().with_result("lost", &["a", "b"]);
        assert!(changed(&named, |_, _| true).is_empty());
    }

    #[test]
    fn a_result_of_which_a_part_is_not_registered_retires_nothing() {
        let named = lock().with_result("r", &["a"]);
        let whole = named.clone().with_more_results(&["other"]);
        assert_eq!(changed(&whole, |_, _| false).len(), 1);
        let part = named.with_more_results(&["lost"]);
        assert!(changed(&part, |_, _| true).is_empty());
    }

    #[test]
    fn a_newer_bundle_of_another_device_is_not_taken_for_the_result() {
        assert!(changed(&lock(), |_, _| false).is_empty());
    }

    #[test]
    fn a_source_that_no_newer_bundle_has_all_of_stays_active() {
        let found = changed(&lock(), |result, source| (result, source) == ("other", "a"));
        assert_eq!(found, [("a".to_owned(), "other".to_owned())]);
    }

    #[test]
    fn recovering_twice_changes_nothing_more() {
        let named = lock().with_result("r", &["a", "b"]);
        let mut refs = refs();
        let once = recover(&refs, &named, NOW, Retention::default(), |_, _| false);
        for bundle in once.changed {
            let known = refs.iter_mut().find(|known| known.cid() == bundle.cid());
            *known.unwrap() = bundle;
        }
        let later = NOW.plus(50);
        let twice = recover(&refs, &named, later, Retention::default(), |_, _| true);
        assert_eq!(twice, Recovery::default());
    }
}

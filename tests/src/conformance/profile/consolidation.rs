use serde_json::{Value, json};
use uxf_engine::bundles::consolidation::{
    Begin, CONSOLIDATE_ABOVE, ConsolidationLock, LOCK_TTL_S, RETENTION_DEFAULT_S, Retention, begin,
    expired, is_needed, recover,
};
use uxf_engine::bundles::{BundleRef, UnixSeconds};

use super::{Scope, cases, same_json, text};

pub(super) fn consolidation(scope: &mut Scope<'_>, file: &Value) {
    scope.field(file, "threshold", CONSOLIDATE_ABOVE);
    scope.field(file, "pending_ttl_s", LOCK_TTL_S);
    scope.field(file, "default_retention_s", RETENTION_DEFAULT_S);
    for (name, case) in cases(scope, file, "cases") {
        let Some(before) = scope.value(&name, Wallet::read(case)) else {
            continue;
        };
        match text(case, "op") {
            "state" => {
                let is_locked = before
                    .lock
                    .as_ref()
                    .is_some_and(|lock| lock.is_fresh(before.now));
                let found = json!({ "should": is_needed(&before.refs), "in_progress": is_locked });
                compare(scope, &name, case, &found, &before);
            }
            "consolidate-guard" => {
                let begun = begin(&before.refs, before.lock.as_ref(), before.now, "0a1b2c3d");
                let sources = match begun {
                    Begin::InProgress => 0,
                    Begin::NotNeeded { active } => active,
                    Begin::Start(lock) => {
                        scope.fail(name, "no run", lock.format());
                        continue;
                    }
                };
                let found =
                    json!({ "consolidated": false, "sourceBundleCount": sources, "tokenCount": 0 });
                compare(scope, &name, case, &found, &before);
            }
            "recover" => check_recovery(scope, &name, case, &before),
            "cleanup" => {
                let gone: Vec<_> = expired(&before.refs, before.now)
                    .map(BundleRef::cid)
                    .collect();
                let found = json!(gone);
                let refs = before
                    .refs
                    .iter()
                    .filter(|bundle| !gone.contains(&bundle.cid()));
                let after = Wallet {
                    refs: refs.cloned().collect(),
                    ..before.clone()
                };
                compare(scope, &name, case, &found, &after);
            }
            _ => scope.not_covered(&name),
        }
    }
}

/// The locks of the vectors name no result. For those ours asks the bundles themselves, and in the vectors every bundle
/// that was made by the run has what its sources have; the one in the case named HAZARD is another device's and has not,
/// so there our own answer is that nothing is superseded.
///
/// Ours name the result. With the name of the bundle that the vector takes for it, the outcome must be the same.
fn check_recovery(scope: &mut Scope<'_>, name: &str, case: &Value, before: &Wallet) {
    let is_hazard = name.contains("HAZARD");
    let expected_refs = case.get("refs_after").and_then(Value::as_array);
    let result = expected_refs.into_iter().flatten().find_map(|bundle| {
        let is_source = |lock: &ConsolidationLock| {
            lock.source_cids
                .iter()
                .any(|cid| cid == text(bundle, "cid"))
        };
        let is_source = before.lock.as_ref().is_some_and(is_source);
        bundle
            .get("supersededBy")
            .and_then(Value::as_str)
            .filter(|_| is_source && !is_hazard)
    });
    let named = before.lock.clone().map(|lock| {
        let sources = lock.source_cids.clone();
        let sources: Vec<_> = sources.iter().map(String::as_str).collect();
        lock.with_result(result.unwrap_or("never registered"), &sources)
    });
    for (how, lock) in [("", before.lock.clone()), (", result named", named)] {
        let name = format!("{name}{how}");
        let mut after = before.clone();
        if let Some(lock) = lock {
            let retention = Retention::default();
            let recovery = recover(&before.refs, &lock, before.now, retention, |_, _| {
                !is_hazard
            });
            for changed in recovery.changed {
                let known = after
                    .refs
                    .iter_mut()
                    .find(|known| known.cid() == changed.cid());
                if let Some(known) = known {
                    *known = changed;
                }
            }
            after.lock = None;
        }
        if is_hazard {
            let unchanged = after.refs == before.refs;
            scope.equal(&format!("{name}, sources stay"), true, unchanged);
        } else {
            compare(scope, &name, case, &Value::Null, &after);
        }
    }
}

fn compare(scope: &mut Scope<'_>, name: &str, case: &Value, found: &Value, after: &Wallet) {
    let part = |field: &str| case.get(field).unwrap_or(&Value::Null);
    same_json(scope, &format!("{name}, result"), part("result"), found);
    let refs: Value = after.refs.iter().map(BundleRef::to_json).collect();
    same_json(
        scope,
        &format!("{name}, references"),
        part("refs_after"),
        &refs,
    );
    scope.equal(
        &format!("{name}, lock"),
        part("pending_after"),
        after.lock.is_some(),
    );
}

#[derive(Clone)]
struct Wallet {
    now: UnixSeconds,
    refs: Vec<BundleRef>,
    lock: Option<ConsolidationLock>,
}

impl Wallet {
    fn read(case: &Value) -> Result<Self, String> {
        let now = case.get("now").and_then(Value::as_u64).ok_or("no time")?;
        let refs = case
            .get("refs")
            .and_then(Value::as_array)
            .ok_or("no references")?;
        let refs = refs
            .iter()
            .map(|bundle| BundleRef::parse(&bundle.to_string()));
        let lock = case.get("pending").filter(|lock| !lock.is_null());
        let lock = lock.map(|lock| ConsolidationLock::parse(&lock.to_string()));
        Ok(Self {
            now: UnixSeconds(now),
            refs: refs
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())?,
            lock: lock.transpose().map_err(|error| error.to_string())?,
        })
    }
}

use serde_json::Value;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::merge::Merge as _;
use uxf_engine::wallet::{AuditRecord, ContentHash, DispositionCollection, DispositionReason};

use super::{Scope, cases, same_json, text};

pub(super) fn disposition(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "keys") {
        let address = scope.value(&name, AddressId::parse(text(case, "addr")));
        let hash = scope.value(&name, ContentHash::parse(text(case, "hash")));
        let Some((address, hash)) = address.zip(hash) else {
            continue;
        };
        for (field, collection) in [
            ("invalid", DispositionCollection::Invalid),
            ("audit", DispositionCollection::Audit),
        ] {
            let found = collection.key(&address, text(case, "tokenId"), &hash);
            scope.equal(&format!("{name}, {field}"), text(case, field), found);
        }
    }
    let sequence = file.get("audit_sequence").unwrap_or(&Value::Null);
    let started = sequence
        .get("now_start")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let mut stored = None::<AuditRecord>;
    for (step, (name, case)) in (0_u64..).zip(cases(scope, sequence, "steps")) {
        let after = case.get("after").unwrap_or(&Value::Null);
        let Some(observed) = scope.value(&name, observe(case, after, started + step)) else {
            continue;
        };
        let mut record = match stored {
            Some(known) => known.merge(observed),
            None => observed,
        };
        // What the vector says was changed by hand between two observations.
        if after.get("promotionPending").is_some() && !record.is_promotion_pending() {
            record = record.with_promotion_pending();
        }
        if let Some(root) = after.get("promotedToManifestRef").and_then(Value::as_str) {
            record = record.promoted(root);
        }
        // A record that was promoted by hand still has the mark; ours never shows it.
        let mut expected = after.clone();
        if let Some(fields) = expected.as_object_mut().filter(|_| record.is_promoted()) {
            fields.remove("promotionPending");
        }
        same_json(scope, &name, &expected, &record.to_json());
        let again = AuditRecord::parse(&record.format());
        scope.equal(
            &format!("{name}, read back"),
            record.format(),
            again.map(|record| record.format()).unwrap_or_default(),
        );
        stored = Some(record);
    }
}

fn observe(case: &Value, after: &Value, now_ms: u64) -> Result<AuditRecord, String> {
    let hash = ContentHash::parse(text(after, "observedTokenContentHash"));
    let hash = hash.map_err(|error| error.to_string())?;
    let reason = DispositionReason::parse(text(after, "reason")).ok_or("an unknown reason")?;
    let bundle = text(case, "bundle");
    Ok(AuditRecord::observed(
        text(after, "tokenId"),
        &hash,
        reason,
        now_ms,
        bundle,
    ))
}

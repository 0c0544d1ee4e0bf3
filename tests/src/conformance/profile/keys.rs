use serde_json::{Value, json};
use uxf_engine::profile::keys::{
    Class, KEY_TABLE, Scope as KeyScope, address_id_text, to_profile_key, to_sdk_key,
};

use super::{Scope, cases, same_json, text};

pub(super) fn address_id(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        scope.equal(
            &name,
            text(case, "address_id"),
            address_id_text(text(case, "direct_address")),
        );
    }
}

pub(super) fn key_table(scope: &mut Scope<'_>, file: &Value) {
    let ours: Vec<_> = KEY_TABLE
        .iter()
        .map(|rule| {
            json!({
                "sdk_key": rule.sdk_key,
                "profile_key": rule.profile_key,
                "per_address": rule.scope == KeyScope::PerAddress,
                "cache_only": rule.is_cache_only(),
                "identity": rule.class == Class::Identity,
            })
        })
        .collect();
    let entries = cases(scope, file, "entries");
    scope.equal("number of entries", entries.len(), ours.len());
    for ((name, entry), ours) in entries.into_iter().zip(&ours) {
        same_json(scope, &name, entry, ours);
    }
}

pub(super) fn key_mapping(scope: &mut Scope<'_>, file: &Value) {
    let current = text(file, "current_address_id");
    for (field, current) in [
        ("forward", Some(current)),
        ("forward_without_current_address", None),
    ] {
        for (name, case) in cases(scope, file, field) {
            let found = to_profile_key(text(case, "sdk_key"), current);
            let found = json!({
                "sdk_key": text(case, "sdk_key"),
                "profile_key": found.profile_key,
                "cache_only": found.cache_only,
                "excluded": found.excluded,
            });
            same_json(scope, &name, case, &found);
        }
    }
    for (name, case) in cases(scope, file, "reverse") {
        scope.equal(
            &name,
            text(case, "sdk_key"),
            to_sdk_key(text(case, "profile_key")),
        );
    }
}

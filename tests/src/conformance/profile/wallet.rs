use serde_json::{Value, json};
use uxf_codec::json::Tape;
use uxf_engine::wallet::views::{DerivedViews, OwnAddress, TokenFile};
use uxf_engine::wallet::{
    DedupKey, DiskMarkers, HistoryKind, ModeRefusal, ModeRequest, RESERVED_NAMES, StorageMode,
    TokenFileKey, TxfToken, resolve_mode,
};

use super::{Scope, cases, flag, optional_text, same_json, text};

/// The reference takes two reserved names and the name of no token for tokens; ours does not.
fn is_known_defect(key: &str) -> bool {
    key == "_" || RESERVED_NAMES.contains(&key)
}

pub(super) fn txf_keys(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let key = text(case, "key");
        let found = TokenFileKey::of(key);
        let is_active = matches!(found, TokenFileKey::Active { .. });
        let expected = flag(case, "active") && !is_known_defect(key);
        scope.equal(&format!("{name} {key}, active"), expected, is_active);
        let is_archived = matches!(found, TokenFileKey::Archived { .. });
        scope.equal(
            &format!("{name} {key}, archived"),
            flag(case, "archived"),
            is_archived,
        );
        let (is_forked, fork) = match found {
            TokenFileKey::Forked { fork } => (true, fork),
            _ => (false, None),
        };
        scope.equal(
            &format!("{name} {key}, forked"),
            flag(case, "forked"),
            is_forked,
        );
        let fork = fork.map_or(
            Value::Null,
            |fork| json!({ "tokenId": fork.token_id, "stateHash": fork.state_hash }),
        );
        let expected = case.get("parsed_fork").unwrap_or(&Value::Null);
        same_json(scope, &format!("{name} {key}, fork"), expected, &fork);
    }
}

pub(super) fn dedup_keys(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "import_dedup") {
        let token = case.get("token").cloned().unwrap_or_else(|| {
            let data = case.get("genesis_data").unwrap_or(&Value::Null);
            json!({ "genesis": { "data": data } })
        });
        let token = token.to_string();
        let mut tape = Tape::new();
        let Some(node) = scope.value(&name, tape.parse(token.as_bytes())) else {
            continue;
        };
        let Some(token) = TxfToken::new(node) else {
            scope.fail(name, "a token", token);
            continue;
        };
        scope.equal(&name, text(case, "effective_key"), DedupKey::of(&token));
        if let Some(expected) = optional_text(case, "pending_key") {
            scope.equal(&name, expected, DedupKey::pending(token.genesis_data()));
        }
    }
    for (name, case) in cases(scope, file, "history_dedup") {
        let found = HistoryKind::parse(text(case, "type")).and_then(|kind| {
            kind.dedup_key(
                optional_text(case, "tokenId"),
                optional_text(case, "transferId"),
                optional_text(case, "coinId"),
            )
        });
        scope.equal(&name, text(case, "key"), found.unwrap_or_default());
    }
}

pub(super) fn derived_caches(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let now = case.get("now").and_then(Value::as_u64).unwrap_or_default();
        let data = case.get("data").unwrap_or(&Value::Null).to_string();
        let mut tape = Tape::new();
        let Some(node) = scope.value(&name, tape.parse(data.as_bytes())) else {
            continue;
        };
        let tokens = TokenFile::new(node);
        let own = OwnAddress::new(text(case, "our_address"));
        let Some(own) = scope.value(&name, own) else {
            continue;
        };
        let found = DerivedViews::of(&tokens, Some(&own)).to_json(now);
        for field in ["tombstones", "sent", "history"] {
            let part = |all: &Value| all.get(field).cloned().unwrap_or_default();
            same_json(
                scope,
                &format!("{name}, {field}"),
                &part(case),
                &part(&found),
            );
        }
        let found = DerivedViews::of(&tokens, None).to_json(now);
        let expected = case.get("history_without_address").unwrap_or(&Value::Null);
        let found = found.get("history").unwrap_or(&Value::Null);
        same_json(scope, &format!("{name}, without address"), expected, found);
    }
}

pub(super) fn storage_mode(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "rows") {
        let request = ModeRequest {
            explicit: optional_text(case, "explicit").and_then(StorageMode::parse),
            committed: optional_text(case, "committed"),
            has_profile_runtime: flag(case, "runtime_available"),
        };
        let markers = DiskMarkers {
            profile: flag(case, "disk_profile"),
            legacy: flag(case, "disk_legacy"),
        };
        let found = match resolve_mode(request, || markers) {
            Ok(decision) => {
                let persisted = decision.is_to_be_committed.then(|| decision.mode.as_str());
                json!({
                    "result": decision.mode.as_str(),
                    "persisted": persisted.into_iter().collect::<Vec<_>>(),
                    "notices": decision.notices.len(),
                })
            }
            Err(refusal) => {
                let why = match refusal {
                    ModeRefusal::ProfileOnDisk => "refused: profile wallet on disk",
                    ModeRefusal::LegacyOnDisk => "refused: legacy wallet on disk",
                    ModeRefusal::NoProfileRuntime => "refused: profile runtime missing",
                    _ => "refused",
                };
                json!({ "result": why, "persisted": [], "notices": 0 })
            }
        };
        for field in ["result", "persisted", "notices"] {
            let part = |all: &Value| all.get(field).cloned().unwrap_or_default();
            same_json(
                scope,
                &format!("{name}, {field}"),
                &part(case),
                &part(&found),
            );
        }
    }
}

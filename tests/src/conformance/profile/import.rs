use serde_json::{Value, json};
use uxf_codec::json::Tape;
use uxf_engine::profile::envelope::LamportClock;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::wallet::{
    HeldStatus, ImportMode, IncomingToken, LegacyImportOptions, MemoryHoldings, OutboxMigration,
    OutboxRowText, TxfToken, Verdict, VerdictClass, import_legacy, import_token, outbox_backup_key,
    plan_outbox_migration,
};

use super::{Scope, cases, flag, same_json, set, text};

pub(super) fn import_results(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "import_tokens") {
        let Some(mut wallet) = scope.value(&name, set_up(case)) else {
            continue;
        };
        let batches = case.get("batches").and_then(Value::as_array);
        let results: Value = batches
            .into_iter()
            .flatten()
            .map(|batch| import_batch(&mut wallet, batch))
            .collect();
        let part = |field: &str| case.get(field).unwrap_or(&Value::Null);
        same_json(scope, &name, part("results"), &results);
        let after: Value = wallet
            .iter()
            .map(|(id, token)| {
                let status = token.held.status.as_str();
                json!({ "tokenId": id, "status": status, "transactions": token.transactions })
            })
            .collect();
        let name = format!("{name}, wallet after");
        same_json(scope, &name, part("wallet_after"), &after);
    }
    for (name, case) in cases(scope, file, "import_legacy") {
        let Some(mut wallet) = scope.value(&name, set_up(case)) else {
            continue;
        };
        let options = case.get("options").unwrap_or(&Value::Null);
        let options = LegacyImportOptions {
            dry_run: flag(options, "dryRun"),
        };
        let data = case.get("data").unwrap_or(&Value::Null);
        let data_text = data.to_string();
        let runs = case.get("results").and_then(Value::as_array);
        for (run, expected) in runs.into_iter().flatten().enumerate() {
            let mut tape = Tape::new();
            let report = if data.is_object() {
                import_legacy(tape.parse(data_text.as_bytes()), &mut wallet, options)
            } else {
                import_legacy(Err(text(expected, "error")), &mut wallet, options)
            };
            let mut found = report.to_json();
            if let Some(found) = found.as_object_mut() {
                found.remove("durationMs");
            }
            same_json(scope, &format!("{name}, run {run}"), expected, &found);
        }
    }
}

/// What the wallet holds before the import: tokens added at a status, tokens added and spent again. For legacy imports the
/// tokens stand there by themselves.
fn set_up(case: &Value) -> Result<MemoryHoldings, String> {
    let mut wallet = MemoryHoldings::default();
    let mut added: Vec<String> = Vec::new();
    let steps = case.get("setup").and_then(Value::as_array);
    for step in steps.into_iter().flatten() {
        if text(step, "op") == "remove" {
            let index = step.get("index").and_then(Value::as_u64);
            let id = index.and_then(|index| added.get(usize::try_from(index).ok()?));
            wallet.spend(id.ok_or("a removal of nothing")?);
            continue;
        }
        let token_text = step.get("txf").unwrap_or(step).to_string();
        let mut tape = Tape::new();
        let node = tape
            .parse(token_text.as_bytes())
            .map_err(|error| error.to_string())?;
        let token = TxfToken::new(node).and_then(IncomingToken::new);
        let token = token.ok_or("a token of the set-up that is none")?;
        let status = HeldStatus::parse(text(step, "status"));
        wallet.hold(&token, status.unwrap_or(HeldStatus::of(token.token())));
        added.push(token.id().to_owned());
    }
    Ok(wallet)
}

fn import_batch(wallet: &mut MemoryHoldings, batch: &Value) -> Value {
    let mode = if flag(batch, "strict") {
        ImportMode::Strict
    } else {
        ImportMode::Lenient
    };
    let tokens = batch.get("txfs").and_then(Value::as_array);
    let verdicts: Vec<_> = tokens
        .into_iter()
        .flatten()
        .filter_map(|token| {
            let token = token.to_string();
            let mut tape = Tape::new();
            let node = tape.parse(token.as_bytes()).ok()?;
            Some(import_token(node, wallet, mode))
        })
        .collect();
    let of = |class: VerdictClass| -> Value {
        let of_class = verdicts
            .iter()
            .filter(|verdict| verdict.code.class() == class);
        of_class.map(shown).collect()
    };
    json!({
        "added": of(VerdictClass::Added),
        "skipped": of(VerdictClass::Skipped),
        "rejected": of(VerdictClass::Rejected),
    })
}

fn shown(verdict: &Verdict) -> Value {
    let mut shown = json!({ "genesisTokenId": verdict.token_id, "code": verdict.code.as_str() });
    if verdict.note.is_some() {
        set(&mut shown, "has_note", true);
    }
    shown
}

pub(super) fn outbox_legacy_migration(scope: &mut Scope<'_>, file: &Value) {
    let Some(address) = scope.value("address", AddressId::parse("DIRECT_0d5508_b1bbbf")) else {
        return;
    };
    for (name, case) in cases(scope, file, "cases") {
        let rows = old_rows(case);
        let shown = rows.iter().map(|(id, text)| OutboxRowText { id, text });
        let now = case.get("now").and_then(Value::as_u64).unwrap_or_default();
        let mut drawn = 0;
        let next_id = || {
            drawn += 1;
            format!("new-{}", drawn - 1)
        };
        let mut clock = LamportClock::default();
        let plan = plan_outbox_migration(&address, shown, now, &mut clock, next_id);
        if let Some(plan) = scope.value(&name, plan) {
            check_plan(scope, (&name, case), &address, &rows, &plan);
        }
    }
}

/// Ids and texts of the rows before: those of the case, and as many that cannot be read as it says.
fn old_rows(case: &Value) -> Vec<(String, String)> {
    let legacy = case.get("legacy").and_then(Value::as_array);
    let legacy = legacy.into_iter().flatten();
    let mut rows: Vec<_> = legacy
        .map(|entry| (text(entry, "id").to_owned(), entry.to_string()))
        .collect();
    let malformed = case.get("extra_malformed").and_then(Value::as_u64);
    for _ in 0..malformed.unwrap_or_default() {
        let row = r#"{"id":"bad","status":"pending"}"#;
        rows.push(("bad".to_owned(), row.to_owned()));
    }
    rows
}

fn check_plan(
    scope: &mut Scope<'_>,
    (name, case): (&str, &Value),
    address: &AddressId,
    rows: &[(String, String)],
    plan: &OutboxMigration,
) {
    let relative = |key: &str| key.replacen(address.as_str(), "{addr}", 1);
    let result = json!({
        "migrated": plan.entries.len(),
        "alreadyMigrated": false,
        "backupKey": relative(&outbox_backup_key(address)),
        "groups": plan.entries.len(),
        "legacyEntries": plan.old_rows,
        "skippedMalformed": plan.malformed,
        "preservedUxfEntries": plan.kept,
    });
    let part = |field: &str| case.get(field).unwrap_or(&Value::Null);
    same_json(scope, &format!("{name}, result"), part("result"), &result);
    let entries: Value = plan
        .entries
        .iter()
        .filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok())
        .collect();
    let entries_name = format!("{name}, entries");
    same_json(scope, &entries_name, part("entries"), &entries);
    let kept = rows.iter().map(|(id, _)| format!("{address}.outbox.{id}"));
    let kept = kept.filter(|key| !plan.removed.contains(key));
    let written = plan.entries.iter().map(|(key, _)| key.clone());
    let marks = [plan.backup.0.clone(), plan.mark.0.clone()];
    let after = kept.chain(written).chain(marks);
    let mut keys: Vec<_> = after.map(|key| relative(&key)).collect();
    keys.sort();
    same_json(
        scope,
        &format!("{name}, keys"),
        part("keys_left"),
        &json!(keys),
    );
}

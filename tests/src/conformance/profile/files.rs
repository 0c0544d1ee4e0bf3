use serde_json::{Value, json};
use uxf_codec::ElementHash;
use uxf_codec::json::Tape;
use uxf_engine::bundles::BundleRef;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::wallet::files::{
    Epoch, FileBundle, FileEntry, FileHeader, FullExport, LeanSnapshot, ProfileFileError,
    local_snapshot_key, local_snapshot_pending_key, read_local_snapshot,
};

use super::{Scope, bytes, cases, flag, optional_text, same_json, set, text};

pub(super) fn profile_snapshots(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let name = format!("{name}{}", text(case, "kind"));
        let car = bytes(case, "car_hex");
        let outcome = if text(case, "kind").starts_with("lean") {
            lean(case, &car)
        } else {
            full(case, &car)
        };
        let Some((built, root, parsed)) = scope.value(&name, outcome) else {
            continue;
        };
        scope.same_bytes(&name, &car, &built);
        scope.equal(
            &format!("{name}, root"),
            text(case, "root_cid"),
            root.to_cid_text(),
        );
        let expected = case.get("parsed").unwrap_or(&Value::Null);
        same_json(scope, &format!("{name}, read"), expected, &parsed);
    }
    for (name, case) in cases(scope, file, "must_fail") {
        let read = LeanSnapshot::read_car(&bytes(case, "car_hex"));
        scope.equal(&name, flag(case, "failed"), read.is_err());
        let code = read.as_ref().err().map(ProfileFileError::code);
        scope.equal(&name, text(case, "error_code"), code.unwrap_or_default());
    }
}

type Outcome = Result<(Vec<u8>, ElementHash, Value), String>;

fn header(case: &Value) -> FileHeader {
    let options = case.get("options").unwrap_or(&Value::Null);
    FileHeader {
        chain_pubkey: text(options, "chainPubkey").to_owned(),
        network: text(options, "network").to_owned(),
        created_at_ms: options
            .get("createdAt")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
    }
}

fn entries(case: &Value) -> Vec<FileEntry> {
    let entries = case.get("entries_in").and_then(Value::as_object);
    let entry = |(key, value): (&String, &Value)| FileEntry {
        key: key.clone(),
        value: value.as_str().unwrap_or_default().to_owned(),
    };
    entries.into_iter().flatten().map(entry).collect()
}

fn refs(case: &Value) -> Result<Vec<BundleRef>, String> {
    let refs = case.get("bundles_in").and_then(Value::as_array);
    let refs = refs.into_iter().flatten();
    refs.map(|bundle| BundleRef::parse(&bundle.to_string()).map_err(|error| error.to_string()))
        .collect()
}

fn lean(case: &Value, car: &[u8]) -> Outcome {
    let shown = |error: ProfileFileError| error.to_string();
    let options = case.get("options").unwrap_or(&Value::Null);
    let number = options.get("epoch").and_then(Value::as_u64);
    let reason = optional_text(options, "epochResetReason").map(str::to_owned);
    let epoch = Epoch::new(number, reason).map_err(shown)?;
    let built = LeanSnapshot::build(header(case), epoch, entries(case), &refs(case)?);
    let built = built
        .and_then(|snapshot| snapshot.to_car())
        .map_err(shown)?;
    let read = LeanSnapshot::read_car(car).map_err(shown)?;
    let root = read.to_root();
    let groups = root.groups.iter().map(|line| {
        let cid = line.cid().to_string();
        json!({ "groupKey": line.key, "entriesCid": cid, "entryCount": line.entries })
    });
    let all_entries = read.groups.iter().flat_map(|group| &group.entries);
    let mut parsed = json!({
        "version": 3,
        "entries": all_entries.map(entry_json).collect::<Vec<_>>(),
        "entryGroups": groups.collect::<Vec<_>>(),
    });
    add_common(&mut parsed, &read.header, &read.bundles);
    if let Some(number) = read.epoch.number() {
        set(&mut parsed, "epoch", number);
    }
    if let Some(reason) = read.epoch.reset_reason() {
        set(&mut parsed, "epochResetReason", reason);
    }
    Ok((built, ElementHash::of(&root.encode()), parsed))
}

fn full(case: &Value, car: &[u8]) -> Outcome {
    let shown = |error: ProfileFileError| error.to_string();
    let built = FullExport::build(header(case), entries(case), &refs(case)?);
    let built = built
        .and_then(|export| export.to_car(|_| None))
        .map_err(shown)?;
    let read = FullExport::read_car(car).map_err(shown)?.export;
    let mut parsed = json!({
        "version": 2,
        "entries": read.entries.iter().map(entry_json).collect::<Vec<_>>(),
    });
    add_common(&mut parsed, &read.header, &read.bundles);
    Ok((built.0, ElementHash::of(&read.encode_root()), parsed))
}

fn entry_json(entry: &FileEntry) -> Value {
    json!({ "key": entry.key, "value": entry.value })
}

fn add_common(parsed: &mut Value, header: &FileHeader, bundles: &[FileBundle]) {
    set(parsed, "chainPubkey", header.chain_pubkey.as_str());
    set(parsed, "network", header.network.as_str());
    set(parsed, "createdAt", header.created_at_ms);
    let bundles = bundles.iter().map(|bundle| {
        let mut line = json!({
            "cid": bundle.cid,
            "status": bundle.status.as_str(),
            "createdAt": bundle.created_at.0,
        });
        if let Some(tokens) = bundle.token_count {
            set(&mut line, "tokenCount", tokens);
        }
        line
    });
    set(parsed, "bundles", bundles.collect::<Value>());
}

pub(super) fn local_snapshot_blob(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let key = text(case, "key");
        let address = key
            .strip_prefix("profile_snapshot_blob_")
            .unwrap_or_default();
        if let Some(address) = scope.value(&name, AddressId::parse(address)) {
            scope.equal(&format!("{name}, key"), key, local_snapshot_key(&address));
            let pending = local_snapshot_pending_key(&address);
            scope.equal(
                &format!("{name}, pending key"),
                text(case, "pending_key"),
                pending,
            );
        }
        // The vector says how old the snapshot is, not what time it was.
        let stored = optional_text(case, "text");
        let written: Value = stored
            .and_then(|stored| serde_json::from_str(stored).ok())
            .unwrap_or_default();
        let written = written
            .get("ts")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let age = case
            .get("age_ms")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let mut tape = Tape::new();
        let read = read_local_snapshot(&mut tape, stored, text(case, "wallet_id"), written + age);
        let (result, reason, age) = match read {
            Ok(Some(read)) => ("ok", None, Some(read.age_ms)),
            Ok(None) => ("absent", None, None),
            Err(fault) => ("corrupt", Some(fault.as_str()), None),
        };
        let found = json!({ "result": result, "reason": reason, "age_ms": age });
        for field in ["result", "reason", "age_ms"] {
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

use serde_json::{Map, Value};
use uxf_engine::profile::sealed::{
    OpenError, ProfileId, SealingKey, ValueRef, WalletSecret, open_reference, open_reference_with,
};

use super::{Scope, bytes, cases, same_json, text};

fn array(case: &Value, field: &str) -> [u8; 32] {
    bytes(case, field).try_into().unwrap_or_default()
}

fn secret(case: &Value) -> WalletSecret {
    WalletSecret::take(&mut array(case, "master_key_hex"))
}

pub(super) fn key_derivation(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "keys") {
        let expected = SealingKey::take(&mut array(case, "profile_key_hex"));
        let input = bytes(case, "master_key_hex");
        scope.equal(
            &name,
            true,
            SealingKey::derive_of_any_length(&input) == expected,
        );
        if input.len() == 32 {
            scope.equal(&name, true, SealingKey::derive(&secret(case)) == expected);
        }
    }
    for (name, case) in cases(scope, file, "db_names") {
        let found = ProfileId::of(&secret(case)).map(|profile| profile.database_name());
        let expected = case.get("db_name").and_then(Value::as_str);
        scope.equal(
            &name,
            expected.unwrap_or("none"),
            found.as_deref().unwrap_or("none"),
        );
    }
}

pub(super) fn encryption(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "decrypt") {
        let key = SealingKey::take(&mut array(case, "profile_key_hex"));
        scope.equal(&name, true, SealingKey::derive(&secret(case)) == key);
        let found = open_case(&key, case);
        if let Some(found) = scope.value(&name, found) {
            scope.same_bytes(&name, &bytes(case, "plaintext_hex"), &found);
        }
    }
    for (name, case) in cases(scope, file, "must_fail") {
        let key = SealingKey::take(&mut array(case, "profile_key_hex"));
        let found = match open_case(&key, case) {
            Ok(_) => "a value",
            Err(error) => error.code(),
        };
        scope.equal(&name, text(case, "error_code"), found);
    }
}

fn open_case(key: &SealingKey, case: &Value) -> Result<Vec<u8>, OpenError> {
    let sealed = bytes(case, "ciphertext_hex");
    let opened = match case.get("aad_hex").and_then(Value::as_str) {
        Some(_) => open_reference_with(key, &bytes(case, "aad_hex"), &sealed),
        None => open_reference(key, &sealed),
    };
    opened.map(|value| value.to_vec())
}

pub(super) fn cid_ref(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "cases") {
        let found = ValueRef::parse(text(case, "text")).map_or(Value::Null, |found| {
            let mut all = Map::new();
            let mut set = |field: &str, value: Option<Value>| {
                if let Some(value) = value {
                    all.insert(field.to_owned(), value);
                }
            };
            set("v", Some(1.into()));
            set("cid", Some(found.cid.to_string().into()));
            set("size", Some(found.size.into()));
            set("ts", Some(found.ts.into()));
            set("contentV", found.content_version.map(Value::from));
            set("enc", found.encrypted.map(Value::from));
            Value::Object(all)
        });
        same_json(
            scope,
            &name,
            case.get("ref").unwrap_or(&Value::Null),
            &found,
        );
        if let Some(written) = ValueRef::parse(text(case, "text")) {
            let again = ValueRef::parse(&written.format());
            scope.equal(
                &format!("{name}, written again"),
                true,
                again == Some(written),
            );
        }
    }
}

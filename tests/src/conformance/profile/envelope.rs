use serde_json::{Value, json};
use uxf_engine::profile::envelope::{
    EntryKind, Envelope, EnvelopeError, LamportClock, LamportError, LamportTime, Origin,
    OriginError, Stored, TIME_MIN_MS,
};

use super::{Scope, bytes, cases, same_json, text};

fn shown(stored: Stored<'_>) -> Value {
    match stored {
        Stored::Entry(entry) => json!({
            "v": 1,
            "type": entry.kind().as_str(),
            "originated": entry.origin().as_str(),
            "ts": entry.time_ms(),
            "payload_hex": const_hex::encode(entry.payload()),
        }),
        Stored::Legacy { payload } => json!({
            "v": 0,
            "type": EntryKind::CacheIndex.as_str(),
            "originated": Origin::System.as_str(),
            "ts": 0,
            "payload_hex": const_hex::encode(payload),
        }),
    }
}

fn check_decoded(
    scope: &mut Scope<'_>,
    name: &str,
    case: &Value,
    found: Result<Stored<'_>, EnvelopeError>,
) {
    match (case.get("ok"), found) {
        (Some(expected), Ok(found)) => same_json(scope, name, expected, &shown(found)),
        (None, Err(error)) => scope.equal(name, text(case, "error"), error.code()),
        (expected, found) => {
            let expected =
                expected.map_or_else(|| text(case, "error").to_owned(), Value::to_string);
            scope.fail(name, expected, format!("{found:?}"));
        }
    }
}

pub(super) fn oplog_envelope(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "encode") {
        let entry = case.get("entry").unwrap_or(&Value::Null);
        let payload = bytes(entry, "payload_hex");
        let parts = EntryKind::parse(text(entry, "type"))
            .zip(Origin::parse(text(entry, "originated")).ok());
        let Some((kind, origin)) = parts else {
            scope.fail(name, "a known type and origin", entry);
            continue;
        };
        let time = entry.get("ts").and_then(Value::as_u64).unwrap_or_default();
        let encoded = Envelope::checked(kind, origin, time, &payload).map(|entry| entry.encode());
        if let Some(encoded) = scope.value(&name, encoded) {
            scope.same_bytes(&name, &bytes(case, "bytes_hex"), &encoded);
        }
    }
    for (name, case) in cases(scope, file, "decode") {
        check_decoded(
            scope,
            &name,
            case,
            Envelope::decode(&bytes(case, "bytes_hex")),
        );
    }
    for (name, case) in cases(scope, file, "replication_ingress") {
        let bytes = bytes(case, "bytes_hex");
        check_decoded(
            scope,
            &name,
            case,
            Envelope::receive(&bytes).map(Stored::Entry),
        );
    }
    for (name, case) in cases(scope, file, "size_limits") {
        let len = case
            .get("payload_zero_bytes")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        scope.equal(
            &name,
            text(case, "result"),
            if encodes(len) { "ok" } else { "refused" },
        );
    }
    for (name, case) in cases(scope, file, "decode_encoding_variants") {
        encoding_variant(scope, &name, case);
    }
    encode_refusals(scope, file);
    origin_pairs(scope, file);
}

fn encodes(payload_len: u64) -> bool {
    let payload = vec![0; usize::try_from(payload_len).unwrap_or_default()];
    Envelope::written_here(EntryKind::CacheIndex, TIME_MIN_MS, &payload).is_ok()
}

/// The reference reads keys in another order and whole numbers written as floats. A strict reader refuses both: what it
/// reads, it would write with the same bytes.
fn encoding_variant(scope: &mut Scope<'_>, name: &str, case: &Value) {
    let bytes = bytes(case, "bytes_hex");
    let reference_reads = case.get("ok").and_then(Value::as_bool) == Some(true);
    match Envelope::decode(&bytes) {
        Ok(Stored::Entry(entry)) if reference_reads => {
            scope.same_bytes(name, &bytes, &entry.encode());
        }
        Ok(found) => scope.fail(name, "a refusal", format!("{found:?}")),
        Err(error) if name.contains("canonical order") => scope.fail(name, "an entry", error),
        Err(error) => scope.equal(name, "OpLogEntryCorrupt", error.code()),
    }
}

/// Refusals on writing. What our types cannot express is checked on reading: nothing else could come of it.
fn encode_refusals(scope: &mut Scope<'_>, file: &Value) {
    let valid = Envelope::written_here(EntryKind::CacheIndex, TIME_MIN_MS, b"p")
        .map(|entry| entry.encode());
    let valid = valid.unwrap_or_default();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = valid.windows(from.len()).position(|window| window == from);
        let parts = at.and_then(|at| Some((valid.get(..at)?, valid.get(at + from.len()..)?)));
        parts.map_or_else(Vec::new, |(before, after)| [before, to, after].concat())
    };
    for (name, case) in cases(scope, file, "encode_refusals") {
        let why = text(case, "why");
        let accepted = match why {
            "v=0" => Envelope::decode(&replaced(b"\x61v\x01", b"\x61v\x00")).is_ok(),
            "ts too old" => {
                Envelope::written_here(EntryKind::CacheIndex, TIME_MIN_MS - 1, b"").is_ok()
            }
            "unknown type" => EntryKind::parse("token_burn").is_some(),
            "origin missing" => {
                let mut bytes = replaced(b"\x6aoriginated\x66system", b"");
                if let Some(head) = bytes.first_mut() {
                    *head = 0xa4; // A map of four.
                }
                Envelope::decode(&bytes).is_ok()
            }
            "payload not bytes" => {
                Envelope::decode(&replaced(b"payload\x41", b"payload\x61")).is_ok()
            }
            _ => {
                let len = why
                    .strip_prefix("payload of ")
                    .and_then(|why| why.strip_suffix(" bytes"));
                let Some(len) = len else {
                    scope.not_covered(&name);
                    continue;
                };
                encodes(len.parse().unwrap_or_default())
            }
        };
        let expected = case.get("result").and_then(Value::as_str) == Some("ok");
        scope.equal(&name, expected, accepted);
    }
}

fn origin_pairs(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "origin_pairs") {
        let kind = EntryKind::parse(text(case, "type")).ok_or(OriginError::UnknownKind);
        let check = |check: fn(Origin, EntryKind) -> Result<(), OriginError>| {
            let checked =
                kind.and_then(|kind| check(Origin::parse(text(case, "originated"))?, kind));
            checked.map_or_else(|error| error.code(), |()| "ok")
        };
        scope.equal(&name, text(case, "local"), check(Origin::check_local));
        scope.equal(
            &name,
            text(case, "replicated"),
            check(Origin::check_replicated),
        );
    }
}

pub(super) fn lamport(scope: &mut Scope<'_>, file: &Value) {
    for (name, case) in cases(scope, file, "bump") {
        let next = clock(case).and_then(|mut clock| clock.next(&times(case, "observed")?));
        let found = next.map_or_else(
            |error| json!({ "code": error.code() }),
            |time| time.get().into(),
        );
        same_json(
            scope,
            &name,
            case.get("result").unwrap_or(&Value::Null),
            &found,
        );
    }
    for (name, case) in cases(scope, file, "rehydrate") {
        let run = || {
            let mut clock = clock(case)?;
            clock.rehydrate(&times(case, "rehydrate")?);
            Ok::<_, LamportError>((clock.current().get(), clock.next(&[])?.get()))
        };
        if let Some((after, next)) = scope.value(&name, run()) {
            scope.field(case, "after", after);
            scope.field(case, "next_bump", next);
        }
    }
}

fn clock(case: &Value) -> Result<LamportClock, LamportError> {
    let initial = case
        .get("initial")
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN);
    LamportTime::from_number(initial).map(LamportClock::at)
}

fn times(case: &Value, field: &str) -> Result<Vec<LamportTime>, LamportError> {
    let times = case
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    times
        .map(|time| LamportTime::from_number(time.as_f64().unwrap_or(f64::NAN)))
        .collect()
}

use uxf_codec::carriage::transfer::{TransferPayload, decode_base64, encode_base64, extract_root};

use super::{Verdict, ensure, must};

/// A payload is refused, or writing what was read gives a text that reads as the same.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    // No bytes may make it fall over; which are a root is told elsewhere.
    let root = extract_root(bytes).unwrap_or_default();
    ensure(root.is_empty() || root.starts_with('b'), || {
        format!("{root} is no base32 CID")
    })?;
    let Ok(text) = core::str::from_utf8(bytes) else {
        return Ok(());
    };
    if let Ok(decoded) = decode_base64(text) {
        let again = must(
            "what was encoded is refused",
            decode_base64(&encode_base64(&decoded)),
        )?;
        ensure(again == decoded, || {
            "base64 gives other bytes back".to_owned()
        })?;
    }
    let Ok(payload) = TransferPayload::decode(text) else {
        return Ok(());
    };
    // A sender of null and gateways that are no array are read and cannot be written: the format checks neither.
    let Ok(written) = payload.encode() else {
        return Ok(());
    };
    let read = must(
        "what was written is refused",
        TransferPayload::decode(&written),
    )?;
    let again = must("what was read cannot be written", read.encode())?;
    ensure(again == written, || format!("{written} has become {again}"))
}

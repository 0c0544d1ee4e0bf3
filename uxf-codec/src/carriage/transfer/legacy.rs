use crate::canonical::Value;
use crate::json::write_value;

/// A payload of an older shape, passed through as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct LegacyTransfer(Value);

impl LegacyTransfer {
    /// Takes a payload that has one of the older shapes; `None` if it has none of them.
    ///
    /// Those are objects without `kind` that are a combined transfer of version 6.0, an instant split of version 4.0
    /// or 5.0, or have `sourceToken` and `transferTx`, or `token` and `proof`.
    pub fn new(payload: Value) -> Option<Self> {
        let text = |key| payload.get(key).and_then(Value::as_text);
        let has = |key| payload.get(key).is_some();
        let is_legacy = !has("kind")
            && (matches!(
                (text("type"), text("version")),
                (Some("COMBINED_TRANSFER"), Some("6.0"))
                    | (Some("INSTANT_SPLIT"), Some("4.0" | "5.0"))
            ) || (has("sourceToken") && has("transferTx"))
                || (has("token") && has("proof")));
        is_legacy.then_some(Self(payload))
    }

    /// What it says.
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// Compact JSON with all keys sorted, in the order of their UTF-16 units.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_value(out, &sorted(&self.0));
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            Value::Map(entries)
        }
        other => other.clone(),
    }
}

use super::legacy::LegacyTransfer;
use super::{TransferError, encode_base64};
use crate::canonical::Value;
use crate::error::Error;
use crate::json::{Kind, Node, Tape, write_text, write_value};
use crate::limits::{PAYLOAD_TOKENS_MAX, PAYLOAD_UNITS_MAX};

/// A message between wallets.
#[derive(Clone, Debug, PartialEq)]
pub enum TransferPayload {
    /// A bundle of this format.
    Bundle(BundleTransfer),
    /// An older shape.
    Legacy(LegacyTransfer),
}

/// A message that hands over a bundle.
///
/// ```
/// use uxf_codec::carriage::transfer::{BundleTransfer, TransferMode, TransferPayload};
///
/// let transfer = BundleTransfer::with_car(TransferMode::Instant, "bafy...", ["aa".repeat(32)], b"car");
/// let text = TransferPayload::Bundle(transfer).encode().unwrap();
/// assert!(text.starts_with(r#"{"kind":"uxf-car","version":"1.0","mode":"instant","bundleCid":"bafy...""#));
/// assert_eq!(TransferPayload::decode(&text).unwrap().encode().unwrap(), text);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BundleTransfer {
    /// How the sender wants it taken.
    pub mode: TransferMode,
    /// Root of the archive as text. Not parsed here, but not empty.
    pub bundle_cid: String,
    /// Ids of the tokens that are meant; at most 256, none empty.
    pub token_ids: Vec<String>,
    /// A note to the receiver. The format asks for text and checks nothing.
    pub memo: Option<Value>,
    /// Who sends: `transportPubkey` and maybe `nametag`. The format checks nothing; other keys are dropped.
    pub sender: Option<Value>,
    /// The archive or the way to it.
    pub carrier: Carrier,
}

/// How a transfer is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferMode {
    /// Wait for proofs.
    Conservative,
    /// Take it now.
    Instant,
}

/// How the archive comes.
#[derive(Clone, Debug, PartialEq)]
pub enum Carrier {
    /// In the message itself.
    Car {
        /// The archive in base64; not empty, decoded with [`decode_base64`](super::decode_base64).
        base64: String,
    },
    /// By its CID.
    Cid {
        /// Gateways that have it. The format asks for an array of texts and checks nothing.
        sender_gateways: Option<Value>,
    },
}

impl BundleTransfer {
    /// A transfer with the archive in it.
    pub fn with_car(
        mode: TransferMode,
        bundle_cid: &str,
        token_ids: impl IntoIterator<Item = String>,
        car: &[u8],
    ) -> Self {
        Self {
            carrier: Carrier::Car {
                base64: encode_base64(car),
            },
            ..Self::with_cid(mode, bundle_cid, token_ids)
        }
    }

    /// A transfer whose archive is to be fetched by its CID.
    pub fn with_cid(
        mode: TransferMode,
        bundle_cid: &str,
        token_ids: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            mode,
            bundle_cid: bundle_cid.to_owned(),
            token_ids: token_ids.into_iter().collect(),
            memo: None,
            sender: None,
            carrier: Carrier::Cid {
                sender_gateways: None,
            },
        }
    }

    fn check(&self) -> Result<(), TransferError> {
        if self.bundle_cid.is_empty() {
            return Err(refuse("bundleCid", "must not be empty"));
        }
        if self.token_ids.len() > PAYLOAD_TOKENS_MAX {
            return Err(refuse("tokenIds", "must be 256 at most"));
        }
        if self.token_ids.iter().any(String::is_empty) {
            return Err(refuse("tokenIds", "must not be empty texts"));
        }
        match &self.carrier {
            Carrier::Car { base64 } if base64.is_empty() => {
                Err(refuse("carBase64", "must not be empty"))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), TransferError> {
        self.check()?;
        let kind = match &self.carrier {
            Carrier::Car { .. } => "uxf-car",
            Carrier::Cid { .. } => "uxf-cid",
        };
        let mode = match self.mode {
            TransferMode::Conservative => "conservative",
            TransferMode::Instant => "instant",
        };
        for (key, text) in [
            ("{\"kind\":", kind),
            (",\"version\":", "1.0"),
            (",\"mode\":", mode),
            (",\"bundleCid\":", &self.bundle_cid),
        ] {
            out.extend_from_slice(key.as_bytes());
            write_text(out, text);
        }
        let token_ids = self.token_ids.iter().cloned().map(Value::Text).collect();
        write_member(out, "tokenIds", &Value::List(token_ids));
        if let Some(memo) = &self.memo {
            write_member(out, "memo", memo);
        }
        if let Some(sender) = &self.sender {
            write_member(out, "sender", &ordered_sender(sender)?);
        }
        match &self.carrier {
            Carrier::Car { base64 } => {
                out.extend_from_slice(b",\"carBase64\":");
                write_text(out, base64);
            }
            Carrier::Cid {
                sender_gateways: Some(gateways),
            } => {
                if !matches!(gateways, Value::List(_)) {
                    return Err(refuse("senderGateways", "must be an array"));
                }
                write_member(out, "senderGateways", gateways);
            }
            Carrier::Cid {
                sender_gateways: None,
            } => {}
        }
        out.push(b'}');
        Ok(())
    }
}

impl TransferPayload {
    /// Reads a payload. Unknown keys of a bundle transfer are dropped.
    ///
    /// # Errors
    /// [`TransferError::NotJson`] and [`TransferError::MalformedEnvelope`], which share a code; the latter also for
    /// a text of more than 8 Mi UTF-16 units.
    pub fn decode(text: &str) -> Result<Self, TransferError> {
        // No text has more units than bytes.
        if text.len() > PAYLOAD_UNITS_MAX && text.encode_utf16().count() > PAYLOAD_UNITS_MAX {
            return Err(refuse("text", "is longer than 8 Mi UTF-16 units"));
        }
        let mut tape = Tape::new();
        let root = tape
            .parse(text.as_bytes())
            .map_err(TransferError::NotJson)?;
        if root.kind() != Kind::Object {
            return Err(refuse("payload", "must be an object"));
        }
        if root.get("kind").is_some() {
            return decode_bundle(root).map(Self::Bundle);
        }
        LegacyTransfer::new(value(root)?)
            .map(Self::Legacy)
            .ok_or_else(|| refuse("payload", "has no kind and is of no older shape"))
    }

    /// Writes the payload in its canonical order of keys: that of the format for a bundle, sorted for an older shape.
    ///
    /// # Errors
    /// [`TransferError::MalformedEnvelope`] for what [`Self::decode`] would refuse, and for a sender that is null or
    /// gateways that are no array.
    pub fn encode(&self) -> Result<String, TransferError> {
        let mut out = Vec::new();
        match self {
            Self::Bundle(bundle) => bundle.write(&mut out)?,
            Self::Legacy(legacy) => legacy.write(&mut out),
        }
        String::from_utf8(out).map_err(|_| refuse("payload", "must be UTF-8"))
    }
}

fn decode_bundle(root: Node<'_>) -> Result<BundleTransfer, TransferError> {
    let text = |key| root.get(key).and_then(|node| node.as_text());
    let base64 = match (text("kind").as_deref(), root.get("carBase64")) {
        (Some("uxf-car"), Some(car)) => {
            let car = car.as_text();
            Some(car.ok_or_else(|| refuse("carBase64", "must be text"))?)
        }
        (Some("uxf-car"), None) => return Err(refuse("carBase64", "is missing")),
        (Some("uxf-cid"), None) => None,
        (Some("uxf-cid"), Some(_)) => {
            return Err(refuse("carBase64", "must be absent from a transfer by CID"));
        }
        _ => return Err(refuse("kind", "must be uxf-car or uxf-cid")),
    };
    if text("version").as_deref() != Some("1.0") {
        return Err(refuse("version", "must be the text 1.0"));
    }
    let mode = match text("mode").as_deref() {
        Some("conservative") => TransferMode::Conservative,
        Some("instant") => TransferMode::Instant,
        _ => return Err(refuse("mode", "must be conservative or instant")),
    };
    let bundle_cid = text("bundleCid").ok_or_else(|| refuse("bundleCid", "must be text"))?;
    let optional = |key| root.get(key).map(value).transpose();
    let bundle = BundleTransfer {
        mode,
        bundle_cid: bundle_cid.into_owned(),
        token_ids: decode_token_ids(root)?,
        memo: optional("memo")?,
        sender: optional("sender")?,
        carrier: match base64 {
            Some(base64) => Carrier::Car {
                base64: base64.into_owned(),
            },
            None => Carrier::Cid {
                sender_gateways: optional("senderGateways")?,
            },
        },
    };
    bundle.check()?;
    Ok(bundle)
}

fn decode_token_ids(root: Node<'_>) -> Result<Vec<String>, TransferError> {
    let ids = root
        .get("tokenIds")
        .filter(|node| node.kind() == Kind::Array);
    let ids = ids.ok_or_else(|| refuse("tokenIds", "must be an array"))?;
    // One more than allowed is enough to refuse them.
    ids.items()
        .take(PAYLOAD_TOKENS_MAX + 1)
        .map(|id| {
            let text = id.as_text();
            text.map(std::borrow::Cow::into_owned)
                .ok_or_else(|| refuse("tokenIds", "must be texts"))
        })
        .collect()
}

/// Public key first, name-tag second, and nothing else.
fn ordered_sender(sender: &Value) -> Result<Value, TransferError> {
    if *sender == Value::Null {
        return Err(refuse("sender", "must not be null"));
    }
    let member = |key: &str| Some((key.to_owned(), sender.get(key)?.clone()));
    let members = ["transportPubkey", "nametag"].into_iter();
    Ok(Value::Map(members.filter_map(member).collect()))
}

fn write_member(out: &mut Vec<u8>, key: &str, value: &Value) {
    out.push(b',');
    write_text(out, key);
    out.push(b':');
    write_value(out, value);
}

fn value(node: Node<'_>) -> Result<Value, TransferError> {
    node.to_value()
        .map_err(|error: Error| TransferError::NotJson(error))
}

const fn refuse(field: &'static str, reason: &'static str) -> TransferError {
    TransferError::MalformedEnvelope { field, reason }
}

//! The two blocks of a package that are no elements: envelope and manifest.

use cid::Cid;
use indexmap::IndexMap;

use super::framing::block_too_large;
use crate::canonical::{
    ElementView, RawValue, Value, Writer, decode_value, encode_value, key_order, map_entries,
    read_value,
};
use crate::element::{CID_PREFIX, ElementHash, ElementSource, ElementType, InstanceKind};
use crate::error::Error;
use crate::limits::{
    BLOCK_BYTES_MAX, CREATOR_UNITS_MAX, DESCRIPTION_UNITS_MAX, MANIFEST_TOKENS_MAX,
};
use crate::package::{Envelope, FORMAT_VERSION, Manifest, Timestamp, TokenId};

/// Envelope and manifest of a package as blocks. The hash of the envelope block is the identity of the bundle.
///
/// ```
/// use uxf_codec::carriage::car::BundleBlocks;
/// use uxf_codec::package::{Envelope, Manifest, Timestamp};
///
/// let blocks = BundleBlocks::new(&Envelope::new(Timestamp::from_secs(0)), &Manifest::new());
/// assert_eq!(blocks.manifest, b"\xa1\x66tokens\xa0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleBlocks {
    /// Hash of the envelope block: the root of the archive.
    pub root: ElementHash,
    /// The envelope block, which links to the manifest.
    pub envelope: Vec<u8>,
    /// Hash of the manifest block.
    pub manifest_hash: ElementHash,
    /// The manifest block: token ids, shorter first, then bytewise, each with a link to its root.
    pub manifest: Vec<u8>,
}

impl BundleBlocks {
    /// Encodes both blocks.
    pub fn new(envelope: &Envelope, manifest: &Manifest) -> Self {
        let manifest = encode_manifest(manifest);
        let manifest_hash = ElementHash::of(&manifest);
        let envelope = encode_envelope(envelope, &manifest_hash);
        Self {
            root: ElementHash::of(&envelope),
            envelope,
            manifest_hash,
            manifest,
        }
    }
}

/// Reads an envelope block: what it says of the package, and the hash of the manifest block.
///
/// For bundles whose blocks are fetched or kept one by one; archives are read by
/// [`Package::from_car`](crate::package::Package::from_car).
///
/// # Errors
/// [`Error::LimitExceeded`] over the caps of the format; [`Error::Serialization`] and [`Error::MalformedCbor`] for
/// what is no envelope.
pub fn read_envelope(bytes: &[u8]) -> Result<(Envelope, ElementHash), Error> {
    if bytes.len() > BLOCK_BYTES_MAX {
        return Err(oversized(bytes));
    }
    let (envelope, manifest) = decode_envelope(bytes)?;
    Ok((envelope, ElementHash::from_cid(&manifest)?))
}

/// Reads a manifest block: token ids and their roots.
///
/// ```
/// use uxf_codec::carriage::car::read_manifest;
///
/// assert!(read_manifest(b"\xa1\x66tokens\xa0").unwrap().is_empty());
/// assert!(read_manifest(b"\xa0").is_err());
/// ```
///
/// # Errors
/// Those of [`read_envelope`].
pub fn read_manifest(bytes: &[u8]) -> Result<Manifest, Error> {
    if bytes.len() > BLOCK_BYTES_MAX {
        return Err(oversized(bytes));
    }
    decode_manifest(bytes)
}

const CREATOR_CAP: (&str, usize) = ("creator, UTF-16 units", CREATOR_UNITS_MAX);
const DESCRIPTION_CAP: (&str, usize) = ("description, UTF-16 units", DESCRIPTION_UNITS_MAX);

fn encode_envelope(envelope: &Envelope, manifest: &ElementHash) -> Vec<u8> {
    let mut entries = vec![
        ("version".to_owned(), Value::Text(envelope.version.clone())),
        (
            "manifest".to_owned(),
            Value::Link(manifest.to_cid_bytes().to_vec()),
        ),
        ("createdAt".to_owned(), envelope.created_at.to_value()),
        ("updatedAt".to_owned(), envelope.updated_at.to_value()),
    ];
    for (key, text) in [
        ("creator", &envelope.creator),
        ("description", &envelope.description),
    ] {
        if let Some(text) = text {
            entries.push((key.to_owned(), Value::Text(text.clone())));
        }
    }
    encode_value(&Value::Map(entries))
}

fn encode_manifest(manifest: &Manifest) -> Vec<u8> {
    let mut tokens: Vec<_> = manifest.iter().collect();
    tokens.sort_unstable_by(|(a, _), (b, _)| key_order(a.as_str(), b.as_str()));
    let mut out = Vec::with_capacity(16 + tokens.len() * 112);
    let mut writer = Writer::new(&mut out);
    writer.map(1);
    writer.text("tokens");
    writer.map(tokens.len());
    for (token_id, root) in tokens {
        writer.text(token_id.as_str());
        writer.link(root);
    }
    out
}

/// Reads an envelope block: what it says and where the manifest is. The order of checks is the reference's.
pub(super) fn decode_envelope(bytes: &[u8]) -> Result<(Envelope, Cid), Error> {
    let block = decode_value(bytes)?;
    let manifest = match block.get("manifest") {
        Some(Value::Link(cid)) => Cid::try_from(cid.as_slice()).ok(),
        _ => None,
    };
    let manifest = manifest.ok_or_else(|| refuse("manifest", "must be a link"))?;
    let version = block.get("version").and_then(Value::as_text);
    if version != Some(FORMAT_VERSION) {
        return Err(refuse("version", "must be the text 1.0.0"));
    }
    let mut envelope = Envelope::new(timestamp(&block, "createdAt")?);
    envelope.updated_at = timestamp(&block, "updatedAt")?;
    envelope.creator = optional_text(&block, "creator", CREATOR_CAP)?;
    envelope.description = optional_text(&block, "description", DESCRIPTION_CAP)?;
    Ok((envelope, manifest))
}

/// Reads a manifest block. Unknown keys are ignored, as by the reference.
pub(super) fn decode_manifest(bytes: &[u8]) -> Result<Manifest, Error> {
    let block = decode_value(bytes)?;
    let tokens = match block.get("tokens") {
        Some(Value::Map(tokens)) => tokens.as_slice(),
        // What has no keys in the reference's language counts as no tokens there.
        Some(Value::Bool(_) | Value::Int(_) | Value::Float(_)) => &[],
        Some(Value::List(items)) if items.is_empty() => &[],
        Some(Value::Text(text)) if text.is_empty() => &[],
        Some(Value::Bytes(bytes)) if bytes.is_empty() => &[],
        _ => return Err(refuse("manifest tokens", "must be a map")),
    };
    check_token_count(tokens.len())?;
    let mut manifest = IndexMap::with_capacity(tokens.len());
    for (token_id, root) in tokens {
        let token_id = parse_token_id(token_id)?;
        let Value::Link(cid) = root else {
            return Err(refuse("manifest root", "must be a link"));
        };
        manifest.insert(token_id, link_hash(cid)?);
    }
    Ok(manifest)
}

/// The error for an envelope or manifest that is over the cap for blocks, found without decoding it into memory.
///
/// The reference decodes it first and refuses it for its size when it meets it among the blocks, so a cap on what it
/// holds is told in front of the cap on itself.
pub(super) fn oversized(bytes: &[u8]) -> Error {
    let too_large = block_too_large(bytes.len(), BLOCK_BYTES_MAX);
    let Ok(RawValue::Map(block)) = read_value(bytes) else {
        return too_large;
    };
    for (key, value) in map_entries(block) {
        let within = match (key, value) {
            ("tokens", RawValue::Map(tokens)) => check_token_count(map_entries(tokens).count()),
            ("creator", RawValue::Text(text)) => check_units(CREATOR_CAP, text),
            ("description", RawValue::Text(text)) => check_units(DESCRIPTION_CAP, text),
            _ => Ok(()),
        };
        if let Err(error) = within {
            return error;
        }
    }
    too_large
}

/// Refuses more tokens than a manifest may list, before any is looked at.
pub(crate) const fn check_token_count(count: usize) -> Result<(), Error> {
    if count > MANIFEST_TOKENS_MAX {
        return Err(Error::LimitExceeded {
            what: "tokens in the manifest",
            limit: MANIFEST_TOKENS_MAX as u64,
            found: count as u64,
        });
    }
    Ok(())
}

/// A token id in a manifest that came from outside.
pub(crate) fn parse_token_id(text: &str) -> Result<TokenId, Error> {
    TokenId::new(text).ok_or_else(|| Error::Serialization {
        at: format!(
            "manifest key {:?}",
            text.chars().take(32).collect::<String>()
        ),
        reason: "must be 64 to 68 lower-case hex digits".to_owned(),
    })
}

/// Checks a creator or description against its cap, in UTF-16 units.
pub(crate) fn check_units((what, limit): (&'static str, usize), text: &str) -> Result<(), Error> {
    // No text has more units than bytes.
    let found = if text.len() <= limit {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    if found > limit {
        return Err(Error::LimitExceeded {
            what,
            limit: limit as u64,
            found: found as u64,
        });
    }
    Ok(())
}

/// Checks what a manifest names as far as it is there: no root is synthetic, each is a token root, and each is the
/// root of the token it is filed under. A root that is absent is accepted; `verify` reports it.
///
/// An import that streams elements into a store calls this when all of them are there.
///
/// # Errors
/// [`Error::VerificationFailed`] naming the token; those of the source.
pub fn check_roots(source: &impl ElementSource, manifest: &Manifest) -> Result<(), Error> {
    for (token_id, root) in manifest {
        let refuse = |reason: String| {
            Err(Error::VerificationFailed {
                at: format!("token {token_id}"),
                reason,
            })
        };
        let Some(bytes) = source.element(root)? else {
            continue;
        };
        let view = ElementView::parse(bytes.as_ref())?;
        if view.kind() == InstanceKind::ENRICHED_SYNTHETIC {
            return refuse("its root was put together by a join and is not signed".to_owned());
        }
        if view.element_type() != ElementType::TokenRoot {
            return refuse(format!("its root is a {}", view.element_type()));
        }
        let own_id = const_hex::encode(view.bytes("tokenId").unwrap_or_default());
        if own_id != token_id.as_str() {
            return refuse(format!("its root is that of token {own_id}"));
        }
    }
    Ok(())
}

/// Refuses to export what no import accepts: a root that is absent or synthetic.
pub(crate) fn check_exportable(
    source: &impl ElementSource,
    manifest: &Manifest,
) -> Result<(), Error> {
    for (token_id, root) in manifest {
        let Some(bytes) = source.element(root)? else {
            return Err(Error::MissingElement {
                hash: *root,
                wanted_by: format!("token {token_id}"),
            });
        };
        if ElementView::parse(bytes.as_ref())?.kind() == InstanceKind::ENRICHED_SYNTHETIC {
            return Err(Error::VerificationFailed {
                at: format!("token {token_id}"),
                reason: "its root was put together by a join; only signed roots are exported"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

fn link_hash(cid: &[u8]) -> Result<ElementHash, Error> {
    if let Some((&CID_PREFIX, digest)) = cid.split_first_chunk()
        && let Ok(digest) = digest.try_into()
    {
        return Ok(ElementHash::from_bytes(digest));
    }
    let cid = Cid::try_from(cid).map_err(|_| refuse("manifest root", "must be a CID"))?;
    ElementHash::from_cid(&cid)
}

/// A number of the reference's language; integers beyond ±(2^53-1) are none there.
fn timestamp(block: &Value, key: &'static str) -> Result<Timestamp, Error> {
    const SAFE_INTEGER_MAX: i128 = (1 << 53) - 1;
    #[expect(clippy::cast_precision_loss, reason = "at most 2^53-1, which is exact")]
    let number = match block.get(key) {
        Some(Value::Int(secs)) if (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(secs) => {
            Some(*secs as f64)
        }
        Some(Value::Float(secs)) => Some(*secs),
        _ => None,
    };
    number
        .and_then(Timestamp::from_number)
        .ok_or_else(|| refuse(key, "must be a finite number"))
}

fn optional_text(
    block: &Value,
    key: &'static str,
    cap: (&'static str, usize),
) -> Result<Option<String>, Error> {
    match block.get(key) {
        None => Ok(None),
        Some(Value::Text(text)) => {
            check_units(cap, text)?;
            Ok(Some(text.clone()))
        }
        Some(_) => Err(refuse(key, "must be text where it is given")),
    }
}

fn refuse(at: &str, reason: &str) -> Error {
    Error::Serialization {
        at: format!("CAR {at}"),
        reason: reason.to_owned(),
    }
}

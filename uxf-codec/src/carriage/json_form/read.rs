use super::element::read_element;
use super::index::{read_chains, read_indexes};
use crate::carriage::car::{check_roots, check_token_count, check_units, parse_token_id};
use crate::element::ElementHash;
use crate::error::{Error, HexFault};
use crate::json::{Kind, Node, Tape};
use crate::limits::{CREATOR_UNITS_MAX, DESCRIPTION_UNITS_MAX, JSON_ELEMENTS_MAX};
use crate::package::{Envelope, FORMAT_VERSION, Manifest, Package, Pool, Timestamp};

impl Package {
    /// Reads a package from UXF JSON, with the reference's caps and its order of checks (format notes, section 8).
    ///
    /// Every element is hashed again. Records of instance chains and indexes are believed, apart from their syntax;
    /// index entries that are no token ids can name nothing and are dropped. A root or a child that is absent is
    /// accepted; `verify` reports it.
    ///
    /// # Errors
    /// [`Error::Serialization`], [`Error::InvalidHash`], [`Error::LimitExceeded`] and
    /// [`Error::VerificationFailed`] as in the notes; [`Error::MalformedField`] where the reference lets an
    /// exception of its language through.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let mut tape = Tape::new();
        let root = tape.parse(text).map_err(|error| match error {
            Error::MalformedJson { offset, reason } => {
                refuse(&format!("JSON byte {offset}"), reason)
            }
            error => error,
        })?;
        if !is_object(root) {
            return Err(refuse("JSON", "must be an object"));
        }
        if root.get("uxf").and_then(|node| node.as_text()).as_deref() != Some(FORMAT_VERSION) {
            return Err(refuse("uxf", "must be the text 1.0.0"));
        }
        let envelope = read_envelope(root.get("metadata"))?;
        let manifest = read_manifest(root.get("manifest"))?;
        let pool = read_pool(root.get("elements"))?;
        let chains = read_chains(root.get("instanceChainIndex"))?;
        let indexes = read_indexes(root.get("indexes"))?;
        check_roots(&pool, &manifest)?;
        Ok(Self {
            envelope,
            manifest,
            pool,
            chains,
            indexes,
        })
    }
}

fn read_envelope(node: Option<Node<'_>>) -> Result<Envelope, Error> {
    let metadata = object(node, "metadata")?;
    let creator = optional_text(
        metadata,
        "creator",
        ("metadata creator, UTF-16 units", CREATOR_UNITS_MAX),
    )?;
    let description = optional_text(
        metadata,
        "description",
        ("metadata description, UTF-16 units", DESCRIPTION_UNITS_MAX),
    )?;
    let version = metadata.get("version").and_then(|node| node.as_text());
    let version = version.ok_or_else(|| refuse("metadata.version", "must be text"))?;
    Ok(Envelope {
        version: version.into_owned(),
        created_at: timestamp(metadata, "createdAt")?,
        updated_at: timestamp(metadata, "updatedAt")?,
        creator,
        description,
    })
}

fn read_manifest(node: Option<Node<'_>>) -> Result<Manifest, Error> {
    let entries = entries(object(node, "manifest")?);
    check_token_count(entries.len())?;
    let mut manifest = Manifest::with_capacity(entries.len());
    for (token_id, root) in entries {
        let token_id = parse_token_id(&token_id)?;
        manifest.insert(token_id, hash(Some(root), "root in the manifest")?);
    }
    Ok(manifest)
}

fn read_pool(node: Option<Node<'_>>) -> Result<Pool, Error> {
    let entries = entries(object(node, "elements")?);
    if entries.len() > JSON_ELEMENTS_MAX {
        return Err(Error::LimitExceeded {
            what: "elements of a UXF JSON text",
            limit: JSON_ELEMENTS_MAX as u64,
            found: entries.len() as u64,
        });
    }
    let mut pool = Pool::default();
    for (key, element) in entries {
        let claimed: ElementHash = key.parse()?;
        let (bytes, form) = read_element(element)?;
        let found = ElementHash::of(&bytes);
        if found != claimed {
            return Err(refuse(
                &format!("element {claimed}"),
                &format!("it has the hash {found}"),
            ));
        }
        pool.insert(claimed, &bytes, form);
    }
    Ok(pool)
}

/// Whether a value is what the reference's language calls an object, which arrays are too.
pub(super) fn is_object(node: Node<'_>) -> bool {
    matches!(node.kind(), Kind::Object | Kind::Array)
}

/// Keys and values of an object; those of an array are its positions.
pub(super) fn entries(node: Node<'_>) -> Vec<(std::borrow::Cow<'_, str>, Node<'_>)> {
    if node.kind() == Kind::Array {
        let positions = node.items().enumerate();
        return positions
            .map(|(at, item)| (at.to_string().into(), item))
            .collect();
    }
    node.entries().collect()
}

/// A content hash in text.
pub(super) fn hash(node: Option<Node<'_>>, field: &str) -> Result<ElementHash, Error> {
    let not_text = || Error::InvalidHash {
        field: field.to_owned(),
        fault: HexFault::NotText,
    };
    let text = node.and_then(|node| node.as_text()).ok_or_else(not_text)?;
    text.parse().map_err(|error| match error {
        Error::InvalidHash { fault, .. } => Error::InvalidHash {
            field: field.to_owned(),
            fault,
        },
        error => error,
    })
}

pub(super) fn refuse(at: &str, reason: &str) -> Error {
    Error::Serialization {
        at: at.to_owned(),
        reason: reason.to_owned(),
    }
}

fn object<'t>(node: Option<Node<'t>>, name: &str) -> Result<Node<'t>, Error> {
    node.filter(|node| is_object(*node))
        .ok_or_else(|| refuse(name, "must be an object"))
}

fn optional_text(
    metadata: Node<'_>,
    key: &str,
    cap: (&'static str, usize),
) -> Result<Option<String>, Error> {
    let Some(node) = metadata.get(key) else {
        return Ok(None);
    };
    let Some(text) = node.as_text() else {
        return Err(refuse(
            &format!("metadata.{key}"),
            "must be text where it is given",
        ));
    };
    check_units(cap, &text)?;
    Ok(Some(text.into_owned()))
}

fn timestamp(metadata: Node<'_>, key: &str) -> Result<Timestamp, Error> {
    metadata
        .get(key)
        .and_then(|node| node.as_number())
        .filter(|secs| secs.fract() == 0.0 && *secs >= 0.0)
        .and_then(Timestamp::from_number)
        .ok_or_else(|| {
            refuse(
                &format!("metadata.{key}"),
                "must be an integer that is not negative",
            )
        })
}

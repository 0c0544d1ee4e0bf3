//! How the package of an expectation was made, told by its fields, and the same made again.

use serde_json::Value;
use uxf_codec::Error;
use uxf_codec::package::{Envelope, GcProfile, MergeOptions, Package, Timestamp};

use super::vectors::Vectors;

/// A package made as the reference made it, and what was seen on the way.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) package: Package,
    /// Elements right before a collection, if there was one.
    pub(super) before_gc: Option<Package>,
    /// Elements after the first of the tokens.
    pub(super) after_first: usize,
    /// Sizes of the token texts without white space.
    pub(super) raw_token_bytes: usize,
    /// Elements of each token on its own, added up.
    pub(super) sum_of_token_elements: usize,
    /// Tokens a merge could not join.
    pub(super) skipped: usize,
}

/// Why a package could not be made again.
#[derive(Debug)]
pub(super) enum BuildError {
    /// The expectation does not tell how, or something it was made of is not among the vectors.
    Unknown(String),
    /// The codec refused.
    Codec(Error),
}

impl From<Error> for BuildError {
    fn from(error: Error) -> Self {
        Self::Codec(error)
    }
}

fn unknown<T>(what: impl Into<String>) -> Result<T, BuildError> {
    Err(BuildError::Unknown(what.into()))
}

/// Makes the package of `packages/NAME.expect.json`.
pub(super) fn build(vectors: &Vectors, name: &str) -> Result<Built, BuildError> {
    let Some(expected) = vectors.json(&format!("packages/{name}.expect.json")) else {
        return unknown(format!("no packages/{name}.expect.json"));
    };
    let mut built = begin(vectors, name, &expected)?;
    let updated = updated_at(&expected);
    let removed = expected.get("removedTokenIds").and_then(Value::as_array);
    for id in removed.into_iter().flatten().filter_map(Value::as_str) {
        built.package.remove(id, updated);
    }
    if removed.is_some() {
        built.package.remove("an id that no token has", updated);
    }
    if collects(&expected) {
        built.before_gc = Some(built.package.clone());
        built.package.gc(GcProfile::Exact);
    }
    Ok(built)
}

/// Whether the package was collected last.
pub(super) fn collects(expected: &Value) -> bool {
    expected.get("removedCount").is_some() || expected.get("removed").is_some()
}

fn begin(vectors: &Vectors, name: &str, expected: &Value) -> Result<Built, BuildError> {
    if let Some(note) = expected.get("note").and_then(Value::as_str)
        && let Some((target, source)) = merge_of(note)
    {
        return merged(vectors, expected, target, source);
    }
    match expected.get("tokensInOrder").and_then(Value::as_array) {
        Some(tokens) => {
            let names: Vec<&str> = tokens.iter().filter_map(Value::as_str).collect();
            ingested(vectors, &names, envelope(expected), updated_at(expected))
        }
        None => match name.strip_suffix("-gc") {
            Some(base) => build(vectors, base),
            None => unknown("the expectation does not tell how the package was made"),
        },
    }
}

/// Reads `A.merge(B) ...` and `A.merge(import of B.car) ...`.
fn merge_of(note: &str) -> Option<(&str, &str)> {
    let (target, rest) = note.split_once(".merge(")?;
    let (source, _) = rest.split_once(')')?;
    Some((target, source))
}

fn merged(
    vectors: &Vectors,
    expected: &Value,
    target: &str,
    source: &str,
) -> Result<Built, BuildError> {
    let mut built = build(vectors, target)?;
    let source = match source.strip_prefix("import of ") {
        Some(file) => match vectors.bytes(&format!("packages/{file}")) {
            Some(car) => Package::from_car(&car)?,
            None => return unknown(format!("no packages/{file}")),
        },
        None => build(vectors, source)?.package,
    };
    let outcome = built
        .package
        .merge(&source, &MergeOptions::default(), updated_at(expected))?;
    built.skipped = outcome.skipped.len();
    // Dedup figures of a merged package are told over the tokens of both.
    let tokens = expected.get("tokensInOrder").and_then(Value::as_array);
    let names: Vec<&str> = tokens
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if let Ok(all) = ingested(vectors, &names, envelope(expected), updated_at(expected)) {
        built.raw_token_bytes = all.raw_token_bytes;
        built.sum_of_token_elements = all.sum_of_token_elements;
    }
    Ok(built)
}

/// A package of tokens given by name, in order.
pub(super) fn ingested(
    vectors: &Vectors,
    names: &[&str],
    envelope: Envelope,
    now: Timestamp,
) -> Result<Built, BuildError> {
    let mut built = Built {
        package: Package::new(envelope),
        before_gc: None,
        after_first: 0,
        raw_token_bytes: 0,
        sum_of_token_elements: 0,
        skipped: 0,
    };
    for (index, name) in names.iter().enumerate() {
        let Some(text) = token_text(vectors, name) else {
            return unknown(format!("no token {name}"));
        };
        built.package.ingest(&text, now)?;
        if index == 0 {
            built.after_first = built.package.pool().len();
        }
        let mut alone = Package::new(Envelope::new(now));
        alone.ingest(&text, now)?;
        built.sum_of_token_elements += alone.pool().len();
        built.raw_token_bytes +=
            super::json::parse(&text).map_or(text.len(), |value| super::json::text(&value).len());
    }
    Ok(built)
}

fn token_text(vectors: &Vectors, name: &str) -> Option<Vec<u8>> {
    match name.strip_suffix(" (this folder)") {
        Some(name) => vectors.bytes(&format!("packages/{name}.json")),
        None => vectors.bytes(&format!("tokens/{name}.json")),
    }
}

pub(super) fn envelope(expected: &Value) -> Envelope {
    let envelope = expected.get("envelope");
    let text = |name: &str| {
        let value = envelope.and_then(|envelope| envelope.get(name));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let mut made = Envelope::new(time(expected, "createdAt"));
    made.creator = text("creator");
    made.description = text("description");
    made
}

pub(super) fn updated_at(expected: &Value) -> Timestamp {
    time(expected, "updatedAt")
}

fn time(expected: &Value, name: &str) -> Timestamp {
    let secs = expected
        .get("envelope")
        .and_then(|envelope| envelope.get(name))
        .and_then(Value::as_f64);
    secs.and_then(Timestamp::from_number)
        .unwrap_or(Timestamp::from_secs(super::tokens::NOW_SECS))
}

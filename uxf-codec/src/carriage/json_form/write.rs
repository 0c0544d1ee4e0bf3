use std::io::Write as _;

use crate::canonical::{ChildView, ElementView, RawValue, list_items, map_entries};
use crate::carriage::car::check_exportable;
use crate::element::{ElementHash, KeyOrder, MemoryForm};
use crate::error::Error;
use crate::json::{array_index, write_number, write_text};
use crate::package::{Envelope, FORMAT_VERSION, Package};

impl Package {
    /// The package as UXF JSON: compact text, keys in the reference's order.
    ///
    /// ```
    /// use uxf_codec::package::{Envelope, Package, Timestamp};
    ///
    /// let text = Package::new(Envelope::new(Timestamp::from_secs(5))).to_json().unwrap();
    /// assert!(text.starts_with(r#"{"uxf":"1.0.0","metadata":{"version":"1.0.0","createdAt":5,"#));
    /// assert_eq!(Package::from_json(text.as_bytes()).unwrap().to_json().unwrap(), text);
    /// ```
    ///
    /// # Errors
    /// [`Error::MissingElement`] if a root of the manifest is not in the pool, [`Error::VerificationFailed`] if one was
    /// put together by a join; those of [`ElementView::parse`] if bytes in the pool are no element.
    pub fn to_json(&self) -> Result<String, Error> {
        check_exportable(&self.pool, &self.manifest)?;
        let mut out = Vec::new();
        out.extend_from_slice(b"{\"uxf\":\"");
        out.extend_from_slice(FORMAT_VERSION.as_bytes());
        out.extend_from_slice(b"\",\"metadata\":");
        self.write_metadata(&mut out);
        out.extend_from_slice(b",\"manifest\":");
        object(
            &mut out,
            self.manifest.iter().map(|(id, root)| (id.as_str(), root)),
            write_hash,
        );
        self.write_chains(&mut out);
        self.write_indexes(&mut out);
        self.write_elements(&mut out)?;
        out.push(b'}');
        String::from_utf8(out).map_err(|error| Error::Serialization {
            at: format!("UXF JSON byte {}", error.utf8_error().valid_up_to()),
            reason: "not UTF-8".to_owned(),
        })
    }

    fn write_metadata(&self, out: &mut Vec<u8>) {
        let Envelope {
            version,
            created_at,
            updated_at,
            creator,
            description,
        } = &self.envelope;
        out.extend_from_slice(b"{\"version\":");
        write_text(out, version);
        out.extend_from_slice(b",\"createdAt\":");
        write_number(out, created_at.as_number());
        out.extend_from_slice(b",\"updatedAt\":");
        write_number(out, updated_at.as_number());
        out.extend_from_slice(b",\"elementCount\":");
        write_integer(out, self.pool.len());
        out.extend_from_slice(b",\"tokenCount\":");
        write_integer(out, self.manifest.len());
        for (key, text) in [("creator", creator), ("description", description)] {
            if let Some(text) = text {
                out.push(b',');
                write_text(out, key);
                out.push(b':');
                write_text(out, text);
            }
        }
        out.push(b'}');
    }

    /// One record for each head, under whichever member the index lists first.
    fn write_chains(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"instanceChainIndex\":");
        let mut heads = std::collections::BTreeSet::new();
        let mut separate = Separator::opening(out, b'{');
        for (member, entry) in self.chains.iter() {
            if !heads.insert(entry.head) {
                continue;
            }
            separate.next(out);
            write_hash(out, member);
            out.extend_from_slice(b":{\"head\":");
            write_hash(out, &entry.head);
            out.extend_from_slice(b",\"chain\":");
            array(out, &entry.chain, |out, member| {
                out.extend_from_slice(b"{\"hash\":");
                write_hash(out, &member.hash);
                out.extend_from_slice(b",\"kind\":");
                write_text(out, &member.kind);
                out.push(b'}');
            });
            out.push(b'}');
        }
        out.push(b'}');
    }

    fn write_indexes(&self, out: &mut Vec<u8>) {
        for (key, ids_by) in [
            (
                &b",\"indexes\":{\"byTokenType\":"[..],
                &self.indexes.by_token_type,
            ),
            (&b",\"byCoinId\":"[..], &self.indexes.by_coin_id),
        ] {
            out.extend_from_slice(key);
            let entries = ids_by.iter().map(|(key, ids)| (key.as_str(), ids));
            object(out, entries, |out, ids| {
                array(out, ids, |out, id| write_text(out, id.as_str()));
            });
        }
        out.extend_from_slice(b",\"byStateHash\":");
        let entries = self.indexes.by_state_data.iter();
        object(
            out,
            entries.map(|(key, id)| (key.as_str(), id)),
            |out, id| write_text(out, id.as_str()),
        );
        out.push(b'}');
    }

    fn write_elements(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(b",\"elements\":");
        let mut separate = Separator::opening(out, b'{');
        for (hash, element) in self.pool.iter() {
            separate.next(out);
            write_hash(out, hash);
            out.push(b':');
            write_element(out, &ElementView::parse(element.bytes())?, element.form());
        }
        out.push(b'}');
        Ok(())
    }
}

/// Writes an element in its memory form.
pub(super) fn write_element(out: &mut Vec<u8>, view: &ElementView<'_>, form: MemoryForm) {
    out.extend_from_slice(b"{\"header\":{\"representation\":");
    write_integer(out, view.representation());
    out.extend_from_slice(b",\"semantics\":");
    write_integer(out, view.semantics());
    out.extend_from_slice(b",\"kind\":");
    write_text(out, view.kind());
    out.extend_from_slice(b",\"predecessor\":");
    match view.predecessor() {
        Some(predecessor) => write_hash(out, &predecessor),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"},\"type\":");
    write_integer(out, view.element_type().id());
    out.extend_from_slice(b",\"content\":");
    let byte_fields = view.element_type().byte_fields();
    let order = view.element_type().content_order();
    object(
        out,
        in_order(view.fields(), order, form.order).into_iter(),
        |out, field| {
            let position = byte_fields.iter().position(|name| *name == field.0);
            if field.1 == RawValue::Null
                && position.is_some_and(|position| form.is_empty_text(position))
            {
                out.extend_from_slice(b"\"\"");
            } else {
                write_raw(out, field.1);
            }
        },
    );
    out.extend_from_slice(b",\"children\":");
    let order = view.element_type().child_order();
    object(
        out,
        in_order(view.children(), order, form.order).into_iter(),
        |out, (_, child)| write_child(out, child),
    );
    out.push(b'}');
}

/// Keys and values in the order in which memory has them; each value keeps its key.
fn in_order<'k, T: Copy>(
    entries: impl Iterator<Item = (&'k str, T)>,
    order: &[&str],
    keys: KeyOrder,
) -> Vec<(&'k str, (&'k str, T))> {
    let mut entries: Vec<_> = entries.map(|entry| (entry.0, entry)).collect();
    if keys == KeyOrder::Ingested {
        // Unknown keys stay behind the known ones, in their own order.
        entries.sort_by_key(|(key, _)| {
            order
                .iter()
                .position(|name| name == key)
                .unwrap_or(order.len())
        });
    }
    entries
}

fn write_child(out: &mut Vec<u8>, child: ChildView<'_>) {
    match child {
        ChildView::Absent => out.extend_from_slice(b"null"),
        ChildView::One(hash) => write_hash(out, &hash),
        ChildView::Many(list) => array(out, list.iter(), |out, hash| write_hash(out, &hash)),
    }
}

/// Any content value, its bytes as hex text. A link becomes an object with the one key `/`, as a CID does there.
fn write_raw(out: &mut Vec<u8>, value: RawValue<'_>) {
    match value {
        RawValue::Null => out.extend_from_slice(b"null"),
        RawValue::Bool(true) => out.extend_from_slice(b"true"),
        RawValue::Bool(false) => out.extend_from_slice(b"false"),
        RawValue::Int(number) => write_integer(out, number),
        RawValue::Float(number) => write_number(out, number),
        RawValue::Text(text) => write_text(out, text),
        RawValue::Bytes(bytes) => write_hex(out, bytes),
        RawValue::List(list) => array(out, list_items(list), write_raw),
        RawValue::Map(map) => {
            let entries: Vec<_> = map_entries(map).collect();
            object(out, entries.into_iter(), write_raw);
        }
        RawValue::Link(cid) => {
            out.extend_from_slice(b"{\"/\":");
            let text = cid::Cid::try_from(cid).map(|cid| cid.to_string());
            write_text(out, &text.unwrap_or_default());
            out.push(b'}');
        }
    }
}

/// Commas between what is written after an opening bracket.
struct Separator(bool);

impl Separator {
    fn opening(out: &mut Vec<u8>, bracket: u8) -> Self {
        out.push(bracket);
        Self(false)
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        if self.0 {
            out.push(b',');
        }
        self.0 = true;
    }
}

fn array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    let mut separate = Separator::opening(out, b'[');
    for item in items {
        separate.next(out);
        write(out, item);
    }
    out.push(b']');
}

/// Writes an object as the reference's language lists keys: those that look like array indexes first, ascending.
fn object<'k, T>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'k str, T)> + Clone,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    let mut separate = Separator::opening(out, b'{');
    let mut entry = |out: &mut Vec<u8>, (key, value)| {
        separate.next(out);
        write_text(out, key);
        out.push(b':');
        write(out, value);
    };
    if entries.clone().any(|(key, _)| array_index(key).is_some()) {
        let mut sorted: Vec<_> = entries.collect();
        sorted.sort_by_key(|(key, _)| array_index(key).map_or(u64::MAX, u64::from));
        for pair in sorted {
            entry(out, pair);
        }
    } else {
        entries.for_each(|pair| entry(out, pair));
    }
    out.push(b'}');
}

fn write_hash(out: &mut Vec<u8>, hash: &ElementHash) {
    write_hex(out, hash.as_bytes());
}

fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + 2 * bytes.len(), b'0');
    let room = out.get_mut(start..).unwrap_or_default();
    // The room is exactly as long as the digits need.
    if const_hex::encode_to_slice(bytes, room).is_err() {
        out.truncate(start);
    }
    out.push(b'"');
}

fn write_integer(out: &mut Vec<u8>, number: impl core::fmt::Display) {
    // Writing to a vector cannot fail.
    if write!(out, "{number}").is_err() {
        out.extend_from_slice(b"null");
    }
}

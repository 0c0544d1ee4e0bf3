use super::diagnose::diagnose;
use super::reader::{RawValue, Reader, Result, list_items, map_entries};
use crate::element::{ElementHash, ElementType, InstanceKind};
use crate::error::Error;
use crate::limits::HEADER_NUMBER_MAX;

/// An element read from its canonical bytes, borrowing from them.
///
/// A view exists only of bytes that are an element in its one canonical form: encoding what it shows gives the same
/// bytes again. Format notes, sections 2 to 4.
///
/// ```
/// use uxf_codec::canonical::{ElementView, RawValue};
/// use uxf_codec::ElementType;
///
/// let mut bytes = b"\xa4\x64type\x06\x66header\x84\x01\x01\x67default\xf6\x67content\xa2\x64data\xf6\x69predicate\x42\xa0\xa1".to_vec();
/// bytes.extend_from_slice(b"\x68children\xa0");
/// let state = ElementView::parse(&bytes).unwrap();
/// assert_eq!(state.element_type(), ElementType::TokenState);
/// assert_eq!(state.field("predicate"), Some(RawValue::Bytes(&[0xa0, 0xa1])));
///
/// bytes[6] = 0x0b; // there is no type 11
/// assert!(ElementView::parse(&bytes).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ElementView<'a> {
    element_type: ElementType,
    representation: u64,
    semantics: u64,
    kind: &'a str,
    predecessor: Option<ElementHash>,
    content: &'a [u8],
    children: &'a [u8],
}

/// What stands in a child role.
#[derive(Clone, Copy, Debug)]
pub enum ChildView<'a> {
    /// Nothing: the role is there and null.
    Absent,
    /// One element.
    One(ElementHash),
    /// Several, in order.
    Many(ChildList<'a>),
}

/// An array of links, still encoded.
#[derive(Clone, Copy, Debug)]
pub struct ChildList<'a>(&'a [u8]);

impl<'a> ChildList<'a> {
    /// Number of links.
    pub fn len(&self) -> usize {
        Reader::new(self.0)
            .array()
            .ok()
            .and_then(|len| usize::try_from(len).ok())
            .unwrap_or(0)
    }

    /// Whether there is no link.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The links in order.
    pub fn iter(&self) -> impl Iterator<Item = ElementHash> + use<'a> {
        let mut reader = Reader::new(self.0);
        let count = reader.array().unwrap_or(0);
        (0..count).map_while(move |_| reader.element_link().ok())
    }
}

impl<'a> ElementView<'a> {
    /// Reads an element, checking every rule of the canonical form.
    ///
    /// # Errors
    /// In the reference's order of checks: [`Error::MalformedCbor`] for bytes that are no DAG-CBOR;
    /// [`Error::Serialization`] for a header, type or child of the wrong shape; [`Error::VerificationFailed`] for an
    /// element that would be encoded otherwise, so that its hash is not that of these bytes.
    pub fn parse(bytes: &'a [u8]) -> core::result::Result<Self, Error> {
        Self::read(bytes).map_err(|fault| diagnose(bytes, fault))
    }

    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        if !reader.literal(b"\xa4\x64type") {
            return Err(reader.refuse("an element begins with its type"));
        }
        let element_type = ElementType::from_id(reader.uint()?)
            .ok_or_else(|| reader.refuse("an unknown element type"))?;
        if !reader.literal(b"\x66header\x84") {
            return Err(reader.refuse("the header comes second and has four parts"));
        }
        let representation = version(&mut reader)?;
        let semantics = version(&mut reader)?;
        let kind = reader.text()?;
        if !InstanceKind::is_valid(kind) {
            return Err(reader.refuse("an instance kind of 1 to 64 letters, digits or ._-"));
        }
        let predecessor = if reader.null() {
            None
        } else {
            Some(reader.element_link()?)
        };
        if !reader.literal(b"\x67content") {
            return Err(reader.refuse("the content comes third"));
        }
        let content = read_content(&mut reader, element_type)?;
        if !reader.literal(b"\x68children") {
            return Err(reader.refuse("the children come fourth"));
        }
        let children = read_children(&mut reader)?;
        reader.end()?;
        Ok(Self {
            element_type,
            representation,
            semantics,
            kind,
            predecessor,
            content,
            children,
        })
    }

    /// What it is.
    pub const fn element_type(&self) -> ElementType {
        self.element_type
    }

    /// Version of the encoding of the content.
    pub const fn representation(&self) -> u64 {
        self.representation
    }

    /// Version of the meaning of the content.
    pub const fn semantics(&self) -> u64 {
        self.semantics
    }

    /// The word for this kind of instance.
    pub const fn kind(&self) -> &'a str {
        self.kind
    }

    /// The older instance that this one continues.
    pub const fn predecessor(&self) -> Option<ElementHash> {
        self.predecessor
    }

    /// The fields of the content in canonical order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, RawValue<'a>)> + use<'a> {
        map_entries(self.content)
    }

    /// A field of the content.
    pub fn field(&self, name: &str) -> Option<RawValue<'a>> {
        self.fields()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// A byte field: its bytes, or `None` where it is null, absent or something else.
    pub fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        match self.field(name)? {
            RawValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A text field.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.field(name)? {
            RawValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The child roles in canonical order.
    pub fn children(&self) -> impl Iterator<Item = (&'a str, ChildView<'a>)> + use<'a> {
        let mut reader = Reader::new(self.children);
        let count = reader.map().unwrap_or(0);
        (0..count).map_while(move |_| {
            let role = reader.text().ok()?;
            Some((role, read_child(&mut reader).ok()?))
        })
    }

    /// What stands in a role; `None` if the element does not have the role at all.
    pub fn child(&self, role: &str) -> Option<ChildView<'a>> {
        self.children()
            .find(|(name, _)| *name == role)
            .map(|(_, child)| child)
    }

    /// The single element in a role; `None` if the role is absent, null or an array.
    pub fn one(&self, role: &str) -> Option<ElementHash> {
        match self.child(role)? {
            ChildView::One(hash) => Some(hash),
            ChildView::Absent | ChildView::Many(_) => None,
        }
    }

    /// The elements of an array role, in order; empty where the role is anything else.
    pub fn many(&self, role: &str) -> impl Iterator<Item = ElementHash> + use<'a> {
        let list = match self.child(role) {
            Some(ChildView::Many(list)) => list,
            _ => ChildList(&[0x80]),
        };
        list.iter()
    }

    /// The name-tag tokens that a transaction names in its content.
    pub fn nametag_refs(&self) -> impl Iterator<Item = ElementHash> + use<'a> {
        let list = match (self.element_type, self.field("nametagRefs")) {
            (ElementType::TransactionData, Some(RawValue::List(list))) => list,
            _ => &[0x80],
        };
        list_items(list).filter_map(|item| match item {
            RawValue::Bytes(bytes) => bytes.try_into().ok().map(ElementHash::from_bytes),
            _ => None,
        })
    }

    /// Everything this element names: children in canonical order, then the predecessor, then name-tag references.
    /// Repeats come as often as they stand.
    pub fn for_each_link(&self, mut visit: impl FnMut(ElementHash)) {
        for (_, child) in self.children() {
            match child {
                ChildView::Absent => {}
                ChildView::One(hash) => visit(hash),
                ChildView::Many(list) => list.iter().for_each(&mut visit),
            }
        }
        self.predecessor.into_iter().for_each(&mut visit);
        self.nametag_refs().for_each(visit);
    }

    /// Everything this element names, each once, replacing what `links` held.
    ///
    /// These are the references a store counts: an element's count is the number of distinct elements and pins that
    /// name it.
    pub fn distinct_links(&self, links: &mut Vec<ElementHash>) {
        links.clear();
        self.for_each_link(|hash| links.push(hash));
        links.sort_unstable();
        links.dedup();
    }
}

fn version(reader: &mut Reader<'_>) -> Result<u64> {
    let start = *reader;
    let number = reader.uint()?;
    if number <= HEADER_NUMBER_MAX {
        Ok(number)
    } else {
        Err(start.refuse("a version beyond 2^53-1"))
    }
}

fn read_content<'a>(reader: &mut Reader<'a>, element_type: ElementType) -> Result<&'a [u8]> {
    let start = *reader;
    let mut previous = None;
    for _ in 0..reader.map()? {
        let key = reader.key_after(&mut previous)?;
        let before = *reader;
        let value = reader.value()?;
        if !is_canonical_field(element_type, key, value) {
            return Err(before.refuse("a field that is encoded otherwise"));
        }
    }
    Ok(reader.since(&start))
}

/// Whether a field encodes to what it was read from. Format notes, section 4.1.
///
/// In memory bytes are hex text, so bytes come back as bytes only in byte fields, in `reason` and in `nametagRefs`,
/// and text in a byte field would come back as bytes.
fn is_canonical_field(element_type: ElementType, key: &str, value: RawValue<'_>) -> bool {
    if element_type.byte_fields().contains(&key) {
        return match value {
            RawValue::Bytes(bytes) => !bytes.is_empty(),
            RawValue::Text(_) => false,
            other => !holds_bytes(other),
        };
    }
    match (element_type, key, value) {
        (ElementType::GenesisData, "reason", RawValue::Bytes(_)) => true,
        (ElementType::TransactionData, "nametagRefs", RawValue::List(list)) => list_items(list)
            .all(|item| matches!(item, RawValue::Bytes(b) if b.len() == ElementHash::LEN)),
        (ElementType::TransactionData, "nametagRefs", _) => false,
        (_, _, value) => !holds_bytes(value),
    }
}

fn holds_bytes(value: RawValue<'_>) -> bool {
    match value {
        RawValue::Bytes(_) => true,
        RawValue::List(list) => list_items(list).any(holds_bytes),
        RawValue::Map(map) => map_entries(map).any(|(_, value)| holds_bytes(value)),
        _ => false,
    }
}

fn read_children<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let start = *reader;
    let mut previous = None;
    for _ in 0..reader.map()? {
        reader.key_after(&mut previous)?;
        read_child(reader)?;
    }
    Ok(reader.since(&start))
}

fn read_child<'a>(reader: &mut Reader<'a>) -> Result<ChildView<'a>> {
    if reader.null() {
        return Ok(ChildView::Absent);
    }
    let start = *reader;
    let Ok(count) = reader.array() else {
        return reader.element_link().map(ChildView::One);
    };
    for _ in 0..count {
        reader.element_link()?;
    }
    Ok(ChildView::Many(ChildList(reader.since(&start))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An inclusion proof with one child, its role's value given as bytes.
    fn with_child(value: &[u8]) -> Vec<u8> {
        let head = b"\xa4\x64type\x08\x66header\x84\x01\x01\x67default\xf6\x67content\xa0";
        let role = b"\x68children\xa1\x6dauthenticator";
        [&head[..], &role[..], value].concat()
    }

    #[test]
    fn a_head_that_no_array_has_is_not_passed_over_in_front_of_a_link() {
        let mut link = b"\xd8\x2a\x58\x25\x00".to_vec();
        link.extend_from_slice(&ElementHash::of(b"").to_cid_bytes());
        assert!(ElementView::parse(&with_child(&link)).is_ok());
        for head in [&[0x9f][..], &[0x98, 0x00], &[0x99, 0x00, 0x01], &[0x1c]] {
            let bytes = with_child(&[head, &link].concat());
            let refused = ElementView::parse(&bytes);
            assert!(refused.is_err(), "{head:x?} was passed over: {refused:?}");
        }
    }
}

use crate::canonical::Writer;
use crate::element::{ElementHash, ElementSink, ElementType, MemoryForm, NewElement};
use crate::error::Error;

/// Builds one element after the other in buffers that stay.
///
/// Elements of ingestion all begin alike, and their keys are known: what is the same every time is copied as literal
/// bytes in canonical order.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    pub(super) bytes: Vec<u8>,
    links: Vec<ElementHash>,
}

/// Up to the value of `content`; the type stands at [`TYPE_AT`].
const BEGINNING: [u8; 34] = *b"\xa4\x64type\x00\x66header\x84\x01\x01\x67default\xf6\x67content";
const TYPE_AT: usize = 6;

impl Encoder {
    /// Begins an element up to the map of its content, whose size and entries come next.
    pub(super) fn begin(&mut self, element_type: ElementType) -> &mut Self {
        let mut beginning = BEGINNING;
        beginning[TYPE_AT] = element_type.id();
        self.bytes.clear();
        self.links.clear();
        self.bytes.extend_from_slice(&beginning);
        self
    }

    /// Bytes that are the same in every element of this kind.
    pub(super) fn literal(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A child or its absence.
    pub(super) fn child(&mut self, hash: Option<&ElementHash>) -> &mut Self {
        Writer::new(&mut self.bytes).link_or_null(hash);
        if let Some(hash) = hash {
            self.note(hash);
        }
        self
    }

    /// A role of several children.
    pub(super) fn children(&mut self, hashes: &[ElementHash]) -> &mut Self {
        let mut writer = Writer::new(&mut self.bytes);
        writer.array(hashes.len());
        for hash in hashes {
            writer.link(hash);
        }
        self.links.extend_from_slice(hashes);
        self
    }

    /// Name-tag references: bytes, not links.
    pub(super) fn references(&mut self, hashes: &[ElementHash]) -> &mut Self {
        let mut writer = Writer::new(&mut self.bytes);
        writer.array(hashes.len());
        for hash in hashes {
            writer.bytes(hash.as_bytes());
        }
        self.links.extend_from_slice(hashes);
        self
    }

    fn note(&mut self, hash: &ElementHash) {
        self.links.push(*hash);
    }

    /// Hashes the element and hands it over.
    pub(super) fn finish(
        &mut self,
        element_type: ElementType,
        empty_text: u8,
        sink: &mut impl ElementSink,
    ) -> Result<ElementHash, Error> {
        let hash = ElementHash::of(&self.bytes);
        remove_repeats(&mut self.links);
        sink.put(NewElement {
            hash,
            element_type,
            bytes: &self.bytes,
            links: &self.links,
            form: MemoryForm::ingested(empty_text),
        })?;
        Ok(hash)
    }
}

fn remove_repeats(links: &mut Vec<ElementHash>) {
    if links.len() > 1 {
        links.sort_unstable();
        links.dedup();
    }
}

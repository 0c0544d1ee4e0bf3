use super::{ElementHash, ElementType, MemoryForm};
use crate::error::Error;

/// Where assembling and verifying read elements from: a package, a snapshot of a store, a test's map.
pub trait ElementSource {
    /// Canonical bytes, borrowed from the source for as long as they are looked at.
    type Bytes<'a>: AsRef<[u8]>
    where
        Self: 'a;

    /// Reads the canonical bytes of an element; `None` if the source does not have it.
    ///
    /// # Errors
    /// [`Error::Source`] when the source itself fails. An absent element is no error here.
    fn element(&self, hash: &ElementHash) -> Result<Option<Self::Bytes<'_>>, Error>;

    /// Reads an element together with the form the reference would hold it in, for exports that are to be byte for
    /// byte those of the reference.
    ///
    /// A source that keeps canonical bytes only has nothing to add: by default the form is
    /// [`MemoryForm::CANONICAL`].
    ///
    /// # Errors
    /// Those of [`Self::element`].
    fn element_in_form(
        &self,
        hash: &ElementHash,
    ) -> Result<Option<(Self::Bytes<'_>, MemoryForm)>, Error> {
        let bytes = self.element(hash)?;
        Ok(bytes.map(|bytes| (bytes, MemoryForm::CANONICAL)))
    }
}

/// Where deconstructing writes elements to, children before parents.
pub trait ElementSink {
    /// Takes one element. The same element may come more than once.
    ///
    /// # Errors
    /// [`Error::Source`] when the sink fails; the deconstruction then stops with that error.
    fn put(&mut self, element: NewElement<'_>) -> Result<(), Error>;
}

/// An element on its way into a sink.
#[derive(Clone, Copy, Debug)]
pub struct NewElement<'a> {
    /// SHA-256 of `bytes`.
    pub hash: ElementHash,
    /// Its type.
    pub element_type: ElementType,
    /// Canonical bytes.
    pub bytes: &'a [u8],
    /// Every element this one names, each once: children, predecessor, name-tag references.
    pub links: &'a [ElementHash],
    /// How the reference implementation would hold it in memory.
    pub form: MemoryForm,
}

/// The elements of one or more tokens, gathered before anything is stored.
///
/// Deconstruction can fail half-way; a batch makes a token all or nothing. It keeps every element in one buffer
/// and can be cleared and used again without giving the memory back.
#[derive(Clone, Debug, Default)]
pub struct ElementBatch {
    bytes: Vec<u8>,
    links: Vec<ElementHash>,
    entries: Vec<BatchEntry>,
}

#[derive(Clone, Copy, Debug)]
struct BatchEntry {
    hash: ElementHash,
    element_type: ElementType,
    form: MemoryForm,
    bytes_end: usize,
    links_end: usize,
}

/// A place in an [`ElementBatch`] to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMark(usize);

impl ElementBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of elements, repeats counted.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Canonical bytes of all elements together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Drops the elements and keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(BatchMark(0));
    }

    /// Where the batch ends now.
    pub fn mark(&self) -> BatchMark {
        BatchMark(self.entries.len())
    }

    /// Drops every element put after the mark, as when a token turns out to be bad.
    pub fn truncate(&mut self, mark: BatchMark) {
        let (bytes, links) = self.ends_before(mark.0);
        self.entries.truncate(mark.0);
        self.bytes.truncate(bytes);
        self.links.truncate(links);
    }

    /// The elements in the order they were put.
    pub fn iter(&self) -> impl Iterator<Item = NewElement<'_>> {
        (0..self.entries.len()).filter_map(|index| self.get(index))
    }

    /// The element at a position.
    pub fn get(&self, index: usize) -> Option<NewElement<'_>> {
        let entry = self.entries.get(index)?;
        let (bytes_start, links_start) = self.ends_before(index);
        Some(NewElement {
            hash: entry.hash,
            element_type: entry.element_type,
            bytes: self.bytes.get(bytes_start..entry.bytes_end)?,
            links: self.links.get(links_start..entry.links_end)?,
            form: entry.form,
        })
    }

    fn ends_before(&self, index: usize) -> (usize, usize) {
        index
            .checked_sub(1)
            .and_then(|last| self.entries.get(last))
            .map_or((0, 0), |entry| (entry.bytes_end, entry.links_end))
    }
}

impl ElementSink for ElementBatch {
    fn put(&mut self, element: NewElement<'_>) -> Result<(), Error> {
        self.bytes.extend_from_slice(element.bytes);
        self.links.extend_from_slice(element.links);
        self.entries.push(BatchEntry {
            hash: element.hash,
            element_type: element.element_type,
            form: element.form,
            bytes_end: self.bytes.len(),
            links_end: self.links.len(),
        });
        Ok(())
    }
}

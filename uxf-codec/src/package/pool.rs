use core::fmt;

use indexmap::IndexMap;

use crate::canonical::{ElementView, VerifiedElement};
use crate::element::{ElementHash, ElementSink, ElementSource, MemoryForm, NewElement};
use crate::error::Error;

/// The elements of a package: canonical bytes by hash, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    elements: IndexMap<ElementHash, PoolElement>,
}

/// An element of a [`Pool`].
#[derive(Clone)]
pub struct PoolElement {
    bytes: Box<[u8]>,
    form: MemoryForm,
    /// Whether this crate hashed the bytes itself, rather than believing a sink's or a source's caller.
    is_hashed: bool,
}

/// Who hashed it says nothing about what it is.
impl PartialEq for PoolElement {
    fn eq(&self, other: &Self) -> bool {
        (&self.bytes, self.form) == (&other.bytes, other.form)
    }
}

impl Eq for PoolElement {}

impl fmt::Debug for PoolElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PoolElement({} bytes, {:?})",
            self.bytes.len(),
            self.form
        )
    }
}

impl PoolElement {
    /// Canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How the reference would hold it.
    pub const fn form(&self) -> MemoryForm {
        self.form
    }
}

impl Pool {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Whether an element is there.
    pub fn contains(&self, hash: &ElementHash) -> bool {
        self.elements.contains_key(hash)
    }

    /// An element.
    pub fn get(&self, hash: &ElementHash) -> Option<&PoolElement> {
        self.elements.get(hash)
    }

    /// Reads an element; `None` if it is not there.
    ///
    /// # Errors
    /// Those of [`ElementView::parse`], if the bytes in the pool are no element.
    pub fn view(&self, hash: &ElementHash) -> Result<Option<ElementView<'_>>, Error> {
        self.get(hash)
            .map(|element| ElementView::parse(element.bytes()))
            .transpose()
    }

    /// An element, read, and hashed unless that was done when it came in; `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] if the bytes have another hash; those of [`ElementView::parse`].
    pub fn verified(&self, hash: &ElementHash) -> Result<Option<VerifiedElement<'_>>, Error> {
        let Some(element) = self.get(hash) else {
            return Ok(None);
        };
        let bytes = element.bytes();
        if element.is_hashed {
            return VerifiedElement::expect_found(bytes, *hash, *hash).map(Some);
        }
        VerifiedElement::expect(bytes, *hash).map(Some)
    }

    /// All elements in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ElementHash, &PoolElement)> {
        self.elements.iter()
    }

    /// Adds an element unless it is there; what came first stays, form included. Whether it was added.
    ///
    /// The caller vouches that `hash` is the hash of `bytes` and `bytes` are an element.
    pub(crate) fn insert(&mut self, hash: ElementHash, bytes: &[u8], form: MemoryForm) -> bool {
        self.insert_as(hash, bytes, form, true)
    }

    /// Adds an element of which only its caller says that it has this hash.
    pub(crate) fn insert_claimed(
        &mut self,
        hash: ElementHash,
        bytes: &[u8],
        form: MemoryForm,
    ) -> bool {
        self.insert_as(hash, bytes, form, false)
    }

    fn insert_as(
        &mut self,
        hash: ElementHash,
        bytes: &[u8],
        form: MemoryForm,
        is_hashed: bool,
    ) -> bool {
        match self.elements.entry(hash) {
            indexmap::map::Entry::Occupied(_) => false,
            indexmap::map::Entry::Vacant(entry) => {
                entry.insert(PoolElement {
                    bytes: bytes.into(),
                    form,
                    is_hashed,
                });
                true
            }
        }
    }

    /// Keeps the first elements and drops those that came after them.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.elements.truncate(len);
    }

    /// Keeps the elements a test says yes to, in their order.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&ElementHash) -> bool) {
        self.elements.retain(|hash, _| keep(hash));
    }
}

impl ElementSource for Pool {
    type Bytes<'a> = &'a [u8];

    fn element(&self, hash: &ElementHash) -> Result<Option<&[u8]>, Error> {
        Ok(self.get(hash).map(PoolElement::bytes))
    }

    fn element_in_form(&self, hash: &ElementHash) -> Result<Option<(&[u8], MemoryForm)>, Error> {
        Ok(self
            .get(hash)
            .map(|element| (element.bytes(), element.form())))
    }
}

impl ElementSink for Pool {
    fn put(&mut self, element: NewElement<'_>) -> Result<(), Error> {
        self.insert_claimed(element.hash, element.bytes, element.form);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"\xa4\x64type\x06\x66header\x84\x01\x01\x67default\xf6\x67content\xa0\x68children\xa0";

    #[test]
    fn an_element_that_came_from_outside_is_hashed_before_it_counts_as_verified() {
        let right = ElementHash::of(HEADER);
        let wrong = ElementHash::of(b"something else");
        let mut pool = Pool::default();
        pool.insert_claimed(right, HEADER, MemoryForm::CANONICAL);
        pool.insert_claimed(wrong, HEADER, MemoryForm::CANONICAL);

        assert_eq!(pool.verified(&right).unwrap().unwrap().hash(), right);
        assert!(matches!(
            pool.verified(&wrong),
            Err(Error::VerificationFailed { .. })
        ));
        assert!(
            pool.verified(&ElementHash::of(b"absent"))
                .unwrap()
                .is_none()
        );
    }
}

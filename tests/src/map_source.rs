use std::collections::BTreeMap;

use uxf_codec::{ElementBatch, ElementHash, ElementSink, ElementSource, Error, NewElement};

/// Elements by hash: the plainest source there is, and a sink that fills it.
///
/// It can also be made to hold bytes under a hash that is not theirs, as a hostile source would.
///
/// ```
/// use uxf_codec::{ElementHash, ElementSource};
/// use uxf_tests::MapSource;
///
/// let mut source = MapSource::default();
/// source.insert(ElementHash::of(b"x"), b"y".to_vec());
/// assert_eq!(source.element(&ElementHash::of(b"x")).unwrap(), Some(&b"y"[..]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MapSource {
    elements: BTreeMap<ElementHash, Vec<u8>>,
}

impl MapSource {
    /// The elements of a batch.
    pub fn of(batch: &ElementBatch) -> Self {
        let elements = batch
            .iter()
            .map(|element| (element.hash, element.bytes.to_vec()));
        Self {
            elements: elements.collect(),
        }
    }

    /// Puts bytes under a hash, whether or not it is theirs.
    pub fn insert(&mut self, hash: ElementHash, bytes: Vec<u8>) {
        self.elements.insert(hash, bytes);
    }

    /// Takes an element out.
    pub fn remove(&mut self, hash: &ElementHash) -> Option<Vec<u8>> {
        self.elements.remove(hash)
    }

    /// Hashes in ascending order, with the bytes under them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ElementHash, &Vec<u8>)> {
        self.elements.iter()
    }
}

impl ElementSource for MapSource {
    type Bytes<'a> = &'a [u8];

    fn element(&self, hash: &ElementHash) -> Result<Option<&[u8]>, Error> {
        Ok(self.elements.get(hash).map(Vec::as_slice))
    }
}

impl ElementSink for MapSource {
    fn put(&mut self, element: NewElement<'_>) -> Result<(), Error> {
        self.insert(element.hash, element.bytes.to_vec());
        Ok(())
    }
}

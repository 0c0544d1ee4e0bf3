//! Elements from the source, checked as the reference checks them.

use core::hash::{BuildHasherDefault, Hasher};

use indexmap::IndexSet;

use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;
use crate::instance_chain::{ChainIndex, Strategy};

/// Elements that have been hashed in this assembly.
#[derive(Debug, Default)]
pub(super) struct Visited(IndexSet<ElementHash, BuildHasherDefault<PrefixHasher>>);

impl Visited {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Takes the last eight bytes of what is hashed, which is a hash already.
#[derive(Debug, Default)]
pub(super) struct PrefixHasher(u64);

impl Hasher for PrefixHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk::<8>() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The way to the elements.
pub(super) struct Fetch<'r, S> {
    pub(super) source: &'r S,
    pub(super) instances: Option<(&'r ChainIndex, &'r Strategy)>,
    /// `None` when hashes are not to be checked.
    pub(super) visited: Option<&'r mut Visited>,
}

impl<'r, S: ElementSource> Fetch<'r, S> {
    /// The bytes of the instance that stands for an element, its hash checked unless it has been already, and the
    /// hash of that instance.
    pub(super) fn get(
        &mut self,
        hash: &ElementHash,
        wanted_by: &'static str,
    ) -> Result<(ElementHash, S::Bytes<'r>), Error> {
        let selected = match self.instances {
            Some((chains, strategy)) => chains.select(self.source, hash, strategy)?,
            None => *hash,
        };
        let bytes = get(self.source, &selected, wanted_by)?;
        if let Some(visited) = &mut self.visited
            && visited.0.insert(selected)
        {
            verify(&selected, bytes.as_ref())?;
        }
        Ok((selected, bytes))
    }
}

/// The bytes of an element.
pub(in crate::token) fn get<'s, S: ElementSource>(
    source: &'s S,
    hash: &ElementHash,
    wanted_by: &'static str,
) -> Result<S::Bytes<'s>, Error> {
    match source.element(hash)? {
        Some(bytes) => Ok(bytes),
        None => Err(Error::MissingElement {
            hash: *hash,
            wanted_by: wanted_by.to_owned(),
        }),
    }
}

fn verify(hash: &ElementHash, bytes: &[u8]) -> Result<(), Error> {
    let found = ElementHash::of(bytes);
    if found == *hash {
        Ok(())
    } else {
        Err(Error::VerificationFailed {
            at: format!("element {hash}"),
            reason: format!("its bytes have the hash {found}"),
        })
    }
}

/// Reads an element that must have a type.
pub(in crate::token) fn open<'b>(
    bytes: &'b [u8],
    hash: &ElementHash,
    expected: ElementType,
) -> Result<ElementView<'b>, Error> {
    let view = ElementView::parse(bytes)?;
    if view.element_type() == expected {
        Ok(view)
    } else {
        Err(Error::TypeMismatch {
            hash: *hash,
            expected,
            found: view.element_type(),
        })
    }
}

//! Elements from the source, checked as the reference checks them.

use super::hash_check::HashCheck;
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;
use crate::instance_chain::{ChainIndex, Strategy};

/// The way to the elements.
pub(super) struct Fetch<'r, S> {
    pub(super) source: &'r S,
    pub(super) instances: Option<(&'r ChainIndex, &'r Strategy)>,
    /// `None` when hashes are not to be checked.
    pub(super) check: Option<&'r mut HashCheck>,
}

impl<'r, S: ElementSource> Fetch<'r, S> {
    /// The bytes of the instance that stands for an element, and the hash of that instance. Its bytes are checked
    /// when the assembly ends, if not before.
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
        if let Some(check) = &mut self.check {
            check.meet(&selected, bytes.as_ref())?;
        }
        Ok((selected, bytes))
    }

    /// Hashes what was met and has not been hashed yet.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        self.check.as_mut().map_or(Ok(()), |check| check.settle())
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

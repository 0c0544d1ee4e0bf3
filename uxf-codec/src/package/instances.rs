use std::sync::Arc;

use super::Package;
use crate::canonical::ElementView;
use crate::element::{Element, ElementHash, ElementSource as _, Header};
use crate::error::Error;
use crate::instance_chain::{ChainEntry, ChainMember};
use crate::limits::HEADER_NUMBER_MAX;

impl Package {
    /// Adds a newer instance of an element. Its hash.
    ///
    /// `original` is the element or any member of its chain; where chains fork, it says which branch is continued. The
    /// new instance must have the type of the original, name the head of the chain as its predecessor, and have no
    /// lower version than the head. Parents stay as they are. Format notes, section 12.1.
    ///
    /// # Errors
    /// [`Error::MissingElement`] if the original or the head is not in the pool; [`Error::InvalidInstanceChain`] if
    /// the new instance does not continue the chain; [`Error::InvalidHash`] or [`Error::MalformedField`] if its
    /// content cannot be encoded; what [`ElementView::parse`] says if what was encoded is no element, as when a
    /// text field holds bytes. The package is then untouched.
    pub fn add_instance(
        &mut self,
        original: &ElementHash,
        new: &Element,
    ) -> Result<ElementHash, Error> {
        let original_view = self.present(original, "the original of a new instance")?;
        let entry = self.chains.get(original);
        let head = entry.map_or(*original, |entry| entry.head);
        let head_view = self.present(&head, "the head of an instance chain")?;
        if new.element_type != original_view.element_type() {
            return Err(refuse(format!(
                "the new instance is a {}, the chain is of {}",
                new.element_type,
                original_view.element_type()
            )));
        }
        continues(&new.header, &head, &head_view)?;
        let bytes = new.encode()?;
        ElementView::parse(&bytes)?;
        let hash = ElementHash::of(&bytes);

        let older = entry.map_or_else(
            || {
                vec![ChainMember {
                    hash: *original,
                    kind: original_view.kind().to_owned(),
                }]
            },
            |entry| entry.chain.clone(),
        );
        let newest = ChainMember {
            hash,
            kind: new.header.kind.as_str().to_owned(),
        };
        let chain = core::iter::once(newest).chain(older).collect();
        self.pool.insert(hash, &bytes, new.form());
        self.chains
            .insert(Arc::new(ChainEntry { head: hash, chain }));
        Ok(hash)
    }

    fn present(
        &self,
        hash: &ElementHash,
        wanted_by: &'static str,
    ) -> Result<ElementView<'_>, Error> {
        let Some(bytes) = self.pool.element(hash)? else {
            return Err(Error::MissingElement {
                hash: *hash,
                wanted_by: wanted_by.to_owned(),
            });
        };
        ElementView::parse(bytes)
    }
}

/// Whether a header continues the head of a chain.
fn continues(new: &Header, head: &ElementHash, older: &ElementView<'_>) -> Result<(), Error> {
    if new.predecessor.as_ref() != Some(head) {
        let found = (new.predecessor).map_or_else(|| "none".to_owned(), |hash| hash.to_string());
        return Err(refuse(format!(
            "the new instance must name the head {head} as its predecessor, it names {found}"
        )));
    }
    let versions = [
        ("semantics", new.semantics, older.semantics()),
        ("representation", new.representation, older.representation()),
    ];
    for (name, new, older) in versions {
        if new > HEADER_NUMBER_MAX || new < older {
            return Err(refuse(format!(
                "the {name} version must be {older} to {HEADER_NUMBER_MAX}, it is {new}"
            )));
        }
    }
    Ok(())
}

const fn refuse(reason: String) -> Error {
    Error::InvalidInstanceChain { reason }
}

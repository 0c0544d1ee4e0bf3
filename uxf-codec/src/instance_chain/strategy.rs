use core::fmt;

use super::{ChainEntry, ChainIndex};
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementSource};
use crate::error::Error;

/// Which instance of a chain stands for all of them. Format notes, section 12.2.
///
/// An element outside any chain always stands for itself.
#[derive(Default)]
pub enum Strategy {
    /// The newest instance.
    #[default]
    Latest,
    /// The oldest instance, the one that parents link to.
    Original,
    /// The newest instance that the chain records under a kind.
    ByKind {
        /// The kind.
        kind: String,
        /// What to do when there is none; without it the newest instance is taken.
        fallback: Option<Box<Self>>,
    },
    /// The newest instance of a representation version; the newest of all when there is none.
    ByRepresentation(u64),
    /// The newest instance that a predicate says yes to.
    Custom {
        /// Looks at an instance. Absent instances are not shown to it.
        predicate: Box<dyn Fn(&ElementView<'_>) -> bool + Send + Sync>,
        /// What to do when there is none; without it the newest instance is taken.
        fallback: Option<Box<Self>>,
    },
}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("Latest"),
            Self::Original => f.write_str("Original"),
            Self::ByKind { kind, fallback } => f
                .debug_struct("ByKind")
                .field("kind", kind)
                .field("fallback", fallback)
                .finish(),
            Self::ByRepresentation(version) => {
                f.debug_tuple("ByRepresentation").field(version).finish()
            }
            Self::Custom { fallback, .. } => f
                .debug_struct("Custom")
                .field("fallback", fallback)
                .finish_non_exhaustive(),
        }
    }
}

impl ChainIndex {
    /// The instance that a strategy lets stand for an element.
    ///
    /// ```
    /// use uxf_codec::ElementHash;
    /// use uxf_codec::instance_chain::{ChainIndex, Strategy};
    /// use uxf_codec::package::Package;
    ///
    /// let alone = ElementHash::of(b"in no chain");
    /// let package = Package::default();
    /// let selected = ChainIndex::new().select(package.pool(), &alone, &Strategy::Latest).unwrap();
    /// assert_eq!(selected, alone);
    /// ```
    ///
    /// # Errors
    /// What the source fails with, and what [`ElementView::parse`] says of bytes that are no element. Only
    /// [`Strategy::ByRepresentation`] and [`Strategy::Custom`] read elements; those that are absent are passed over.
    pub fn select<S: ElementSource>(
        &self,
        source: &S,
        hash: &ElementHash,
        strategy: &Strategy,
    ) -> Result<ElementHash, Error> {
        match self.get(hash) {
            Some(entry) => entry.select(source, strategy),
            None => Ok(*hash),
        }
    }
}

impl ChainEntry {
    /// The instance of this chain that a strategy chooses.
    ///
    /// # Errors
    /// As [`ChainIndex::select`].
    pub fn select<S: ElementSource>(
        &self,
        source: &S,
        strategy: &Strategy,
    ) -> Result<ElementHash, Error> {
        let mut strategy = strategy;
        loop {
            let (found, fallback) = match strategy {
                Strategy::Latest => (None, None),
                Strategy::Original => (self.chain.last().map(|member| member.hash), None),
                Strategy::ByKind { kind, fallback } => {
                    let newest = self.chain.iter().find(|member| member.kind == *kind);
                    (newest.map(|member| member.hash), fallback.as_deref())
                }
                Strategy::ByRepresentation(version) => {
                    let is_it = |view: &ElementView<'_>| view.representation() == *version;
                    (self.newest_that(source, is_it)?, None)
                }
                Strategy::Custom {
                    predicate,
                    fallback,
                } => (self.newest_that(source, predicate)?, fallback.as_deref()),
            };
            match (found, fallback) {
                (Some(hash), _) => return Ok(hash),
                (None, Some(next)) => strategy = next,
                (None, None) => return Ok(self.head),
            }
        }
    }

    fn newest_that<S: ElementSource>(
        &self,
        source: &S,
        is_it: impl Fn(&ElementView<'_>) -> bool,
    ) -> Result<Option<ElementHash>, Error> {
        for member in &self.chain {
            if let Some(bytes) = source.element(&member.hash)?
                && is_it(&ElementView::parse(bytes.as_ref())?)
            {
                return Ok(Some(member.hash));
            }
        }
        Ok(None)
    }
}

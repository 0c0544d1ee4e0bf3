use uxf_codec::canonical::VerifiedElement;
use uxf_codec::{ElementHash, ElementSource};

use crate::batch::WriteBatch;
use crate::snapshot::Snapshot;

/// What the store will have once a batch is committed: the batch first, then the store.
#[derive(Clone, Copy)]
pub(super) struct Staged<'s> {
    pub(super) batch: &'s WriteBatch,
    pub(super) snapshot: &'s Snapshot,
}

/// Bytes of one or the other.
pub(super) enum StagedBytes<'s> {
    Batch(&'s [u8]),
    Store(<Snapshot as ElementSource>::Bytes<'s>),
}

impl AsRef<[u8]> for StagedBytes<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Batch(bytes) => bytes,
            Self::Store(bytes) => bytes.as_ref(),
        }
    }
}

impl ElementSource for Staged<'_> {
    type Bytes<'a>
        = StagedBytes<'a>
    where
        Self: 'a;

    fn element(&self, hash: &ElementHash) -> Result<Option<StagedBytes<'_>>, uxf_codec::Error> {
        match self.batch.body(hash) {
            Some(bytes) => Ok(Some(StagedBytes::Batch(bytes))),
            None => Ok(self.snapshot.element(hash)?.map(StagedBytes::Store)),
        }
    }
}

/// The same, with what comes from the store hashed when it is read. What a batch puts was hashed then.
#[derive(Clone, Copy)]
pub(super) struct HashedStaged<'s>(pub(super) Staged<'s>);

impl<'s> ElementSource for HashedStaged<'s> {
    type Bytes<'a>
        = StagedBytes<'s>
    where
        Self: 'a;

    fn element(&self, hash: &ElementHash) -> Result<Option<StagedBytes<'s>>, uxf_codec::Error> {
        let Staged { batch, snapshot } = self.0;
        if let Some(bytes) = batch.body(hash) {
            return Ok(Some(StagedBytes::Batch(bytes)));
        }
        let Some(bytes) = snapshot.element(hash)? else {
            return Ok(None);
        };
        VerifiedElement::expect(bytes.as_ref(), *hash)?;
        Ok(Some(StagedBytes::Store(bytes)))
    }
}

/// A source with one element more.
pub(super) struct WithRoot<'s, S> {
    pub(super) source: &'s S,
    pub(super) root: ElementHash,
    /// Its bytes; `None` if it is in the source.
    pub(super) bytes: Option<&'s [u8]>,
}

/// Bytes of the one or of the others.
pub(super) enum WithRootBytes<'a, S: ElementSource + 'a> {
    Root(&'a [u8]),
    Source(S::Bytes<'a>),
}

impl<S: ElementSource> AsRef<[u8]> for WithRootBytes<'_, S> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Root(bytes) => bytes,
            Self::Source(bytes) => bytes.as_ref(),
        }
    }
}

impl<S: ElementSource> ElementSource for WithRoot<'_, S> {
    type Bytes<'a>
        = WithRootBytes<'a, S>
    where
        Self: 'a;

    fn element(&self, hash: &ElementHash) -> Result<Option<Self::Bytes<'_>>, uxf_codec::Error> {
        match self.bytes {
            Some(bytes) if *hash == self.root => Ok(Some(WithRootBytes::Root(bytes))),
            _ => Ok(self.source.element(hash)?.map(WithRootBytes::Source)),
        }
    }
}

use core::fmt;

use serde_json::{Map, Value};

use super::{CollectionKind, Collections};
use crate::error::Error;

/// What a recipient needs to go on after a crash: contexts of requests by request id, of finalizations by token id. What is
/// in them is the application's.
#[derive(Clone, Copy)]
pub struct RecipientContexts<'c>(pub(super) &'c Collections);

impl fmt::Debug for RecipientContexts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientContexts")
    }
}

impl RecipientContexts<'_> {
    /// Keeps the context of a request. The same again changes nothing.
    ///
    /// # Errors
    /// [`Exists`](super::CollectionError::Exists) for another one of this id,
    /// [`Tombstoned`](super::CollectionError::Tombstoned) for one that was removed; those of a commit.
    pub fn put_request(&self, request_id: &str, context: &Map<String, Value>) -> Result<(), Error> {
        let kind = CollectionKind::RequestContext;
        self.0.put_entry(kind, request_id, context)
    }

    /// The context of a request.
    ///
    /// # Errors
    /// [`Row`](super::CollectionError::Row); those of reading.
    pub fn request(&self, request_id: &str) -> Result<Option<Map<String, Value>>, Error> {
        let kind = CollectionKind::RequestContext;
        self.0.get_entry(kind, request_id)
    }

    /// Removes the context of a request, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn remove_request(&self, request_id: &str) -> Result<bool, Error> {
        let kind = CollectionKind::RequestContext;
        self.0.delete_entry(kind, request_id)
    }

    /// Keeps the context of a finalization. The same again changes nothing.
    ///
    /// # Errors
    /// Those of [`put_request`](Self::put_request).
    pub fn put_finalization(
        &self,
        token_id: &str,
        context: &Map<String, Value>,
    ) -> Result<(), Error> {
        let kind = CollectionKind::FinalizationContext;
        self.0.put_entry(kind, token_id, context)
    }

    /// The context of a finalization.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub fn finalization(&self, token_id: &str) -> Result<Option<Map<String, Value>>, Error> {
        let kind = CollectionKind::FinalizationContext;
        self.0.get_entry(kind, token_id)
    }

    /// Removes the context of a finalization, on every device that learns of it. Whether there was one.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn remove_finalization(&self, token_id: &str) -> Result<bool, Error> {
        let kind = CollectionKind::FinalizationContext;
        self.0.delete_entry(kind, token_id)
    }
}

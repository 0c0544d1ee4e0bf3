//! Lines of the manifest: what is known of a token beyond its elements. What its elements say is in the wallet's own rows,
//! which no device has to be told.

use std::collections::BTreeMap;

use serde_json::json;
use uxf_codec::ElementHash;

use super::edit::Edit;
use super::row::not_an_entry;
use super::{CollectionError, CollectionKind, Collections};
use crate::error::Error;
use crate::profile::merge::{ManifestEntry, ManifestStatus, canonical_text};
use crate::wallet::{TokenEntry, TokenStatus};

const KIND: CollectionKind = CollectionKind::Manifest;

impl Collections {
    /// Notes that a token was split from another one, with which it falls.
    ///
    /// # Errors
    /// [`CollectionError::NotHeld`] if the wallet does not have the token; those of a commit.
    pub fn note_split(&self, token_id: &str, parent: &str) -> Result<(), Error> {
        let token = self.held(token_id)?;
        self.edit(|edit| self.put_line(edit, &token, "splitParent", parent.to_lowercase().into()))
    }

    /// The line of a token; `None` if nothing is known of it beyond its elements.
    ///
    /// # Errors
    /// [`CollectionError::Row`]; those of reading.
    pub fn manifest_line(&self, token_id: &str) -> Result<Option<ManifestEntry>, Error> {
        let key = KIND.key(self.wallet.address(), &token_id.to_lowercase())?;
        let value = self.wallet.profile().get(&key)?;
        let text = value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let line = text.map(|text| ManifestEntry::parse(&text));
        line.transpose().map_err(|error| not_an_entry(&key, error))
    }

    /// A token that the wallet shows.
    pub(super) fn held(&self, token_id: &str) -> Result<TokenEntry, Error> {
        let token = self.wallet.get(&token_id.to_lowercase())?;
        let token = token.filter(|token| token.status != TokenStatus::Spent);
        let token_id = token_id.to_owned();
        Ok(token.ok_or(CollectionError::NotHeld { token_id })?)
    }

    /// A token of which this root counts.
    pub(super) fn held_at(&self, token_id: &str, root: &ElementHash) -> Result<TokenEntry, Error> {
        let token = self.held(token_id)?;
        if token.root == *root {
            return Ok(token);
        }
        Err(CollectionError::RootChanged {
            token_id: token.token_id,
            expected: root.to_string(),
            found: token.root.to_string(),
        }
        .into())
    }

    /// Adds something to the line of a token. Lines are joined, so that nothing of what is there goes.
    pub(super) fn put_line(
        &self,
        edit: &mut Edit<'_>,
        token: &TokenEntry,
        field: &str,
        value: serde_json::Value,
    ) -> Result<(), Error> {
        let status = match token.status {
            TokenStatus::Valid => ManifestStatus::Valid,
            TokenStatus::Pending => ManifestStatus::Pending,
            TokenStatus::Conflicting => ManifestStatus::Conflicting,
            TokenStatus::Invalid | TokenStatus::Spent => ManifestStatus::Invalid,
        };
        let mut line = json!({ "rootHash": token.root.to_string(), "status": status.as_str() });
        if let Some(line) = line.as_object_mut() {
            line.insert(field.to_owned(), value);
        }
        let key = KIND.key(self.wallet.address(), &token.token_id)?;
        edit.put(&key, &canonical_text(&line))
    }

    /// The tokens that were split from each token.
    pub(super) fn splits(&self) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let lines = self.list_entries(KIND, |token_id, text| {
            let line = ManifestEntry::parse(text)?;
            let parent = line.split_parent();
            Ok(parent.map(|parent| (parent.to_owned(), token_id.to_owned())))
        })?;
        let mut splits = BTreeMap::<_, Vec<_>>::new();
        for (parent, token_id) in lines.entries {
            splits.entry(parent).or_default().push(token_id);
        }
        Ok(splits)
    }
}

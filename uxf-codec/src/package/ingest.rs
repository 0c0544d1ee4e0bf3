use super::indexes::IndexKeys;
use super::merge::too_many_elements;
use super::{Package, Timestamp};
use crate::error::Error;
use crate::limits::POOL_ELEMENTS_MAX;
use crate::token::{Deconstructor, TokenSummary};

impl Package {
    /// Takes in a token from its JSON.
    ///
    /// A token that is there already gets the new root, whichever is the better one, and keeps its place in the
    /// manifest; [`merge`](Package::merge) is what chooses. What the indexes noted of the old state stays noted, as in
    /// the reference. Format notes, sections 5 and 7.
    ///
    /// # Errors
    /// Those of [`Deconstructor::deconstruct`]; [`Error::InvalidPackage`] beyond [`POOL_ELEMENTS_MAX`] elements. The
    /// package is then untouched.
    pub fn ingest(&mut self, json: &[u8], now: Timestamp) -> Result<TokenSummary, Error> {
        let summaries = self.ingest_all([json], now)?;
        summaries.into_iter().next().ok_or(Error::InvalidInput {
            what: "token",
            reason: "there must be one".to_owned(),
        })
    }

    /// Takes in several tokens, all of them or none.
    ///
    /// Without any token nothing changes, the time of the last change included.
    ///
    /// # Errors
    /// As [`ingest`](Self::ingest), of the first token that is bad. The package is then untouched.
    pub fn ingest_all<'j>(
        &mut self,
        tokens: impl IntoIterator<Item = &'j [u8]>,
        now: Timestamp,
    ) -> Result<Vec<TokenSummary>, Error> {
        let before = self.pool.len();
        let mut deconstructor = Deconstructor::new();
        let mut summaries = Vec::new();
        for json in tokens {
            let read = deconstructor.deconstruct(json, &mut self.pool);
            match read {
                Ok(summary) if self.pool.len() <= POOL_ELEMENTS_MAX => summaries.push(summary),
                failed => {
                    let error = failed.map(|_| too_many_elements(self.pool.len()));
                    self.pool.truncate(before);
                    return Err(error.unwrap_or_else(|error| error));
                }
            }
        }
        for summary in &summaries {
            let keys = IndexKeys {
                token_type: Some(summary.token_type.clone()),
                first_coin: summary.first_coin.clone(),
                state_data: summary.state_data.clone(),
            };
            self.indexes.note(&summary.token_id, keys);
            self.manifest.insert(summary.token_id.clone(), summary.root);
        }
        if !summaries.is_empty() {
            self.envelope.updated_at = now;
        }
        Ok(summaries)
    }
}

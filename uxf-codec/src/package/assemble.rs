use super::Package;
use crate::element::ElementHash;
use crate::error::Error;
use crate::instance_chain::Strategy;
use crate::token::{self, AssembleOptions, Assembler, StateIndex};

impl Package {
    /// Puts a token together again at its latest state, with the latest instance of every element, as compact JSON.
    ///
    /// For many tokens keep an [`Assembler`] and give it the [`pool`](Self::pool).
    ///
    /// ```
    /// use uxf_codec::package::{Package, Timestamp};
    ///
    /// let id = "aa".repeat(32);
    /// let json = format!(
    ///     r#"{{"genesis":{{"data":{{"tokenId":"{id}"}}}},"state":{{"predicate":"a0"}},"transactions":[]}}"#
    /// );
    /// let mut package = Package::default();
    /// package.ingest(json.as_bytes(), Timestamp::from_secs(1_750_000_000)).unwrap();
    /// let whole = package.assemble(&id).unwrap();
    /// assert!(whole.starts_with(br#"{"version":"2.0","genesis":{"data":{"tokenId":"aaaa"#));
    /// ```
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], and those of [`Assembler::assemble`].
    pub fn assemble(&self, token_id: &str) -> Result<Vec<u8>, Error> {
        self.assemble_with(token_id, StateIndex::Latest, &Strategy::Latest)
    }

    /// The same at an earlier state.
    ///
    /// # Errors
    /// As [`assemble`](Self::assemble); [`Error::StateIndexOutOfRange`] for a state the token does not have.
    pub fn assemble_at(&self, token_id: &str, state: StateIndex) -> Result<Vec<u8>, Error> {
        self.assemble_with(token_id, state, &Strategy::Latest)
    }

    /// The same under a strategy that says which instances of elements to take.
    ///
    /// # Errors
    /// As [`assemble_at`](Self::assemble_at).
    pub fn assemble_with(
        &self,
        token_id: &str,
        state: StateIndex,
        strategy: &Strategy,
    ) -> Result<Vec<u8>, Error> {
        let root = self.root_of(token_id)?;
        let options = AssembleOptions {
            state,
            instances: Some((&self.chains, strategy)),
            ..AssembleOptions::default()
        };
        let mut json = Vec::new();
        Assembler::new().assemble(&self.pool, &root, &options, &mut json)?;
        Ok(json)
    }

    /// How many transactions a token has, which is its newest state index.
    ///
    /// # Errors
    /// [`Error::TokenNotFound`], and those of [`token::transaction_count`].
    pub fn transaction_count(&self, token_id: &str) -> Result<u64, Error> {
        token::transaction_count(&self.pool, &self.root_of(token_id)?)
    }

    fn root_of(&self, token_id: &str) -> Result<ElementHash, Error> {
        self.root(token_id).ok_or_else(|| Error::TokenNotFound {
            token_id: token_id.to_owned(),
        })
    }
}

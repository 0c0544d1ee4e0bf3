use std::collections::BTreeSet;

use uxf_codec::ElementBatch;
use uxf_codec::json::Tape;
use uxf_codec::token::Deconstructor;

use super::Wallet;
use super::change::{Brought, Change};
use super::import::sent_away;
use crate::error::Error;
use crate::tables::wallet_rows::CANDIDATES_MAX;
use crate::wallet::views::TokenFile;
use crate::wallet::{DedupKey, TxfToken};

/// Tokens of one commit.
const AT_ONCE: usize = 256;

impl Wallet {
    /// Keeps what was sent away, of a token file: each state is noted as spent and kept in the same commit, so that the
    /// wallet never shows it and still knows where it went. What is kept already, or cannot be taken apart, is passed over.
    pub(crate) fn keep_archived(&self, file: &[u8]) -> Result<(), Error> {
        let mut tape = Tape::new();
        let file = TokenFile::new(tape.parse(file)?);
        let spent: BTreeSet<_> = sent_away(&file).into_iter().collect();
        let archived: Vec<_> = (file.archived().iter())
            .filter_map(|(_, token)| {
                let token_id = token.token_id()?.to_ascii_lowercase();
                let key = DedupKey::of(token);
                let state = (token_id, key.state_hash()?.to_owned());
                spent.contains(&state).then_some((state, key, *token))
            })
            .collect();
        for tokens in archived.chunks(AT_ONCE) {
            self.change(|change| change.keep_archived(tokens))?;
        }
        Ok(())
    }
}

impl Change<'_> {
    fn keep_archived(
        &mut self,
        tokens: &[((String, String), DedupKey, TxfToken<'_>)],
    ) -> Result<(), Error> {
        let states: Vec<_> = tokens.iter().map(|(state, ..)| state.clone()).collect();
        self.spend_new(&states)?;
        let mut deconstructor = Deconstructor::new();
        let mut elements = ElementBatch::new();
        for (_, key, token) in tokens {
            elements.clear();
            let Ok(summary) = deconstructor.deconstruct_node(token.node(), &mut elements) else {
                continue;
            };
            let token_id = summary.token_id.as_str();
            let known = self.peek(token_id)?.map(|row| row.candidates);
            let known = known.unwrap_or_default();
            let is_kept = known.iter().any(|one| one.root == summary.root);
            if is_kept || known.len() >= CANDIDATES_MAX {
                continue;
            }
            for element in elements.iter() {
                self.batch.put_hashed(element)?;
            }
            let proven = token.proven_state_hash().map(DedupKey::State);
            let state = Brought {
                root: summary.root,
                instances: BTreeSet::new(),
                keys: proven.into_iter().chain([key.clone()]).collect(),
            };
            self.bring(token_id, &state, None, false)?;
        }
        Ok(())
    }
}

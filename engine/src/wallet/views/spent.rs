use std::collections::BTreeSet;

use super::TokenFile;

/// A state that is spent, because its token was sent away from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedTombstone {
    /// The token id.
    pub token_id: String,
    /// Hash of the spent state.
    pub state_hash: String,
}

/// A transfer that sent a token away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedSent {
    /// The token id.
    pub token_id: String,
    /// Who it went to; `unknown` if neither the last transfer nor the genesis says so.
    pub recipient: String,
    /// Hash of the transfer; empty if it has no proof.
    pub transaction_hash: String,
}

/// The states that archived tokens were in when they went: those whose last transfer says what it arrives at. Each once,
/// in the order of the file (profile notes, section 8).
pub fn derive_tombstones(file: &TokenFile<'_>) -> Vec<DerivedTombstone> {
    let mut seen = BTreeSet::new();
    let states = file
        .archived()
        .iter()
        .filter_map(|(_, token)| Some((token.token_id()?, token.new_state_hash()?)));
    states
        .filter(|state| seen.insert(state.clone()))
        .map(|(token_id, state_hash)| DerivedTombstone {
            token_id: token_id.into_owned(),
            state_hash: state_hash.into_owned(),
        })
        .collect()
}

/// Where archived tokens went: one transfer for each token id, the first in the file (profile notes, section 8).
pub fn derive_sent(file: &TokenFile<'_>) -> Vec<DerivedSent> {
    let mut seen = BTreeSet::new();
    let tokens = file
        .archived()
        .iter()
        .filter_map(|(_, token)| Some((token.token_id()?, token)));
    tokens
        .filter(|(token_id, _)| seen.insert(token_id.clone()))
        .map(|(token_id, token)| {
            let recipient = token.last_recipient().or_else(|| token.first_recipient());
            DerivedSent {
                token_id: token_id.into_owned(),
                recipient: recipient.map_or_else(|| "unknown".to_owned(), Into::into),
                transaction_hash: token
                    .last_transaction_hash()
                    .map_or_else(String::new, Into::into),
            }
        })
        .collect()
}

use std::borrow::Cow;

use super::{DedupKey, TxfToken};
use crate::inventory::TOKEN_ID_BYTES_MAX;

/// Longest state hash that is read, in bytes. Those in use have 64 or 68.
pub const STATE_HASH_BYTES_MAX: usize = 256;

/// What an import came to for one token (profile notes, section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VerdictCode {
    /// The token was not held.
    Added,
    /// Another live state of the token was held and gave way.
    StateReplaced,
    /// What was held of the token was spent or invalid and gave way.
    StaleRecordReplaced,
    /// This very state is held.
    Duplicate,
    /// This state was spent here.
    Tombstoned,
    /// The token is held at another state, and the import is strict.
    GenesisExists,
    /// The store did not take it, though the rules said it would.
    Unknown,
    /// No token, or one that cannot be taken apart.
    Malformed,
    /// The store failed.
    AddFailed,
}

/// The three kinds of verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictClass {
    /// The token is held now.
    Added,
    /// Nothing was to be done, or nothing may be.
    Skipped,
    /// Something is wrong.
    Rejected,
}

impl VerdictCode {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::StateReplaced => "state-replaced",
            Self::StaleRecordReplaced => "stale-record-replaced",
            Self::Duplicate => "duplicate",
            Self::Tombstoned => "tombstoned",
            Self::GenesisExists => "genesis-exists",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::AddFailed => "add-failed",
        }
    }

    /// Which of the three kinds it is.
    pub const fn class(self) -> VerdictClass {
        match self {
            Self::Added | Self::StateReplaced | Self::StaleRecordReplaced => VerdictClass::Added,
            Self::Duplicate | Self::Tombstoned | Self::GenesisExists | Self::Unknown => {
                VerdictClass::Skipped
            }
            Self::Malformed | Self::AddFailed => VerdictClass::Rejected,
        }
    }

    /// What to tell of it beside the code: that something else had to go.
    pub const fn note(self) -> Option<&'static str> {
        match self {
            Self::StateReplaced => Some("another state of the token was held and was replaced"),
            Self::StaleRecordReplaced => {
                Some("a spent or invalid record of the token was replaced")
            }
            _ => None,
        }
    }
}

/// What an import does with a token that is held at another state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ImportMode {
    /// Nothing, except that a token that was not minted yet gives way to one that is. The default: nothing that is held
    /// is lost to a file, however old.
    #[default]
    Strict,
    /// The incoming state counts, even if it is older.
    Lenient,
}

/// How a held token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldStatus {
    /// Its last transfer has no proof.
    Pending,
    /// All of it is proven.
    Confirmed,
    /// It was spent.
    Spent,
    /// It is none.
    Invalid,
}

impl HeldStatus {
    /// How a token that just came stands.
    pub fn of(token: &TxfToken<'_>) -> Self {
        if token.is_last_transaction_proven() {
            Self::Confirmed
        } else {
            Self::Pending
        }
    }

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Spent => "spent",
            Self::Invalid => "invalid",
        }
    }

    /// Reads the name in reports.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Confirmed, Self::Spent, Self::Invalid]
            .into_iter()
            .find(|status| status.as_str() == name)
    }

    const fn is_dead(self) -> bool {
        matches!(self, Self::Spent | Self::Invalid)
    }
}

/// What a wallet holds of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldToken {
    /// Which state.
    pub key: DedupKey,
    /// How it stands.
    pub status: HeldStatus,
}

/// A token that is to be imported, as far as the rules look at it.
#[derive(Clone, Debug)]
pub struct IncomingToken<'t> {
    token: TxfToken<'t>,
    id: Cow<'t, str>,
    key: DedupKey,
}

impl<'t> IncomingToken<'t> {
    /// Looks at a token; `None` if it has no id, no state or no genesis, or an id or a state hash that is too long to be
    /// one.
    pub fn new(token: TxfToken<'t>) -> Option<Self> {
        let id = token
            .token_id()
            .filter(|id| id.len() <= TOKEN_ID_BYTES_MAX)?;
        let key = DedupKey::of(&token);
        let is_hash_short =
            (key.state_hash()).is_none_or(|hash| hash.len() <= STATE_HASH_BYTES_MAX);
        (token.has_state() && token.has_genesis() && is_hash_short).then_some(Self {
            token,
            id,
            key,
        })
    }

    /// The token.
    pub const fn token(&self) -> &TxfToken<'t> {
        &self.token
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which state it is at.
    pub const fn key(&self) -> &DedupKey {
        &self.key
    }
}

/// What the rules say before the store is asked to take a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is to be taken; if that succeeds, this is the verdict.
    Take(VerdictCode),
    /// It is not, with this verdict.
    Leave(VerdictCode),
}

/// Judges a token by what the wallet holds of its id, and by whether its state was spent here.
///
/// In this order: a state that was spent never comes back; one that is held is not taken twice; and whether another state
/// of the token gives way is for the mode to say. A token that is not minted yet has no state that could be spent.
///
/// ```
/// use uxf_codec::json::Tape;
/// use uxf_engine::wallet::{ImportMode, IncomingToken, Judgement, TxfToken, VerdictCode, judge};
///
/// let mut tape = Tape::new();
/// let json = br#"{"genesis":{"data":{"tokenId":"t"}},"state":{},"transactions":[{"newStateHash":"s"}]}"#;
/// let token = TxfToken::new(tape.parse(json).unwrap()).unwrap();
/// let token = IncomingToken::new(token).unwrap();
/// let spent = judge(&token, None, true, ImportMode::Lenient);
/// assert_eq!(spent, Judgement::Leave(VerdictCode::Tombstoned));
/// assert_eq!(judge(&token, None, false, ImportMode::Strict), Judgement::Take(VerdictCode::Added));
/// ```
pub fn judge(
    incoming: &IncomingToken<'_>,
    held: Option<&HeldToken>,
    is_spent: bool,
    mode: ImportMode,
) -> Judgement {
    if is_spent && !incoming.key.is_pending() {
        return Judgement::Leave(VerdictCode::Tombstoned);
    }
    let Some(held) = held else {
        return Judgement::Take(VerdictCode::Added);
    };
    if held.key == incoming.key {
        return Judgement::Leave(VerdictCode::Duplicate);
    }
    match mode {
        ImportMode::Strict if held.key.is_pending() && !incoming.key.is_pending() => {
            Judgement::Take(VerdictCode::StateReplaced)
        }
        ImportMode::Strict => Judgement::Leave(VerdictCode::GenesisExists),
        ImportMode::Lenient if held.status.is_dead() => {
            Judgement::Take(VerdictCode::StaleRecordReplaced)
        }
        ImportMode::Lenient => Judgement::Take(VerdictCode::StateReplaced),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_codec::json::Tape;

    fn judged(
        state: Option<&str>,
        held: Option<(&str, HeldStatus)>,
        is_spent: bool,
        mode: ImportMode,
    ) -> Judgement {
        let transactions = state.map_or_else(String::new, |state| {
            format!(r#"{{"newStateHash":"{state}"}}"#)
        });
        let json = format!(
            r#"{{"genesis":{{"data":{{"tokenId":"t"}}}},"state":{{}},"transactions":[{transactions}]}}"#
        );
        let mut tape = Tape::new();
        let token = TxfToken::new(tape.parse(json.as_bytes()).unwrap()).unwrap();
        let token = IncomingToken::new(token).unwrap();
        let held = held.map(|(key, status)| HeldToken {
            key: match key {
                "pending" => DedupKey::Pending([7; 32]),
                state => DedupKey::State(state.to_owned()),
            },
            status,
        });
        judge(&token, held.as_ref(), is_spent, mode)
    }

    #[test]
    fn a_state_that_was_spent_never_comes_back() {
        for mode in [ImportMode::Strict, ImportMode::Lenient] {
            for held in [
                None,
                Some(("s", HeldStatus::Confirmed)),
                Some(("o", HeldStatus::Spent)),
            ] {
                let found = judged(Some("s"), held, true, mode);
                assert_eq!(found, Judgement::Leave(VerdictCode::Tombstoned));
            }
        }
    }

    #[test]
    fn a_strict_import_takes_nothing_from_a_token_that_is_held() {
        let held = [
            HeldStatus::Pending,
            HeldStatus::Confirmed,
            HeldStatus::Spent,
            HeldStatus::Invalid,
        ];
        for status in held {
            for state in [Some("newer"), None] {
                let found = judged(state, Some(("s", status)), false, ImportMode::Strict);
                assert_eq!(found, Judgement::Leave(VerdictCode::GenesisExists));
            }
        }
    }

    #[test]
    fn a_token_that_was_not_minted_yet_gives_way_to_one_that_is_in_either_mode() {
        for mode in [ImportMode::Strict, ImportMode::Lenient] {
            let found = judged(
                Some("s"),
                Some(("pending", HeldStatus::Confirmed)),
                false,
                mode,
            );
            assert_eq!(found, Judgement::Take(VerdictCode::StateReplaced));
        }
        // Minted from other data: two tokens that claim one id, neither of them minted.
        let found = judged(
            None,
            Some(("pending", HeldStatus::Confirmed)),
            false,
            ImportMode::Strict,
        );
        assert_eq!(found, Judgement::Leave(VerdictCode::GenesisExists));
    }

    #[test]
    fn a_token_that_is_not_minted_yet_is_never_a_spent_one() {
        let found = judged(None, None, true, ImportMode::Strict);
        assert_eq!(found, Judgement::Take(VerdictCode::Added));
    }

    #[test]
    fn ids_and_hashes_without_end_are_no_tokens() {
        let mut tape = Tape::new();
        for (id, hash) in [(TOKEN_ID_BYTES_MAX + 1, 1), (1, STATE_HASH_BYTES_MAX + 1)] {
            let (id, hash) = ("a".repeat(id), "b".repeat(hash));
            let json = format!(
                r#"{{"genesis":{{"data":{{"tokenId":"{id}"}}}},"state":{{}},"transactions":[{{"newStateHash":"{hash}"}}]}}"#
            );
            let token = TxfToken::new(tape.parse(json.as_bytes()).unwrap()).unwrap();
            assert!(IncomingToken::new(token).is_none());
        }
    }
}

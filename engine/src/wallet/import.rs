use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::json::Node;

use super::{
    DedupKey, HeldStatus, HeldToken, ImportMode, IncomingToken, Judgement, TxfToken, VerdictClass,
    VerdictCode, judge,
};

/// What a wallet holds, as an import needs to know it.
pub trait Holdings {
    /// What goes wrong with the store.
    type Error: fmt::Display;

    /// What is held of a token id.
    ///
    /// # Errors
    /// Those of the store.
    fn held(&self, token_id: &str) -> Result<Option<HeldToken>, Self::Error>;

    /// Whether this state of the token was spent here.
    ///
    /// # Errors
    /// Those of the store.
    fn is_spent(&self, token_id: &str, state_hash: &str) -> Result<bool, Self::Error>;

    /// Takes a token, in the place of what is held of its id.
    ///
    /// # Errors
    /// Those of the store.
    fn take(&mut self, token: &IncomingToken<'_>) -> Result<Taken, Self::Error>;
}

/// What a store did with a token it was to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is held now.
    Held,
    /// It was refused; somebody else changed something meanwhile.
    Refused,
    /// It cannot be taken apart.
    Unreadable,
}

/// What an import came to for one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Id of the token, if it has one.
    pub token_id: Option<String>,
    /// What it came to.
    pub code: VerdictCode,
    /// More about it, for a person.
    pub note: Option<String>,
}

/// Imports a token. Whatever is wrong with it or with the store becomes its verdict, so one bad token stops no other.
///
/// ```
/// use uxf_codec::json::Tape;
/// use uxf_engine::wallet::{ImportMode, MemoryHoldings, VerdictCode, import_token};
///
/// let mut wallet = MemoryHoldings::default();
/// let mut tape = Tape::new();
/// let null = tape.parse(b"null").unwrap();
/// assert_eq!(import_token(null, &mut wallet, ImportMode::Strict).code, VerdictCode::Malformed);
/// ```
pub fn import_token<H: Holdings>(token: Node<'_>, wallet: &mut H, mode: ImportMode) -> Verdict {
    let token = TxfToken::new(token);
    let token_id = token.and_then(|token| token.token_id());
    let (code, failure) = match token.and_then(IncomingToken::new) {
        None => (VerdictCode::Malformed, None),
        Some(incoming) => match decide(&incoming, wallet, mode) {
            Ok(code) => (code, None),
            Err(error) => (VerdictCode::AddFailed, Some(error.to_string())),
        },
    };
    Verdict {
        token_id: token_id.map(Into::into),
        code,
        note: failure.or_else(|| code.note().map(str::to_owned)),
    }
}

fn decide<H: Holdings>(
    incoming: &IncomingToken<'_>,
    wallet: &mut H,
    mode: ImportMode,
) -> Result<VerdictCode, H::Error> {
    let is_spent = match incoming.key().state_hash() {
        Some(hash) => wallet.is_spent(incoming.id(), hash)?,
        None => false,
    };
    let held = wallet.held(incoming.id())?;
    Ok(match judge(incoming, held.as_ref(), is_spent, mode) {
        Judgement::Leave(code) => code,
        Judgement::Take(code) => match wallet.take(incoming)? {
            Taken::Held => code,
            Taken::Refused => VerdictCode::Unknown,
            Taken::Unreadable => VerdictCode::Malformed,
        },
    })
}

/// Imports tokens one after the other, so that each sees what those before it did.
pub fn import_tokens<'t, H: Holdings>(
    tokens: impl IntoIterator<Item = Node<'t>>,
    wallet: &mut H,
    mode: ImportMode,
) -> impl Iterator<Item = Verdict> {
    let tokens = tokens.into_iter();
    tokens.map(move |token| import_token(token, wallet, mode))
}

/// How many verdicts of each class and code there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerdictTally {
    by_code: BTreeMap<VerdictCode, u64>,
}

impl VerdictTally {
    /// Counts one.
    pub fn count(&mut self, code: VerdictCode) {
        let count = self.by_code.entry(code).or_default();
        *count = count.saturating_add(1);
    }

    /// How many had a code.
    pub fn of_code(&self, code: VerdictCode) -> u64 {
        self.by_code.get(&code).copied().unwrap_or_default()
    }

    /// How many were of a class.
    pub fn of_class(&self, class: VerdictClass) -> u64 {
        let of_class = self
            .by_code
            .iter()
            .filter(|(code, _)| code.class() == class);
        of_class.map(|(_, count)| count).sum()
    }
}

/// What a wallet holds, in memory: for dry runs and tests.
///
/// It takes every token the rules let through, and keeps no more of one than they ask for.
#[derive(Clone, Debug, Default)]
pub struct MemoryHoldings {
    tokens: BTreeMap<String, MemoryToken>,
    spent: BTreeSet<(String, String)>,
}

/// What is kept of a token in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryToken {
    /// Which state is held, and how it stands.
    pub held: HeldToken,
    /// Its transfers since the genesis.
    pub transactions: usize,
}

impl MemoryHoldings {
    /// Token ids and what is held of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MemoryToken)> {
        self.tokens.iter().map(|(id, token)| (id.as_str(), token))
    }

    /// Holds a token at a status, whatever the rules say.
    pub fn hold(&mut self, token: &IncomingToken<'_>, status: HeldStatus) {
        let held = HeldToken {
            key: token.key().clone(),
            status,
        };
        let transactions = token.token().transactions().count();
        let token_id = token.id().to_owned();
        self.tokens
            .insert(token_id, MemoryToken { held, transactions });
    }

    /// Lets a token go and notes its state as spent, if it has one. Whether it was held.
    pub fn spend(&mut self, token_id: &str) -> bool {
        let Some((token_id, token)) = self.tokens.remove_entry(token_id) else {
            return false;
        };
        if let DedupKey::State(hash) = token.held.key {
            self.spent.insert((token_id, hash));
        }
        true
    }
}

impl Holdings for MemoryHoldings {
    type Error = core::convert::Infallible;

    fn held(&self, token_id: &str) -> Result<Option<HeldToken>, Self::Error> {
        Ok(self.tokens.get(token_id).map(|token| token.held.clone()))
    }

    fn is_spent(&self, token_id: &str, state_hash: &str) -> Result<bool, Self::Error> {
        let state = (token_id.to_owned(), state_hash.to_owned());
        Ok(self.spent.contains(&state))
    }

    fn take(&mut self, token: &IncomingToken<'_>) -> Result<Taken, Self::Error> {
        self.hold(token, HeldStatus::of(token.token()));
        Ok(Taken::Held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_codec::json::Tape;

    /// A store in which everything goes the given way.
    struct Broken(Result<Taken, &'static str>);

    impl Holdings for Broken {
        type Error = &'static str;

        fn held(&self, _: &str) -> Result<Option<HeldToken>, Self::Error> {
            Ok(None)
        }

        fn is_spent(&self, _: &str, _: &str) -> Result<bool, Self::Error> {
            Ok(false)
        }

        fn take(&mut self, _: &IncomingToken<'_>) -> Result<Taken, Self::Error> {
            self.0
        }
    }

    #[test]
    fn what_the_store_does_becomes_the_verdict() {
        let json = br#"{"genesis":{"data":{"tokenId":"t"}},"state":{},"transactions":[]}"#;
        let mut tape = Tape::new();
        let token = tape.parse(json).unwrap();
        for (outcome, code) in [
            (Ok(Taken::Held), VerdictCode::Added),
            (Ok(Taken::Refused), VerdictCode::Unknown),
            (Ok(Taken::Unreadable), VerdictCode::Malformed),
            (Err("disk full"), VerdictCode::AddFailed),
        ] {
            let verdict = import_token(token, &mut Broken(outcome), ImportMode::Strict);
            assert_eq!(verdict.code, code);
            assert_eq!(verdict.token_id.as_deref(), Some("t"));
            assert_eq!(verdict.note.as_deref(), outcome.err());
        }
    }
}

use core::cell::RefCell;
use core::fmt;
use std::collections::BTreeSet;

use uxf_codec::package::Package;
use uxf_codec::token::Deconstructor;
use uxf_codec::{ElementBatch, ElementHash};

use super::ahead::TakenApart;
use super::change::{Brought, Change};
use crate::error::Error;
use crate::tables::wallet_rows::{CANDIDATES_MAX, JoinedRow};
use crate::wallet::{
    DedupKey, DispositionReason, HeldStatus, HeldToken, Holdings, IncomingToken, Taken, TokenStatus,
};

/// What the tables say a wallet holds, with what an import has done so far on top.
pub(super) struct StoreHoldings<'h, 'w, 'p> {
    change: RefCell<&'h mut Change<'w>>,
    deconstructor: Deconstructor,
    elements: ElementBatch,
    /// Where the elements of the token are, if they need not be made of its JSON.
    pub(super) source: Option<(&'p Package, ElementHash)>,
    /// The token under way, if it was taken apart already.
    pub(super) taken_apart: Option<TakenApart>,
    /// What the token under way is known by. A state may be known by several keys, of which the rules see one.
    pub(super) wanted: Option<DedupKey>,
    /// Whether that is the hash of a state the token has left, so that it says nothing of whether the token was spent.
    pub(super) is_borrowed: bool,
    /// What went wrong with the store. The verdict is that of one token, but a change that is half there must not be
    /// committed.
    failed: RefCell<Option<Error>>,
}

/// The store failed; what happened is kept beside.
pub(super) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store failed")
    }
}

impl Holdings for StoreHoldings<'_, '_, '_> {
    type Error = Failed;

    fn held(&self, token_id: &str) -> Result<Option<HeldToken>, Failed> {
        let row = self.change.borrow().peek(&token_id.to_ascii_lowercase());
        let row = row.map_err(|error| self.fail(error))?;
        Ok(row
            .filter(JoinedRow::is_shown)
            .map(|row| self.held_of(&row)))
    }

    fn is_spent(&self, token_id: &str, state_hash: &str) -> Result<bool, Failed> {
        if self.is_borrowed {
            // What leads to a spent state is found when it is taken.
            return Ok(false);
        }
        let change = self.change.borrow();
        let is_spent = |token_id: &str| {
            let is_spent = change.is_spent(token_id, state_hash);
            is_spent.map_err(|error| self.fail(error))
        };
        let lower = token_id.to_ascii_lowercase();
        Ok(is_spent(&lower)? || (lower != token_id && is_spent(token_id)?))
    }

    fn take(&mut self, token: &IncomingToken<'_>) -> Result<Taken, Failed> {
        self.try_take(token).map_err(|error| self.fail(error))
    }
}

impl<'h, 'w> StoreHoldings<'h, 'w, '_> {
    pub(super) fn new(change: &'h mut Change<'w>) -> Self {
        Self {
            change: RefCell::new(change),
            deconstructor: Deconstructor::new(),
            elements: ElementBatch::new(),
            source: None,
            taken_apart: None,
            wanted: None,
            is_borrowed: false,
            failed: RefCell::new(None),
        }
    }

    /// What went wrong with the store since it was asked last.
    pub(super) fn failure(&mut self) -> Option<Error> {
        self.failed.get_mut().take()
    }

    /// Elements that the change puts so far.
    pub(super) fn elements(&mut self) -> usize {
        self.change.get_mut().batch.len()
    }
}

impl StoreHoldings<'_, '_, '_> {
    fn fail(&self, error: Error) -> Failed {
        *self.failed.borrow_mut() = Some(error);
        Failed
    }

    fn held_of(&self, row: &JoinedRow) -> HeldToken {
        let counting = row.to_name();
        let counting = counting.first();
        let candidate = row
            .candidates
            .iter()
            .find(|one| Some(&one.root) == counting);
        let keys = candidate.map_or(&[][..], |one| &one.keys);
        let wanted = self.wanted.as_ref().filter(|key| keys.contains(key));
        let key = wanted.or(keys.first()).cloned();
        HeldToken {
            key: key.unwrap_or_else(|| DedupKey::State(String::new())),
            status: match (row.status, row.reason) {
                (TokenStatus::Pending, _) => HeldStatus::Pending,
                (TokenStatus::Invalid, Some(DispositionReason::OffRecordSpend)) => {
                    HeldStatus::Spent
                }
                (TokenStatus::Invalid, _) => HeldStatus::Invalid,
                _ => HeldStatus::Confirmed,
            },
        }
    }

    fn try_take(&mut self, token: &IncomingToken<'_>) -> Result<Taken, Error> {
        let change = self.change.get_mut();
        let (token_id, root, instances) = if let Some((package, root)) = self.source {
            let instances = change.put_token(package, &root)?;
            (token.id().to_ascii_lowercase(), root, instances)
        } else if let Some(taken_apart) = &self.taken_apart
            && let Some(summary) = taken_apart.summary()
        {
            taken_apart.put(&mut change.batch)?;
            let token_id = summary.token_id.as_str().to_owned();
            (token_id, summary.root, Vec::new())
        } else {
            self.elements.clear();
            let node = token.token().node();
            let Ok(summary) = self
                .deconstructor
                .deconstruct_node(node, &mut self.elements)
            else {
                return Ok(Taken::Unreadable);
            };
            for element in self.elements.iter() {
                change.batch.put_hashed(element)?;
            }
            (
                summary.token_id.as_str().to_owned(),
                summary.root,
                Vec::new(),
            )
        };
        let before = change.peek(&token_id)?;
        if before
            .as_ref()
            .is_some_and(|row| row.candidates.len() >= CANDIDATES_MAX)
        {
            return Ok(Taken::Refused);
        }
        // What the rules let through although another state is held stands in its place, whatever a join would say.
        let is_chosen = before.is_some_and(|row| row.is_shown());
        let proven = token.token().proven_state_hash();
        let key = proven.map_or_else(
            || DedupKey::pending(token.token().genesis_data()),
            DedupKey::State,
        );
        let state = Brought {
            root,
            instances: instances.into_iter().collect::<BTreeSet<_>>(),
            keys: vec![key, token.key().clone()],
        };
        change.bring(&token_id, &state, None, is_chosen)?;
        // It may lead to a state that was spent here under another key.
        let is_shown = change.peek(&token_id)?.is_some_and(|row| row.is_shown());
        Ok(if is_shown {
            Taken::Held
        } else {
            Taken::Refused
        })
    }
}

//! Tokens of an import, taken apart on a thread of its own while those before them are judged and committed.
//!
//! What is taken apart depends on the tokens alone, so nothing is decided here: a token that is refused was taken apart
//! for nothing. Those of a group are hashed together, which is faster than one after the other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use uxf_codec::json::Node;
use uxf_codec::token::{Deconstructor, TokenSummary};
use uxf_codec::{ElementBatch, ElementHash};

use super::Wallet;
use crate::batch::WriteBatch;
use crate::error::Error;
use crate::tables::schema::WalletRowKind;
use crate::wallet::TxfToken;

/// Tokens that are taken apart together.
pub(super) const GROUP_TOKENS: usize = 32;
/// Groups that wait to be judged.
const GROUPS_AHEAD: usize = 16;

/// Tokens that follow each other in an import, as far as they were worth taking apart.
pub(super) struct Group {
    tokens: Vec<Option<TokenSummary>>,
    elements: ElementBatch,
    places: HashMap<ElementHash, usize>,
}

/// A token of a group.
#[derive(Clone)]
pub(super) struct TakenApart {
    group: Arc<Group>,
    at: usize,
}

/// The groups of an import from the token on that is judged next. Without any, every token is taken apart in its turn.
#[derive(Default)]
pub(super) struct Ahead {
    receiver: Option<Receiver<Group>>,
    /// Those that came and may be asked for again, the number of the first of them.
    groups: VecDeque<Arc<Group>>,
    first: usize,
}

impl Ahead {
    /// Begins to take tokens apart. Where there is no thread to be had, none are.
    pub(super) fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        wallet: &'scope Wallet,
        tokens: Vec<Node<'scope>>,
    ) -> Self {
        let (sender, receiver) = sync_channel(GROUPS_AHEAD);
        let worker = Builder::new().name("uxf-import".to_owned());
        let started = worker.spawn_scoped(scope, move || take_apart(wallet, &tokens, &sender));
        Self {
            receiver: started.is_ok().then_some(receiver),
            ..Self::default()
        }
    }

    /// The token at a place of the import, which is none before those that were forgotten; `None` if it is to be taken
    /// apart in its turn.
    pub(super) fn get(&mut self, token: usize) -> Option<TakenApart> {
        let group = (token / GROUP_TOKENS).checked_sub(self.first)?;
        while self.groups.len() <= group {
            let next = self.receiver.as_ref()?.recv().ok()?;
            self.groups.push_back(Arc::new(next));
        }
        let group = Arc::clone(self.groups.get(group)?);
        let at = token % GROUP_TOKENS;
        group.tokens.get(at)?.as_ref()?;
        Some(TakenApart { group, at })
    }

    /// Forgets the groups in front of a token.
    pub(super) fn forget_before(&mut self, token: usize) {
        while self.first < token / GROUP_TOKENS && self.groups.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl TakenApart {
    /// What is noted of the token.
    pub(super) fn summary(&self) -> Option<&TokenSummary> {
        self.group.tokens.get(self.at)?.as_ref()
    }

    /// Puts the elements of the token, children before parents. Some of them may have come with a token before it.
    pub(super) fn put(&self, batch: &mut WriteBatch) -> Result<(), Error> {
        let Group {
            elements, places, ..
        } = &*self.group;
        let mut wanted = BTreeSet::new();
        let root = self.summary().map(|token| token.root);
        let mut waiting: Vec<ElementHash> = root.into_iter().collect();
        while let Some(hash) = waiting.pop() {
            if let Some(at) = places.get(&hash)
                && let Some(element) = elements.get(*at)
                && wanted.insert(*at)
            {
                waiting.extend(element.links);
            }
        }
        wanted
            .into_iter()
            .filter_map(|at| elements.get(at))
            .try_for_each(|element| batch.put_hashed(element))
    }
}

fn take_apart(wallet: &Wallet, tokens: &[Node<'_>], sender: &SyncSender<Group>) {
    let mut deconstructor = Deconstructor::new();
    for nodes in tokens.chunks(GROUP_TOKENS) {
        // Whoever judges the tokens finds the error again.
        let Ok(is_new) = new_among(wallet, nodes) else {
            return;
        };
        if sender
            .send(group_of(&mut deconstructor, nodes, &is_new))
            .is_err()
        {
            return;
        }
    }
}

/// Which tokens the wallet knows nothing of. The others are mostly there already, and then not taken apart at all.
fn new_among(wallet: &Wallet, tokens: &[Node<'_>]) -> Result<Vec<bool>, Error> {
    let snapshot = wallet.engine().snapshot()?;
    let is_new = |token: &Node<'_>| {
        let Some(token_id) = TxfToken::new(*token).and_then(|token| token.token_id()) else {
            return Ok(false);
        };
        let token_id = token_id.to_ascii_lowercase();
        let row = wallet.row(&snapshot, WalletRowKind::Token, &token_id)?;
        Ok(row.is_none())
    };
    tokens.iter().map(is_new).collect()
}

fn group_of(deconstructor: &mut Deconstructor, tokens: &[Node<'_>], is_new: &[bool]) -> Group {
    let mut elements = ElementBatch::new();
    let mut results = Vec::new();
    let new = tokens.iter().zip(is_new).filter(|(_, is_new)| **is_new);
    let taken =
        deconstructor.deconstruct_nodes(new.map(|(token, _)| *token), &mut elements, &mut results);
    if taken.is_err() {
        results.clear();
    }
    let mut results = results.into_iter();
    let tokens = is_new
        .iter()
        .map(|is_new| is_new.then(|| results.next()?.ok()).flatten())
        .collect();
    let places = elements.iter().enumerate();
    let places = places.map(|(at, element)| (element.hash, at)).collect();
    Group {
        tokens,
        elements,
        places,
    }
}

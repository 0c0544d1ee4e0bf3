//! The tokens that devices have, each at every state it was in and on a branch that contradicts its last.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;
use uxf_codec::ElementHash;
use uxf_codec::package::{Package, Timestamp};

/// Tokens of a simulation.
pub(super) const TOKENS: usize = 8;

/// A state of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct State {
    /// Which token.
    pub(super) token: usize,
    /// After how many transfers.
    pub(super) at: usize,
    /// Whether the last of them went another way.
    pub(super) is_forked: bool,
}

impl State {
    /// Whether this state is the other one or came out of it.
    pub(super) fn has_been(self, other: Self) -> bool {
        let is_shared = !other.is_forked && other.at < self.at;
        self.token == other.token && (self == other || is_shared)
    }
}

/// All that can be known of tokens.
#[derive(Debug)]
pub(super) struct Material {
    states: Vec<(State, String)>,
    roots: HashMap<State, ElementHash>,
    by_root: HashMap<ElementHash, State>,
    ids: Vec<String>,
}

pub(super) static MATERIAL: LazyLock<Material> =
    LazyLock::new(|| Material::new().unwrap_or_default());

impl Default for Material {
    /// Nothing, with which every simulation fails.
    fn default() -> Self {
        Self {
            states: Vec::new(),
            roots: HashMap::new(),
            by_root: HashMap::new(),
            ids: Vec::new(),
        }
    }
}

impl Material {
    fn new() -> Option<Self> {
        let mut material = Self::default();
        let newest = uxf_testkit::Wallet::new(400)
            .filter_map(|json| serde_json::from_str::<Value>(&json).ok())
            .filter(|token| transfers(token) > 0);
        for (number, token) in newest.take(TOKENS).enumerate() {
            let id = token.pointer("/genesis/data/tokenId")?.as_str()?;
            material.ids.push(id.to_owned());
            let last = transfers(&token);
            for at in 0..=last {
                material.add(number, at, false, &earlier(&token, at)?)?;
            }
            material.add(number, last, true, &forked(&token)?)?;
        }
        Some(material)
    }

    fn add(&mut self, token: usize, at: usize, is_forked: bool, json: &Value) -> Option<()> {
        let state = State {
            token,
            at,
            is_forked,
        };
        let json = json.to_string();
        let mut package = Package::default();
        let now = Timestamp::from_secs(1);
        package.ingest(json.as_bytes(), now).ok()?;
        let root = package.root(self.ids.get(token)?)?;
        self.states.push((state, json));
        self.roots.insert(state, root);
        self.by_root.insert(root, state);
        Some(())
    }

    /// All states and their JSON.
    pub(super) fn states(&self) -> &[(State, String)] {
        &self.states
    }

    pub(super) fn root(&self, state: State) -> Result<ElementHash, String> {
        let root = self.roots.get(&state).copied();
        root.ok_or_else(|| format!("no such state {state:?}"))
    }

    pub(super) fn state(&self, root: &ElementHash) -> Result<State, String> {
        let state = self.by_root.get(root).copied();
        state.ok_or_else(|| format!("a root that nobody made: {root}"))
    }

    pub(super) fn id(&self, token: usize) -> &str {
        self.ids.get(token).map_or("", String::as_str)
    }
}

fn transfers(token: &Value) -> usize {
    let transfers = token.get("transactions").and_then(Value::as_array);
    transfers.map_or(0, Vec::len)
}

/// The token as it was after so many transfers.
fn earlier(token: &Value, at: usize) -> Option<Value> {
    let mut token = token.clone();
    let transfers = token.get_mut("transactions")?.as_array_mut()?;
    let next = transfers.get(at);
    let state = next
        .and_then(|next| next.pointer("/data/sourceState"))
        .cloned();
    transfers.truncate(at);
    if let Some(state) = state {
        *token.get_mut("state")? = state;
    }
    Some(token)
}

/// The token with its last transfer gone another way.
fn forked(token: &Value) -> Option<Value> {
    let mut token = token.clone();
    let last = token.get_mut("transactions")?.as_array_mut()?.last_mut()?;
    *last.pointer_mut("/data/salt")? = "ab".repeat(32).into();
    let hash = format!("0000{}", "cd".repeat(32));
    *last.pointer_mut("/inclusionProof/authenticator/stateHash")? = hash.into();
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_every_token_is_there_under_a_root_of_its_own() {
        assert_eq!(MATERIAL.ids.len(), TOKENS);
        assert_eq!(MATERIAL.by_root.len(), MATERIAL.states.len());
        for token in 0..TOKENS {
            let states = MATERIAL.states.iter().map(|(state, _)| *state);
            let states: Vec<_> = states.filter(|state| state.token == token).collect();
            let newest = states[states.len() - 2];
            let forked = states[states.len() - 1];
            assert!(!newest.has_been(forked) && !forked.has_been(newest));
            let before = &states[..states.len() - 2];
            assert!(!before.is_empty());
            assert!(
                before
                    .iter()
                    .all(|state| newest.has_been(*state) && forked.has_been(*state))
            );
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Merge;
use super::json::{Ranked, RowError, canonical_text};
use super::text::JsText;

/// Which of two states of one device is the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// What was loaded last.
    Baseline,
    /// What is about to be saved.
    Current,
}

/// The nine lists beside the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the lists")]
pub enum OpStateList {
    Tombstones,
    Outbox,
    Sent,
    Invalid,
    History,
    MintOutbox,
    Audit,
    FinalizationQueue,
    InvalidatedNametags,
}

impl OpStateList {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Tombstones,
        Self::Outbox,
        Self::Sent,
        Self::Invalid,
        Self::History,
        Self::MintOutbox,
        Self::Audit,
        Self::FinalizationQueue,
        Self::InvalidatedNametags,
    ];

    /// The name in a token file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tombstones => "tombstones",
            Self::Outbox => "outbox",
            Self::Sent => "sent",
            Self::Invalid => "invalid",
            Self::History => "history",
            Self::MintOutbox => "mintOutbox",
            Self::Audit => "audit",
            Self::FinalizationQueue => "finalizationQueue",
            Self::InvalidatedNametags => "invalidatedNametags",
        }
    }

    /// The field that names an element. Elements without it are named by their JSON text.
    const fn id_field(self) -> &'static str {
        match self {
            Self::Outbox | Self::Sent | Self::Audit | Self::FinalizationQueue => "id",
            Self::Tombstones
            | Self::Invalid
            | Self::History
            | Self::MintOutbox
            | Self::InvalidatedNametags => "tokenId",
        }
    }
}

/// Place of an element: generation, then number in its list.
type Place = (Generation, usize);

/// Elements with an id come before those without.
type Name = (bool, JsText);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Element {
    /// Where it was first: its place in the result.
    first: Place,
    /// Where its value is from: the newest place.
    newest: Place,
    value: Ranked,
}

impl Merge for Element {
    fn merge(self, other: Self) -> Self {
        let first = self.first.min(other.first);
        let newest = if (self.newest, &self.value) >= (other.newest, &other.value) {
            self
        } else {
            other
        };
        Self { first, ..newest }
    }
}

/// The lists beside the tokens, of one generation or of two joined, with which a save repairs what it would lose
/// (profile notes, section 4.5).
///
/// "The current one wins" is no join between equals, so every element says which generation it is from: the newer one
/// counts, and then it does not matter in which order states are put together. An outbox entry whose id is in the sent
/// ledger is left out when the lists are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpState(BTreeMap<OpStateList, BTreeMap<Name, Element>>);

impl Merge for OpState {
    fn merge(mut self, other: Self) -> Self {
        for (list, elements) in other.0 {
            let mine = self.0.entry(list).or_default();
            for (name, element) in elements {
                let element = match mine.remove(&name) {
                    Some(known) => known.merge(element),
                    None => element,
                };
                mine.insert(name, element);
            }
        }
        self
    }
}

impl OpState {
    /// Reads the lists of one generation. A list that is absent is empty.
    ///
    /// # Errors
    /// [`RowError::Field`] if one of them is no array.
    pub fn read(lists: &Map<String, Value>, generation: Generation) -> Result<Self, RowError> {
        let mut state = Self::default();
        for list in OpStateList::ALL {
            let Some(items) = lists.get(list.as_str()) else {
                continue;
            };
            let items = items.as_array().ok_or(RowError::Field {
                field: list.as_str(),
            })?;
            let elements = state.0.entry(list).or_default();
            for (index, item) in items.iter().enumerate() {
                let place = (generation, index);
                let element = Element {
                    first: place,
                    newest: place,
                    value: Ranked::new(item.clone()),
                };
                let name = name_of(list, item);
                let element = match elements.remove(&name) {
                    Some(known) => Element::merge(known, element),
                    None => element,
                };
                elements.insert(name, element);
            }
        }
        Ok(state)
    }

    /// A list, in the reference's order: elements with an id first, then the others; older generation first.
    pub fn list(&self, list: OpStateList) -> Vec<&Value> {
        let sent = self.ids_sent();
        let elements = self.ordered(list).into_iter();
        let left_out = |name: &Name| list == OpStateList::Outbox && sent.contains(name);
        elements
            .filter(|(name, _)| !left_out(name))
            .map(|(_, element)| element.value.value())
            .collect()
    }

    /// Ids of the outbox entries that are left out because they were sent.
    pub fn dropped_outbox_ids(&self) -> Vec<&str> {
        let sent = self.ids_sent();
        let elements = self.ordered(OpStateList::Outbox).into_iter();
        elements
            .filter(|(name, _)| sent.contains(name))
            .map(|((_, id), _)| id.as_str())
            .collect()
    }

    fn ids_sent(&self) -> BTreeSet<&Name> {
        let sent = self.0.get(&OpStateList::Sent);
        sent.into_iter()
            .flat_map(BTreeMap::keys)
            .filter(|(has_no_id, _)| !has_no_id)
            .collect()
    }

    fn ordered(&self, list: OpStateList) -> Vec<(&Name, &Element)> {
        let mut elements: Vec<_> = self.0.get(&list).into_iter().flatten().collect();
        elements.sort_by_key(|(name, element)| (name.0, element.first));
        elements
    }
}

fn name_of(list: OpStateList, item: &Value) -> Name {
    match item.get(list.id_field()).and_then(Value::as_str) {
        Some(id) if !id.is_empty() => (false, id.into()),
        _ => (true, canonical_text(item).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn states() -> impl Strategy<Value = OpState> {
        let item = (proptest::option::of("[a-c]"), 0_u8..3);
        let lists = proptest::collection::vec((0_usize..9, item), 0..8);
        (lists, any::<bool>()).prop_map(|(items, is_current)| {
            let mut lists = Map::new();
            for (list, (id, n)) in items {
                let list = OpStateList::ALL[list];
                let items = lists.entry(list.as_str()).or_insert_with(|| json!([]));
                let item = match id {
                    Some(id) => json!({ list.id_field(): id, "n": n }),
                    None => json!({ "n": n }),
                };
                items.as_array_mut().unwrap().push(item);
            }
            let generation = if is_current {
                Generation::Current
            } else {
                Generation::Baseline
            };
            OpState::read(&lists, generation).unwrap()
        })
    }

    proptest! {
        #[test]
        fn operational_states_obey_the_laws(a in states(), b in states(), c in states()) {
            laws::hold(&a, &b, &c);
        }
    }

    #[test]
    fn an_outbox_entry_that_was_sent_is_left_out_and_named() {
        let lists = json!({ "outbox": [{ "id": "a" }, { "id": "b" }, { "n": 1 }], "sent": [{ "id": "a" }, { "n": 1 }] });
        let state = OpState::read(lists.as_object().unwrap(), Generation::Current).unwrap();
        assert_eq!(
            state.list(OpStateList::Outbox),
            [&json!({ "id": "b" }), &json!({ "n": 1 })]
        );
        assert_eq!(state.dropped_outbox_ids(), ["a"]);
    }
}

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Merge;
use super::json::{Ranked, RowError, canonical_text, parse_object, parse_row, whole_number};
use super::text::JsText;

/// What joining a remote list into the local one came to, counted as the reference counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobOutcome {
    /// The result differs from what was there.
    Landed,
    /// Nothing new came.
    LocalWon,
    /// The remote list has an element that is none; all of it is rejected and the local one stays.
    RejectedMalformed,
}

impl BlobOutcome {
    /// What became of a list.
    pub(super) fn of<T: PartialEq>(local: &T, merged: &T) -> Self {
        if local == merged {
            Self::LocalWon
        } else {
            Self::Landed
        }
    }
}

/// A set of texts, as one JSON array: ids seen, invoices closed, name-tags invalidated. Only ever grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextSet(BTreeSet<JsText>);

impl TextSet {
    /// Reads a JSON array of texts.
    ///
    /// # Errors
    /// [`RowError`]; one element that is no text rejects the whole list.
    pub fn parse(text: &str) -> Result<Self, RowError> {
        Self::from_json(&parse_row(text)?)
    }

    /// Reads a JSON array of texts.
    ///
    /// # Errors
    /// [`RowError::Field`].
    pub fn from_json(value: &Value) -> Result<Self, RowError> {
        let items = value.as_array().ok_or(RowError::Field { field: "list" })?;
        let texts = items.iter().map(|item| item.as_str().map(JsText::from));
        let texts = texts.collect::<Option<_>>().ok_or(RowError::Field {
            field: "list element",
        })?;
        Ok(Self(texts))
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(JsText::as_str)
    }

    /// The JSON array, in order. Equal sets have equal text.
    pub fn format(&self) -> String {
        canonical_text(&self.iter().map(Value::from).collect())
    }
}

impl Merge for TextSet {
    fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// The union of two `audit_promoted_from` lists: sorted, without empty texts; `None` only if neither side has a list.
///
/// ```
/// use uxf_engine::profile::merge::promoted_from;
///
/// assert_eq!(promoted_from(Some(&["b", ""]), Some(&["B", "b"])), Some(vec!["B".into(), "b".into()]));
/// assert_eq!(promoted_from(None, None), None);
/// ```
pub fn promoted_from(a: Option<&[&str]>, b: Option<&[&str]>) -> Option<Vec<String>> {
    if a.is_none() && b.is_none() {
        return None;
    }
    let all = a
        .into_iter()
        .chain(b)
        .flatten()
        .filter(|text| !text.is_empty());
    let sorted: BTreeSet<JsText> = all.map(|text| JsText::from(*text)).collect();
    Some(sorted.into_iter().map(String::from).collect())
}

/// Spent states: token id and state hash, with the earliest time each was reported. The one place that keeps a token
/// which was sent away from coming back.
///
/// A set has no order and no duplicates. The reference keeps the order of arrival and the local list's duplicates,
/// so two of its devices never hold equal lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpentSet(BTreeMap<(JsText, JsText), u64>);

impl SpentSet {
    /// Reads a JSON array of `{tokenId, stateHash, timestamp}`.
    ///
    /// # Errors
    /// [`RowError`]; one element that is none rejects the whole list.
    pub fn parse(text: &str) -> Result<Self, RowError> {
        Self::from_json(&parse_row(text)?)
    }

    /// Reads a JSON array of `{tokenId, stateHash, timestamp}`.
    ///
    /// # Errors
    /// [`RowError::Field`].
    pub fn from_json(value: &Value) -> Result<Self, RowError> {
        let items = value.as_array().ok_or(RowError::Field { field: "list" })?;
        let mut set = Self::default();
        for item in items {
            let text = |field: &'static str| {
                let text = item
                    .get(field)
                    .and_then(Value::as_str)
                    .filter(|text| !text.is_empty());
                text.map(JsText::from).ok_or(RowError::Field { field })
            };
            let time = item.get("timestamp").and_then(whole_number);
            let time = time.ok_or(RowError::Field { field: "timestamp" })?;
            set.insert((text("tokenId")?, text("stateHash")?), time);
        }
        Ok(set)
    }

    fn insert(&mut self, state: (JsText, JsText), time: u64) {
        let earliest = self.0.entry(state).or_insert(time);
        *earliest = time.min(*earliest);
    }

    /// Notes a state as spent at a time in milliseconds. The earliest of several counts.
    ///
    /// ```
    /// use uxf_engine::profile::merge::SpentSet;
    ///
    /// let mut spent = SpentSet::default();
    /// spent.add("t", "s", 9);
    /// spent.add("t", "s", 5);
    /// assert_eq!(spent.format(), r#"[{"stateHash":"s","timestamp":5,"tokenId":"t"}]"#);
    /// ```
    pub fn add(&mut self, token_id: &str, state_hash: &str, time: u64) {
        self.insert((token_id.into(), state_hash.into()), time);
    }

    /// Whether this state of the token was spent.
    pub fn contains(&self, token_id: &str, state_hash: &str) -> bool {
        self.time_of(token_id, state_hash).is_some()
    }

    /// The earliest time, in milliseconds, that this state of the token is known to be spent since.
    pub fn time_of(&self, token_id: &str, state_hash: &str) -> Option<u64> {
        let state = (token_id.into(), state_hash.into());
        self.0.get(&state).copied()
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Token id, state hash and earliest time in milliseconds, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.0
            .iter()
            .map(|((token_id, state_hash), time)| (token_id.as_str(), state_hash.as_str(), *time))
    }

    /// Joins a list that came from elsewhere. A malformed one changes nothing.
    pub fn join_remote(&mut self, remote: &Value) -> BlobOutcome {
        let Ok(remote) = Self::from_json(remote) else {
            return BlobOutcome::RejectedMalformed;
        };
        let merged = self.clone().merge(remote);
        let outcome = BlobOutcome::of(self, &merged);
        *self = merged;
        outcome
    }

    /// The JSON array, in order. Equal sets have equal text.
    pub fn format(&self) -> String {
        let items = self.iter().map(|(token_id, state_hash, time)| {
            serde_json::json!({ "tokenId": token_id, "stateHash": state_hash, "timestamp": time })
        });
        canonical_text(&items.collect())
    }
}

impl Merge for SpentSet {
    fn merge(mut self, other: Self) -> Self {
        for (state, time) in other.0 {
            self.insert(state, time);
        }
        self
    }
}

impl TextSet {
    /// Joins a list that came from elsewhere. A malformed one changes nothing.
    pub fn join_remote(&mut self, remote: &Value) -> BlobOutcome {
        let Ok(remote) = Self::from_json(remote) else {
            return BlobOutcome::RejectedMalformed;
        };
        let merged = self.clone().merge(remote);
        let outcome = BlobOutcome::of(self, &merged);
        *self = merged;
        outcome
    }
}

/// A ledger: a JSON object whose entries are written once, under ids that no two devices share.
///
/// Entries of both sides are kept. Should one id have two values all the same, the greater one counts: numbers by
/// size, then text, then anything else by its canonical text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<String, Ranked>);

impl Ledger {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn parse(text: &str) -> Result<Self, RowError> {
        let entries = parse_object(text)?.into_iter();
        Ok(Self(
            entries
                .map(|(id, value)| (id, Ranked::new(value)))
                .collect(),
        ))
    }

    /// The JSON object. Equal ledgers have equal text.
    pub fn format(&self) -> String {
        let entries = self
            .0
            .iter()
            .map(|(id, value)| (id.clone(), value.value().clone()));
        canonical_text(&Value::Object(entries.collect::<Map<_, _>>()))
    }
}

impl Merge for Ledger {
    fn merge(mut self, other: Self) -> Self {
        for (id, value) in other.0 {
            let value = match self.0.remove(&id) {
                Some(mine) => mine.max(value),
                None => value,
            };
            self.0.insert(id, value);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn spent() -> impl Strategy<Value = SpentSet> {
        let state = ("[ab]", "[xy]", 0_u64..5);
        proptest::collection::vec(state, 0..5).prop_map(|states| {
            let mut set = SpentSet::default();
            for (token_id, state_hash, time) in states {
                set.insert((token_id.into(), state_hash.into()), time);
            }
            set
        })
    }

    fn texts() -> impl Strategy<Value = TextSet> {
        proptest::collection::btree_set("[a-d]", 0..4)
            .prop_map(|texts| TextSet(texts.into_iter().map(JsText::from).collect()))
    }

    fn ledgers() -> impl Strategy<Value = Ledger> {
        proptest::collection::btree_map("[a-c]", 0_u64..3, 0..3).prop_map(|entries| {
            Ledger(
                entries
                    .into_iter()
                    .map(|(id, value)| (id, Ranked::new(value.into())))
                    .collect(),
            )
        })
    }

    proptest! {
        #[test]
        fn spent_sets_obey_the_laws(a in spent(), b in spent(), c in spent()) {
            laws::hold(&a, &b, &c);
            prop_assert_eq!(SpentSet::parse(&a.format()), Ok(a));
        }

        #[test]
        fn text_sets_obey_the_laws(a in texts(), b in texts(), c in texts()) {
            laws::hold(&a, &b, &c);
            prop_assert_eq!(TextSet::parse(&a.format()), Ok(a));
        }

        #[test]
        fn ledgers_obey_the_laws(a in ledgers(), b in ledgers(), c in ledgers()) {
            laws::hold(&a, &b, &c);
            prop_assert_eq!(Ledger::parse(&a.format()), Ok(a));
        }

        #[test]
        fn promoted_from_obeys_the_laws(lists in proptest::array::uniform3(proptest::option::of(proptest::collection::vec("[a-cB]?", 0..4)))) {
            let join = |a: &Option<Vec<String>>, b: &Option<Vec<String>>| {
                let refs = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.iter().map(|text| (*text.clone()).to_owned()).collect::<Vec<_>>());
                let (a, b) = (refs(a), refs(b));
                let (a, b): (Option<Vec<&str>>, Option<Vec<&str>>) = (
                    a.as_ref().map(|list| list.iter().map(String::as_str).collect()),
                    b.as_ref().map(|list| list.iter().map(String::as_str).collect()),
                );
                promoted_from(a.as_deref(), b.as_deref())
            };
            let [a, b, c] = &lists;
            prop_assert_eq!(join(a, b), join(b, a));
            prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)));
            let normal = join(a, &None);
            prop_assert_eq!(join(&normal, &normal), normal);
        }
    }

    #[test]
    fn one_malformed_tombstone_rejects_the_whole_list() {
        let mut set = SpentSet::default();
        let good = json!({ "tokenId": "t", "stateHash": "s", "timestamp": 5 });
        assert_eq!(
            set.join_remote(&json!([good, { "tokenId": "t" }])),
            BlobOutcome::RejectedMalformed
        );
        assert_eq!(set, SpentSet::default());
        assert_eq!(set.join_remote(&json!([good])), BlobOutcome::Landed);
        assert_eq!(set.join_remote(&json!([good])), BlobOutcome::LocalWon);
        assert!(set.contains("t", "s"));
        assert!(!set.contains("t", "s2"));
    }
}

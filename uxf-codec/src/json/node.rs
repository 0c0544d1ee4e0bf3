use core::fmt;
use std::borrow::Cow;

use indexmap::IndexMap;

use super::number::array_index;
use super::tape::Entry;
use super::text::unescape;
use crate::canonical::{Value, number};
use crate::error::Error;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value on a [`Tape`](super::Tape).
#[derive(Clone, Copy)]
pub struct Node<'t> {
    entries: &'t [Entry],
    text: &'t str,
    /// A copy of the entry, so that reading it again needs no check of bounds.
    entry: Entry,
    at: u32,
}

impl<'t> Node<'t> {
    pub(super) fn root(entries: &'t [Entry], text: &'t str) -> Self {
        let nothing = Entry {
            start: 0,
            end: 0,
            next: 1,
            kind: Kind::Null,
            escaped: false,
        };
        Self {
            entries,
            text,
            entry: entries.first().copied().unwrap_or(nothing),
            at: 0,
        }
    }

    fn node(&self, at: u32) -> Option<Self> {
        let entry = *self.entries.get(at as usize)?;
        Some(Self { entry, at, ..*self })
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.entry.kind
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.entry.kind == Kind::Null
    }

    /// Which value of the text this is: two nodes of one text are the same value if this is the same.
    pub(crate) const fn position(&self) -> u32 {
        self.at
    }

    /// The bytes it stands in, quotes and brackets included.
    pub fn raw(&self) -> &'t str {
        let (start, end) = (self.entry.start as usize, self.entry.end as usize);
        let range = if self.entry.kind == Kind::Text {
            start - 1..end + 1
        } else {
            start..end
        };
        self.text.get(range).unwrap_or_default()
    }

    /// True or false, if it is one of them.
    pub fn as_bool(&self) -> Option<bool> {
        (self.entry.kind == Kind::Bool).then(|| self.raw() == "true")
    }

    /// The number, if it is one; infinite if it is beyond the range of a 64-bit float.
    pub fn as_number(&self) -> Option<f64> {
        match self.entry.kind {
            Kind::Number => self.raw().parse().ok(),
            _ => None,
        }
    }

    /// The text, if it is one, borrowed unless it holds escapes.
    pub fn as_text(&self) -> Option<Cow<'t, str>> {
        if self.entry.kind != Kind::Text {
            return None;
        }
        let content = self.content();
        Some(if self.entry.escaped {
            unescape(content)
        } else {
            Cow::Borrowed(content)
        })
    }

    /// What stands between the quotes, if it is a text without escapes.
    pub(crate) fn as_plain_text(&self) -> Option<&'t str> {
        (self.entry.kind == Kind::Text && !self.entry.escaped).then(|| self.content())
    }

    fn content(&self) -> &'t str {
        self.text
            .get(self.entry.start as usize..self.entry.end as usize)
            .unwrap_or_default()
    }

    /// Number of items of an array or of distinct keys of an object; 0 for anything else.
    pub fn len(&self) -> usize {
        match self.entry.kind {
            Kind::Array => self.items().count(),
            Kind::Object => self.entries().len(),
            _ => 0,
        }
    }

    /// Whether [`Node::len`] is 0.
    pub fn is_empty(&self) -> bool {
        self.entry.next == self.at + 1
    }

    /// The items of an array in order; nothing for anything else.
    pub fn items(&self) -> impl Iterator<Item = Self> + use<'t> {
        let whole = *self;
        let end = match self.entry.kind {
            Kind::Array => self.entry.next,
            _ => 0,
        };
        let mut at = self.at + 1;
        core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let item = whole.node(at)?;
            at = item.entry.next;
            Some(item)
        })
    }

    /// Keys and values of an object as they stand in the text, repeats included; nothing for anything else.
    fn pairs(&self) -> impl Iterator<Item = (Self, Self)> + use<'t> {
        let whole = *self;
        let end = match self.entry.kind {
            Kind::Object => self.entry.next,
            _ => 0,
        };
        let mut at = self.at + 1;
        core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let key = whole.node(at)?;
            let value = whole.node(at + 1)?;
            at = value.entry.next;
            Some((key, value))
        })
    }

    /// The value under a key of an object; the last of several wins. `None` for anything that is no object.
    ///
    /// Looks at every key, so for many keys of a large object use [`Node::entries`].
    pub fn get(&self, key: &str) -> Option<Self> {
        let [value] = self.fields([key]);
        value
    }

    /// The values under several keys in one pass, fastest if the keys are given in the order of the text.
    pub(crate) fn fields<const N: usize>(&self, keys: [&str; N]) -> [Option<Self>; N] {
        let mut values = [None; N];
        let mut likely = 0;
        for (key, value) in self.pairs() {
            let place = if key.entry.escaped {
                let key = unescape(key.content());
                keys.iter().position(|wanted| **wanted == *key)
            } else {
                place_of(&keys, key.content(), likely)
            };
            if let Some(place) = place
                && let Some(slot) = values.get_mut(place)
            {
                *slot = Some(value);
                likely = place + 1;
            }
        }
        values
    }

    /// Keys and values of an object in the order in which the reference's language lists them: keys that look like
    /// array indexes first, ascending, then the others in the order in which they first stand. The last value of a
    /// repeated key wins. Nothing for anything that is no object.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (Cow<'t, str>, Self)> + use<'t> {
        let mut entries = IndexMap::new();
        for (key, value) in self.pairs() {
            entries.insert(key.as_text().unwrap_or_default(), value);
        }
        if entries.keys().any(|key| array_index(key).is_some()) {
            entries.sort_by_cached_key(|key, _| array_index(key).map_or(u64::MAX, u64::from));
        }
        entries.into_iter()
    }

    /// The value as DAG-CBOR would hold it: safe integers as integers, other numbers as floats.
    ///
    /// # Errors
    /// [`Error::MalformedField`] for a number beyond the range of a 64-bit float, which has no encoding.
    pub fn to_value(&self) -> Result<Value, Error> {
        Ok(match self.entry.kind {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(self.as_bool() == Some(true)),
            Kind::Number => match self.as_number() {
                Some(float) if float.is_finite() => number(float),
                _ => return Err(out_of_range()),
            },
            Kind::Text => Value::Text(self.as_text().unwrap_or_default().into_owned()),
            Kind::Array => Value::List(
                self.items()
                    .map(|item| item.to_value())
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Object => Value::Map(
                self.entries()
                    .map(|(key, value)| Ok((key.into_owned(), value.to_value()?)))
                    .collect::<Result<_, Error>>()?,
            ),
        })
    }
}

#[cold]
pub(crate) fn out_of_range() -> Error {
    Error::MalformedField {
        field: String::new(),
        reason: "a number beyond the range of a 64-bit float",
    }
}

fn place_of<const N: usize>(keys: &[&str; N], key: &str, likely: usize) -> Option<usize> {
    if keys.get(likely).is_some_and(|wanted| *wanted == key) {
        return Some(likely);
    }
    keys.iter().position(|wanted| *wanted == key)
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("kind", &self.entry.kind)
            .field("start", &self.entry.start)
            .field("end", &self.entry.end)
            .finish_non_exhaustive()
    }
}

use super::{ElementHash, ElementType, Header};
use crate::canonical::Value;

/// An element in its memory form, as UXF JSON shows it and as callers build new instances.
///
/// Byte fields are hex text (or an empty text, or null), links are hashes, and the order of keys is kept.
/// This is the form for the few places that need every field by name; the hot paths work on canonical bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Versions, kind, predecessor.
    pub header: Header,
    /// What it is.
    pub element_type: ElementType,
    /// Scalars by name.
    pub content: Vec<(String, Value)>,
    /// Links by role.
    pub children: Vec<(String, Child)>,
}

/// What stands in a child role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child {
    /// Nothing: the role is there and null.
    Absent,
    /// One element.
    One(ElementHash),
    /// Several, in order.
    Many(Vec<ElementHash>),
}

impl Child {
    /// The hashes in this role, in order.
    pub fn hashes(&self) -> &[ElementHash] {
        match self {
            Self::Absent => &[],
            Self::One(hash) => core::slice::from_ref(hash),
            Self::Many(hashes) => hashes,
        }
    }
}

impl Element {
    /// What stands in a role; `None` if the element does not have the role at all.
    pub fn child(&self, role: &str) -> Option<&Child> {
        self.children
            .iter()
            .find(|(name, _)| name == role)
            .map(|(_, child)| child)
    }

    /// A field of the content; `None` if the element does not have it.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.content
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

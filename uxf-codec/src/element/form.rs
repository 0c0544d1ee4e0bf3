/// How the reference implementation would hold an element in memory.
///
/// The canonical bytes decide what an element is. The reference however keeps objects, and two things about them
/// show in its exports though not in the hash: the order of keys, and whether "no value" of a byte field was `null`
/// or an empty text. Carrying these few bits along makes JSON and CAR exports byte for byte those of the
/// reference. Format notes, sections 4.2, 6, 8 and 11.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MemoryForm {
    /// Which order the keys of content and children have.
    pub order: KeyOrder,
    /// Bit `i` is set when the `i`-th field of [`ElementType::byte_fields`](super::ElementType::byte_fields) has no
    /// value and is held as an empty text instead of `null`.
    pub empty_text: u8,
}

/// The order of an element's keys in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KeyOrder {
    /// The order of the encoding: what comes out of a CAR or out of a store that keeps canonical bytes only.
    #[default]
    Canonical,
    /// The order in which deconstruction builds elements:
    /// [`ElementType::content_order`](super::ElementType::content_order) and
    /// [`ElementType::child_order`](super::ElementType::child_order).
    Ingested,
}

impl MemoryForm {
    /// Canonical order, every absent value `null`.
    pub const CANONICAL: Self = Self {
        order: KeyOrder::Canonical,
        empty_text: 0,
    };

    /// The form of a freshly deconstructed element.
    pub const fn ingested(empty_text: u8) -> Self {
        Self {
            order: KeyOrder::Ingested,
            empty_text,
        }
    }

    /// Whether the byte field with this position is held as an empty text.
    pub const fn is_empty_text(self, byte_field: usize) -> bool {
        byte_field < 8 && self.empty_text & (1 << byte_field) != 0
    }
}

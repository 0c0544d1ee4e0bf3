use crate::canonical::Writer;
use crate::element::{ElementHash, ElementSink, ElementType, MemoryForm, NewElement};
use crate::error::Error;

/// Builds the elements of one or more tokens, one behind the other, in buffers that stay.
///
/// Elements of ingestion all begin alike, and their keys are known: what is the same every time is copied as literal
/// bytes in canonical order. Hashes are left open until [`Encoder::flush`], which hashes everything that depends on
/// nothing else in one go, fills the hashes into the parents, hashes those, and so on: many inputs at once are hashed
/// several times faster than one after the other.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    pub(super) bytes: Vec<u8>,
    drafts: Vec<Draft>,
    /// Where hashes are to be filled in, in the order of the drafts.
    holes: Vec<Hole>,
    /// Of every draft, once it is known.
    hashes: Vec<ElementHash>,
    /// How many levels of elements stand below the one being built.
    level: u32,
    order: Vec<Place>,
    level_hashes: Vec<ElementHash>,
    links: Vec<ElementHash>,
}

/// The place of an element among those that are not yet handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

impl Place {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Draft {
    element_type: ElementType,
    empty_text: u8,
    /// Whether its hash was known from the beginning.
    is_known: bool,
    level: u32,
    bytes_end: usize,
    holes_end: usize,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    at: usize,
    child: Place,
}

/// Where the buffers ended before a token, to go back to if it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    bytes: usize,
    pub(super) drafts: usize,
    holes: usize,
}

/// Up to the value of `content`; the type stands at [`TYPE_AT`].
const BEGINNING: [u8; 34] = *b"\xa4\x64type\x00\x66header\x84\x01\x01\x67default\xf6\x67content";
const TYPE_AT: usize = 6;
const NO_HASH: ElementHash = ElementHash::from_bytes([0; 32]);

impl Encoder {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            drafts: self.drafts.len(),
            holes: self.holes.len(),
        }
    }

    /// Forgets what was built after the mark.
    pub(super) fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.drafts.truncate(mark.drafts);
        self.hashes.truncate(mark.drafts);
        self.holes.truncate(mark.holes);
    }

    /// Canonical bytes that wait for [`Encoder::flush`].
    pub(super) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Begins an element up to the map of its content, whose size and entries come next.
    pub(super) fn begin(&mut self, element_type: ElementType) -> &mut Self {
        let mut beginning = BEGINNING;
        beginning[TYPE_AT] = element_type.id();
        self.level = 0;
        self.bytes.extend_from_slice(&beginning);
        self
    }

    /// Bytes that are the same in every element of this kind.
    pub(super) fn literal(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A child or its absence.
    pub(super) fn child(&mut self, child: Option<Place>) -> &mut Self {
        match child {
            Some(child) => {
                Writer::new(&mut self.bytes).link(&NO_HASH);
                self.leave_hole(child);
            }
            None => Writer::new(&mut self.bytes).null(),
        }
        self
    }

    /// A role of several children.
    pub(super) fn children(&mut self, children: &[Place]) -> &mut Self {
        Writer::new(&mut self.bytes).array(children.len());
        for child in children {
            self.child(Some(*child));
        }
        self
    }

    /// Name-tag references: bytes, not links.
    pub(super) fn references(&mut self, roots: &[Place]) -> &mut Self {
        Writer::new(&mut self.bytes).array(roots.len());
        for root in roots {
            Writer::new(&mut self.bytes).bytes(NO_HASH.as_bytes());
            self.leave_hole(*root);
        }
        self
    }

    /// The hash just written is that of `child`.
    fn leave_hole(&mut self, child: Place) {
        let below = self
            .drafts
            .get(child.index())
            .map_or(0, |child| child.level);
        self.level = self.level.max(below + 1);
        self.holes.push(Hole {
            at: self.bytes.len() - ElementHash::LEN,
            child,
        });
    }

    /// Ends an element.
    pub(super) fn finish(&mut self, element_type: ElementType, empty_text: u8) -> Place {
        self.push(element_type, empty_text, None)
    }

    /// Adds an element that has been built and hashed before.
    pub(super) fn add_known(
        &mut self,
        element_type: ElementType,
        bytes: &[u8],
        hash: ElementHash,
    ) -> Place {
        self.level = 0;
        self.bytes.extend_from_slice(bytes);
        self.push(element_type, 0, Some(hash))
    }

    fn push(
        &mut self,
        element_type: ElementType,
        empty_text: u8,
        hash: Option<ElementHash>,
    ) -> Place {
        // An element takes dozens of bytes of a text that has less than 2^32.
        let place = Place(u32::try_from(self.drafts.len()).unwrap_or(u32::MAX));
        self.drafts.push(Draft {
            element_type,
            empty_text,
            is_known: hash.is_some(),
            level: self.level,
            bytes_end: self.bytes.len(),
            holes_end: self.holes.len(),
        });
        self.hashes.push(hash.unwrap_or(NO_HASH));
        place
    }

    /// Canonical bytes of an element; its holes are filled only by [`Encoder::flush`].
    pub(super) fn element(&self, place: Place) -> &[u8] {
        let (start, _) = self.ends_before(place);
        let end = self
            .drafts
            .get(place.index())
            .map_or(start, |draft| draft.bytes_end);
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn ends_before(&self, place: Place) -> (usize, usize) {
        place
            .index()
            .checked_sub(1)
            .and_then(|before| self.drafts.get(before))
            .map_or((0, 0), |draft| (draft.bytes_end, draft.holes_end))
    }

    fn holes_of(&self, place: Place) -> &[Hole] {
        let (_, start) = self.ends_before(place);
        let end = self
            .drafts
            .get(place.index())
            .map_or(start, |draft| draft.holes_end);
        self.holes.get(start..end).unwrap_or_default()
    }

    /// The hash of an element, known once [`Encoder::hash_all`] is through.
    pub(super) fn hash(&self, place: Place) -> ElementHash {
        self.hashes.get(place.index()).copied().unwrap_or(NO_HASH)
    }

    /// Hashes all elements, children before parents.
    pub(super) fn hash_all(&mut self) {
        let drafts = &self.drafts;
        let level_of = |place: &Place| drafts.get(place.index()).map_or(0, |draft| draft.level);
        let mut order = core::mem::take(&mut self.order);
        order.clear();
        order.extend(
            (0u32..)
                .zip(drafts)
                .filter(|(_, draft)| !draft.is_known)
                .map(|(place, _)| Place(place)),
        );
        order.sort_unstable_by_key(|place| (level_of(place), *place));
        let mut rest = order.as_slice();
        while let Some(first) = rest.first() {
            let level = self
                .drafts
                .get(first.index())
                .map_or(0, |draft| draft.level);
            let len = rest.partition_point(|place| {
                self.drafts
                    .get(place.index())
                    .is_some_and(|draft| draft.level <= level)
            });
            let (of_level, behind) = rest.split_at(len);
            self.hash_level(of_level);
            rest = behind;
        }
        self.order = order;
    }

    fn hash_level(&mut self, places: &[Place]) {
        for place in places {
            self.fill_holes(*place);
        }
        let mut hashes = core::mem::take(&mut self.level_hashes);
        let inputs: Vec<&[u8]> = places.iter().map(|place| self.element(*place)).collect();
        ElementHash::of_each(&inputs, &mut hashes);
        for (place, hash) in places.iter().zip(&hashes) {
            if let Some(slot) = self.hashes.get_mut(place.index()) {
                *slot = *hash;
            }
        }
        self.level_hashes = hashes;
    }

    fn fill_holes(&mut self, place: Place) {
        let (_, start) = self.ends_before(place);
        let end = self
            .drafts
            .get(place.index())
            .map_or(start, |draft| draft.holes_end);
        for hole in self.holes.get(start..end).unwrap_or_default() {
            let hash = self
                .hashes
                .get(hole.child.index())
                .copied()
                .unwrap_or(NO_HASH);
            if let Some(room) = self.bytes.get_mut(hole.at..hole.at + ElementHash::LEN) {
                room.copy_from_slice(hash.as_bytes());
            }
        }
    }

    /// Hands over all elements, which must have been hashed, in the order in which they were built.
    pub(super) fn hand_over(&mut self, sink: &mut impl ElementSink) -> Result<(), Error> {
        let mut links = core::mem::take(&mut self.links);
        let mut handed_over = Ok(());
        for (place, draft) in (0u32..).map(Place).zip(&self.drafts) {
            links.clear();
            links.extend(
                self.holes_of(place)
                    .iter()
                    .map(|hole| self.hash(hole.child)),
            );
            remove_repeats(&mut links);
            handed_over = sink.put(NewElement {
                hash: self.hash(place),
                element_type: draft.element_type,
                bytes: self.element(place),
                links: &links,
                form: MemoryForm::ingested(draft.empty_text),
            });
            if handed_over.is_err() {
                break;
            }
        }
        self.links = links;
        handed_over
    }

    /// Forgets all elements and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.drafts.clear();
        self.holes.clear();
        self.hashes.clear();
    }
}

fn remove_repeats(links: &mut Vec<ElementHash>) {
    if links.len() > 1 {
        links.sort_unstable();
        links.dedup();
    }
}

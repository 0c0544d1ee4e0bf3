use std::collections::BTreeMap;

use hashbrown::HashTable;
use uxf_codec::canonical::{ElementView, VerifiedElement};
use uxf_codec::{ElementHash, NewElement};

use crate::elements::fingerprint::Fingerprint;
use crate::engine::Engine;
use crate::error::Error;
use crate::options::Durability;
use crate::profile::change::ProfilePart;
use crate::shared::Shared;
use crate::tables::row::BlockKind;
use crate::writer::{CommitOutcome, Ticket};

/// Changes that are applied together or not at all.
///
/// Hashing, checking and encoding happen here, on the caller's thread; [`commit`](Self::commit) hands the result to
/// the writer. Within a batch the order of calls does not matter, only what they add up to: an element may be pinned
/// before it is put, a child put after its parent. Where several calls set the same token, the last one counts.
///
/// ```
/// use uxf_engine::{Engine, EngineOptions};
///
/// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
/// let mut batch = engine.begin();
/// let hash = batch.put_opaque(b"some bytes").unwrap();
/// batch.pin(&hash).unwrap();
/// batch.commit().unwrap();
/// assert_eq!(engine.snapshot().unwrap().get(&hash).unwrap().unwrap().as_ref(), b"some bytes");
/// ```
#[derive(Debug)]
#[must_use = "a batch does nothing until it is committed"]
pub struct WriteBatch {
    engine: Engine,
    durability: Durability,
    data: BatchData,
    links: Vec<ElementHash>,
}

/// The part of a batch that goes to the writer.
#[derive(Debug)]
pub(crate) struct BatchData {
    pub(crate) entries: Vec<BatchEntry>,
    pub(crate) bytes: Vec<u8>,
    /// Positions in `entries`.
    pub(crate) links: Vec<u32>,
    /// Positions in `entries` of those with a body, in the order the bodies came.
    pub(crate) bodies: Vec<u32>,
    /// Whether every body came after the bodies it names.
    pub(crate) children_first: bool,
    /// Token -> positions in `entries` of its root and its pinned instances, or nothing to remove it.
    pub(crate) tokens: BTreeMap<(u32, Box<str>), Vec<u32>>,
    /// Rows of wallets, by key.
    pub(crate) wallet_rows: BTreeMap<Box<[u8]>, WalletRowChange>,
    /// What happens to a profile in the same commit.
    pub(crate) profile: Option<Box<ProfilePart>>,
    /// Positions by fingerprint.
    positions: HashTable<u32>,
}

/// What becomes of a row of a wallet. It was worked out from the row as it was, so only that row may give way.
#[derive(Clone, Debug)]
pub(crate) struct WalletRowChange {
    pub(crate) before: Option<Box<[u8]>>,
    pub(crate) after: Option<Box<[u8]>>,
}

/// An element that a batch puts, pins or names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchEntry {
    pub(crate) hash: ElementHash,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) body: Option<Body>,
    /// Anonymous pins added less those taken away.
    pub(crate) pins: i64,
    /// Whether an element of the batch names it.
    linked: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    pub(crate) kind: BlockKind,
    start: usize,
    end: usize,
    links_start: usize,
    links_end: usize,
}

impl BatchData {
    fn new() -> Self {
        Self {
            entries: Vec::new(),
            bytes: Vec::new(),
            links: Vec::new(),
            bodies: Vec::new(),
            children_first: true,
            tokens: BTreeMap::new(),
            wallet_rows: BTreeMap::new(),
            profile: None,
            positions: HashTable::new(),
        }
    }

    pub(crate) fn entry(&self, position: u32) -> Option<&BatchEntry> {
        self.entries.get(position as usize)
    }

    pub(crate) fn bytes_of(&self, body: &Body) -> &[u8] {
        self.bytes.get(body.start..body.end).unwrap_or_default()
    }

    pub(crate) fn links_of(&self, body: &Body) -> &[u32] {
        self.links
            .get(body.links_start..body.links_end)
            .unwrap_or_default()
    }

    /// Elements and operations, and their bytes.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let (operations, bytes) = match self.profile.as_deref() {
            None => (0, 0),
            Some(ProfilePart::Local(part)) => (part.changes.len(), part.bytes),
            Some(ProfilePart::Foreign(part)) => {
                let commits = part.commits.iter();
                commits.fold((0, 0), |(operations, bytes), commit| {
                    let more = commit.operations.len();
                    (operations + more, bytes + commit.bytes.len())
                })
            }
        };
        let rows = self.wallet_rows.values();
        let row_bytes = rows.filter_map(|row| Some(row.after.as_ref()?.len()));
        (
            self.entries.len() + self.wallet_rows.len() + operations,
            self.bytes.len() + row_bytes.sum::<usize>() + bytes,
        )
    }

    /// The position of an element that the batch puts, pins or names.
    pub(crate) fn find(&self, shared: &Shared, hash: &ElementHash) -> Option<u32> {
        let fingerprint = shared.fingerprint(hash);
        let same = |position: &u32| {
            self.entry(*position)
                .is_some_and(|entry| entry.hash == *hash)
        };
        self.positions.find(fingerprint.high, same).copied()
    }

    /// The position of an element, given to it if it is new to the batch.
    pub(crate) fn position(&mut self, shared: &Shared, hash: &ElementHash) -> Result<u32, Error> {
        // Puts are mostly followed by a pin of the same element.
        if self.entries.last().is_some_and(|last| last.hash == *hash) {
            return Ok(index(self.entries.len() - 1));
        }
        let fingerprint = shared.fingerprint(hash);
        let entries = &self.entries;
        let same = |position: &u32| {
            entries
                .get(*position as usize)
                .is_some_and(|entry| entry.hash == *hash)
        };
        if let Some(position) = self.positions.find(fingerprint.high, same) {
            return Ok(*position);
        }
        let limit = shared.options.batch_elements_max;
        if self.entries.len() >= limit {
            return Err(Error::LimitExceeded {
                what: "elements of a batch",
                limit: limit as u64,
                found: self.entries.len() as u64 + 1,
            });
        }
        let position = index(self.entries.len());
        self.entries.push(BatchEntry {
            hash: *hash,
            fingerprint,
            body: None,
            pins: 0,
            linked: false,
        });
        let entries = &self.entries;
        let rehash = |position: &u32| {
            entries
                .get(*position as usize)
                .map_or(0, |entry| entry.fingerprint.high)
        };
        self.positions
            .insert_unique(fingerprint.high, position, rehash);
        Ok(position)
    }

    fn put(
        &mut self,
        shared: &Shared,
        hash: &ElementHash,
        kind: BlockKind,
        bytes: &[u8],
        links: &[ElementHash],
    ) -> Result<(), Error> {
        let over = |what, limit: usize, found: usize| Error::LimitExceeded {
            what,
            limit: limit as u64,
            found: found as u64,
        };
        let limit = shared.options.element_bytes_max;
        if bytes.len() > limit {
            return Err(over("bytes of an element", limit, bytes.len()));
        }
        let limit = shared.options.batch_bytes_max;
        let total = self.bytes.len().saturating_add(bytes.len());
        if total > limit {
            return Err(over("bytes of a batch", limit, total));
        }
        let position = self.position(shared, hash)?;
        if self
            .entry(position)
            .is_some_and(|entry| entry.body.is_some())
        {
            return Ok(());
        }
        let links_start = self.links.len();
        for link in links {
            let child = self.position(shared, link)?;
            self.links.push(child);
        }
        for child in links_start..self.links.len() {
            let child = self.links.get(child).copied().unwrap_or(u32::MAX);
            if let Some(entry) = self.entries.get_mut(child as usize) {
                entry.linked = true;
            }
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let body = Body {
            kind,
            start,
            end: self.bytes.len(),
            links_start,
            links_end: self.links.len(),
        };
        self.bodies.push(position);
        if let Some(entry) = self.entries.get_mut(position as usize) {
            entry.body = Some(body);
            self.children_first &= !entry.linked;
        }
        Ok(())
    }

    fn add_pins(&mut self, shared: &Shared, hash: &ElementHash, pins: i64) -> Result<(), Error> {
        let position = self.position(shared, hash)?;
        if let Some(entry) = self.entries.get_mut(position as usize) {
            entry.pins = entry.pins.saturating_add(pins);
        }
        Ok(())
    }
}

/// A position as it is kept; the limit on a batch's elements is far below 2^32.
fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

impl WriteBatch {
    pub(crate) fn new(engine: Engine) -> Self {
        let durability = engine.shared().options.durability;
        Self {
            engine,
            durability,
            data: BatchData::new(),
            links: Vec::new(),
        }
    }

    /// Chooses when the commit of this batch counts as done.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Puts an element in canonical form. Everything it names must be in the store or in this batch by the commit.
    ///
    /// Without a pin, a token or another element that names it, it is a stray: readable until the next
    /// [`Engine::sweep`], unless an [`Import`](crate::Import) protects it.
    ///
    /// # Errors
    /// [`Error::Codec`] if the bytes are not an element in its one canonical form; [`Error::LimitExceeded`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<ElementHash, Error> {
        let element = VerifiedElement::read(bytes)?;
        self.put_verified(&element)?;
        Ok(element.hash())
    }

    /// Puts an element that has been read and hashed before, which is then not done again.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`].
    pub fn put_verified(&mut self, element: &VerifiedElement<'_>) -> Result<(), Error> {
        element.view().distinct_links(&mut self.links);
        let kind = BlockKind::Element(element.view().element_type());
        let shared = self.engine.shared();
        self.data
            .put(shared, &element.hash(), kind, element.bytes(), &self.links)
    }

    /// Puts bytes that the store does not look into. They may be anything but an element in canonical form.
    ///
    /// # Errors
    /// [`Error::NotOpaque`], [`Error::LimitExceeded`].
    pub fn put_opaque(&mut self, bytes: &[u8]) -> Result<ElementHash, Error> {
        let hash = ElementHash::of(bytes);
        // What is there is not put again: stored without what it names, it would make a token that comes later
        // incomplete (INV-BLOCK-4).
        if ElementView::parse(bytes).is_ok() {
            return Err(Error::NotOpaque { hash });
        }
        let shared = self.engine.shared();
        self.data
            .put(shared, &hash, BlockKind::Opaque, bytes, &[])?;
        Ok(hash)
    }

    /// Puts an element that this crate just had hashed by the codec.
    pub(crate) fn put_hashed(&mut self, element: NewElement<'_>) -> Result<(), Error> {
        self.data.put(
            self.engine.shared(),
            &element.hash,
            BlockKind::Element(element.element_type),
            element.bytes,
            element.links,
        )
    }

    /// What the batch does to a profile.
    pub(crate) fn profile_part(&mut self) -> &mut Option<Box<ProfilePart>> {
        &mut self.data.profile
    }

    /// Names a block that has to be in the store or in this batch if something of the batch refers to it.
    pub(crate) fn name(&mut self, hash: &ElementHash) -> Result<(), Error> {
        self.data.position(self.engine.shared(), hash).map(drop)
    }

    /// Adds an anonymous pin: one more reference, of which the caller keeps the record.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]. That the element is missing shows at the commit.
    pub fn pin(&mut self, hash: &ElementHash) -> Result<(), Error> {
        self.data.add_pins(self.engine.shared(), hash, 1)
    }

    /// Takes an anonymous pin away. The caller must have added it: pins are counted, not told apart from the
    /// references of other elements.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`]. That there is no such pin shows at the commit as [`Error::OverReleased`].
    pub fn unpin(&mut self, hash: &ElementHash) -> Result<(), Error> {
        self.data.add_pins(self.engine.shared(), hash, -1)
    }

    /// Sets what a token pins, its root first; nothing removes it. Repeats count once.
    pub(crate) fn set_token_pins<'h>(
        &mut self,
        inventory: u32,
        id: &str,
        pins: impl IntoIterator<Item = &'h ElementHash>,
    ) -> Result<(), Error> {
        let mut positions = Vec::new();
        for hash in pins {
            let position = self.data.position(self.engine.shared(), hash)?;
            if !positions.contains(&position) {
                positions.push(position);
            }
        }
        self.data.tokens.insert((inventory, id.into()), positions);
        Ok(())
    }

    /// Sets a row of a wallet, or removes it, if it is still what it was. Of several changes of a row the last one
    /// counts, and the first says what it was.
    pub(crate) fn set_wallet_row(&mut self, key: Vec<u8>, change: WalletRowChange) {
        let key = key.into_boxed_slice();
        match self.data.wallet_rows.get_mut(&key) {
            Some(earlier) => earlier.after = change.after,
            None => drop(self.data.wallet_rows.insert(key, change)),
        }
    }

    /// The bytes of a block that this batch puts.
    pub(crate) fn body(&self, hash: &ElementHash) -> Option<&[u8]> {
        let position = self.data.find(self.engine.shared(), hash)?;
        let body = self.data.entry(position)?.body.as_ref()?;
        Some(self.data.bytes_of(body))
    }

    /// Number of distinct elements the batch puts.
    pub fn len(&self) -> usize {
        self.data.bodies.len()
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.data.entries.is_empty()
            && self.data.tokens.is_empty()
            && self.data.wallet_rows.is_empty()
            && self.data.profile.is_none()
    }

    /// Bytes of the elements the batch puts.
    pub fn byte_len(&self) -> usize {
        self.data.bytes.len()
    }

    /// Hands the batch to the writer and waits until it is applied, and durable unless it is buffered.
    ///
    /// # Errors
    /// [`Error::MissingElement`], [`Error::NotATokenRoot`] and [`Error::OverReleased`]: nothing was applied. [`Error::Io`]: whether it was is
    /// unknown, and the engine takes no more writes. [`Error::Poisoned`], [`Error::Closed`].
    pub fn commit(self) -> Result<CommitOutcome, Error> {
        self.submit()?.wait()
    }

    /// Hands the batch to the writer and does not wait, so that the caller can prepare the next one meanwhile.
    /// Batches of one thread are applied in the order they were submitted.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    pub fn submit(self) -> Result<Ticket, Error> {
        self.engine.submit(self.data, self.durability)
    }
}

//! The blocks that are wanted, and what waits for what.

use std::collections::{BTreeSet, HashMap, VecDeque};

use thiserror::Error;
use uxf_codec::ElementHash;

use super::links::links_of;
use super::machine::ExchangeConfig;
use super::store::{NewBlock, Presence};
use crate::Peer;
use crate::wire::Role;

/// Why a root cannot be had, from whomever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A block has the hash by which it is named, and is not what it must be there.
    #[error("a block below the root is not what it is named as")]
    Invalid,
    /// The path to a block is too long.
    #[error("the blocks below the root lie deeper than {limit}")]
    TooDeep {
        /// The cap.
        limit: u32,
    },
    /// More blocks are wanted at once than are kept track of.
    #[error("more than {limit} blocks below the roots are wanted at once")]
    TooMany {
        /// The cap.
        limit: usize,
    },
    /// More bytes wait for what they name than there is room for.
    #[error("more than {limit} bytes wait for blocks that they name")]
    TooLarge {
        /// The cap in bytes.
        limit: usize,
    },
}

#[derive(Debug)]
enum State {
    /// It is not known whether it is in the store.
    Unknown,
    Wanted,
    Asked,
    /// It is here and waits for what it names.
    Held,
    /// All it names is in the store or goes there before it.
    Ready,
}

#[derive(Debug)]
struct Node {
    role: Role,
    depth: u32,
    state: State,
    /// Its bytes, unless they are in the store already.
    bytes: Vec<u8>,
    /// What names it, and what of what it names was not in the store.
    parents: Vec<ElementHash>,
    children: Vec<ElementHash>,
    /// Its place among what the first of its parents names; `None` if it was wanted before that, or is to be asked for by its hash.
    place: Option<u32>,
    /// Who gave it: that peer can be asked for what it names by the places.
    giver: Option<Peer>,
    /// How many of these are not ready.
    waits: usize,
    /// Peers that do not have it.
    tried: Vec<Peer>,
}

/// A block to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) hash: ElementHash,
    /// What names it, and its place there; `None` if it is to be asked for by its hash.
    pub(super) named: Option<(ElementHash, u32)>,
}

/// What is wanted.
#[derive(Debug)]
pub(super) struct Graph {
    config: ExchangeConfig,
    /// By their hashes, which peers choose: hence a table that nobody can fill unevenly. Its order decides nothing.
    nodes: HashMap<ElementHash, Node>,
    roots: BTreeSet<ElementHash>,
    /// To be looked for in the store.
    unknown: Vec<ElementHash>,
    /// To be asked for, the last one first: so the deepest come first, and those above need not wait long.
    wanted: Vec<ElementHash>,
    ready: VecDeque<ElementHash>,
    storing: Vec<ElementHash>,
    /// Bytes of blocks that are here and not in the store.
    held_bytes: usize,
    /// Bytes of these that are being stored.
    storing_bytes: usize,
}

impl Graph {
    pub(super) fn new(config: ExchangeConfig) -> Self {
        Self {
            config,
            nodes: HashMap::new(),
            roots: BTreeSet::new(),
            unknown: Vec::new(),
            wanted: Vec::new(),
            ready: VecDeque::new(),
            storing: Vec::new(),
            held_bytes: 0,
            storing_bytes: 0,
        }
    }

    /// Wants a root and all below it.
    pub(super) fn add_root(&mut self, root: ElementHash, role: Role) -> Result<(), FetchError> {
        if self.roots.contains(&root) {
            return Ok(());
        }
        self.want(root, role, 0, None)?;
        self.roots.insert(root);
        Ok(())
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = ElementHash> + '_ {
        self.roots.iter().copied()
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Blocks to look for in the store.
    pub(super) fn take_unknown(&mut self, most: usize) -> Vec<(ElementHash, Role)> {
        let at = self.unknown.len().saturating_sub(most);
        let taken = self.unknown.split_off(at);
        let roles = taken.into_iter();
        roles
            .filter_map(|hash| Some((hash, self.nodes.get(&hash)?.role)))
            .collect()
    }

    /// Learns whether a block is in the store. Gives the root if it is one and whole.
    pub(super) fn looked(
        &mut self,
        hash: ElementHash,
        presence: Presence,
    ) -> Result<Option<ElementHash>, FetchError> {
        let Some(node) = self.nodes.get_mut(&hash) else {
            return Ok(None);
        };
        if !matches!(node.state, State::Unknown) {
            return Ok(None);
        }
        match presence {
            Presence::Absent => {
                node.state = State::Wanted;
                self.wanted.push(hash);
                Ok(None)
            }
            Presence::Whole => {
                let parents = core::mem::take(&mut node.parents);
                self.nodes.remove(&hash);
                self.settle(&parents);
                Ok(self.roots.take(&hash))
            }
            Presence::Alone(bytes) => {
                let links = links_of(node.role, &bytes)?;
                self.expand(hash, links, Vec::new())?;
                Ok(None)
            }
        }
    }

    /// Blocks to ask a peer for: the last found first, and none that it does not have.
    pub(super) fn take_wanted(&mut self, peer: Peer, most: usize) -> Vec<Wanted> {
        let (mut taken, mut passed) = (Vec::new(), Vec::new());
        // Looking through all that nobody has for every request would take too long.
        let passed_max = most.saturating_mul(4);
        while taken.len() < most && passed.len() < passed_max {
            let Some(hash) = self.wanted.pop() else {
                break;
            };
            let Some(node) = self.nodes.get_mut(&hash) else {
                continue;
            };
            if node.tried.contains(&peer) {
                passed.push(hash);
            } else {
                node.state = State::Asked;
                let parent = node.parents.first().copied();
                let named = parent.zip(node.place);
                taken.push(Wanted { hash, named });
            }
        }
        self.wanted.extend(passed.into_iter().rev());
        taken
    }

    /// What a block is that a peer gave, and how long: it can be asked for what that names by the places.
    pub(super) fn given_by(&self, peer: Peer, hash: &ElementHash) -> Option<(Role, usize)> {
        let node = self.nodes.get(hash)?;
        (node.giver == Some(peer)).then_some((node.role, node.bytes.len()))
    }

    /// A block that was asked for does not come; with a peer, because that has not got it. If it was to find it by its place
    /// it may have let go of the parent, and is asked once more.
    pub(super) fn give_back(&mut self, hash: ElementHash, tried: Option<Peer>) {
        let place = self.nodes.get(&hash).and_then(|node| {
            node.place?;
            node.parents.first()
        });
        let is_placed = match (tried, place) {
            (Some(peer), Some(parent)) => self.given_by(peer, parent).is_some(),
            _ => false,
        };
        let node = self.nodes.get_mut(&hash);
        if let Some(node) = node.filter(|node| matches!(node.state, State::Asked)) {
            if is_placed {
                node.place = None;
            } else {
                node.tried.extend(tried);
            }
            node.state = State::Wanted;
            self.wanted.push(hash);
        }
    }

    /// Forgets who did not have what.
    pub(super) fn forget_tried(&mut self) {
        for node in self.nodes.values_mut() {
            node.tried.clear();
        }
    }

    pub(super) fn is_starved(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Takes a block whose hash was checked. One that is not wanted any more is dropped.
    pub(super) fn arrived(
        &mut self,
        peer: Peer,
        hash: ElementHash,
        bytes: Vec<u8>,
    ) -> Result<(), FetchError> {
        let node = self.nodes.get_mut(&hash);
        let Some(node) = node.filter(|node| matches!(node.state, State::Asked)) else {
            return Ok(());
        };
        node.giver = Some(peer);
        let links = links_of(node.role, &bytes)?;
        let limit = self.config.held_bytes_max;
        if self.held_bytes.saturating_add(bytes.len()) > limit {
            return Err(FetchError::TooLarge { limit });
        }
        self.expand(hash, links, bytes)
    }

    /// Wants what a block names, and keeps its bytes if they are to be stored.
    fn expand(
        &mut self,
        hash: ElementHash,
        (links, below): (Vec<ElementHash>, Role),
        kept: Vec<u8>,
    ) -> Result<(), FetchError> {
        let Some(depth) = self.nodes.get(&hash).map(|node| node.depth) else {
            return Ok(());
        };
        let limit = self.config.depth_max;
        if !links.is_empty() && depth >= limit {
            return Err(FetchError::TooDeep { limit });
        }
        let (mut children, mut waits) = (Vec::new(), 0);
        for (place, link) in (0..).zip(links) {
            self.want(link, below, depth.saturating_add(1), Some((hash, place)))?;
            let child = self.nodes.get(&link);
            if !child.is_some_and(|child| matches!(child.state, State::Ready)) {
                waits += 1;
            }
            children.push(link);
        }
        if let Some(node) = self.nodes.get_mut(&hash) {
            self.held_bytes += kept.len();
            node.bytes = kept;
            node.children = children;
            node.waits = waits;
            node.state = State::Held;
        }
        if waits == 0 {
            self.make_ready(hash);
        }
        Ok(())
    }

    fn want(
        &mut self,
        hash: ElementHash,
        role: Role,
        depth: u32,
        named: Option<(ElementHash, u32)>,
    ) -> Result<(), FetchError> {
        let parent = named.map(|(parent, _)| parent);
        if let Some(node) = self.nodes.get_mut(&hash) {
            if node.role != role {
                return Err(FetchError::Invalid);
            }
            node.parents.extend(parent);
            return Ok(());
        }
        let limit = self.config.wanted_max;
        if self.nodes.len() >= limit {
            return Err(FetchError::TooMany { limit });
        }
        let node = Node {
            role,
            depth,
            state: State::Unknown,
            bytes: Vec::new(),
            parents: parent.into_iter().collect(),
            children: Vec::new(),
            place: named.map(|(_, place)| place),
            giver: None,
            waits: 0,
            tried: Vec::new(),
        };
        self.nodes.insert(hash, node);
        self.unknown.push(hash);
        Ok(())
    }

    fn make_ready(&mut self, hash: ElementHash) {
        let mut all = vec![hash];
        while let Some(hash) = all.pop() {
            let Some(node) = self.nodes.get_mut(&hash) else {
                continue;
            };
            node.state = State::Ready;
            self.ready.push_back(hash);
            let parents = node.parents.clone();
            self.step(&parents, &mut all);
        }
    }

    /// Something that these name is in the store.
    fn settle(&mut self, parents: &[ElementHash]) {
        let mut all = Vec::new();
        self.step(parents, &mut all);
        for hash in all {
            self.make_ready(hash);
        }
    }

    fn step(&mut self, parents: &[ElementHash], ready: &mut Vec<ElementHash>) {
        for parent in parents {
            let Some(node) = self.nodes.get_mut(parent) else {
                continue;
            };
            if matches!(node.state, State::Held) {
                node.waits = node.waits.saturating_sub(1);
                if node.waits == 0 {
                    ready.push(*parent);
                }
            }
        }
    }

    /// Blocks to be stored, what is named before what names it. None while others are being stored.
    pub(super) fn take_ready(&mut self) -> Option<Vec<NewBlock>> {
        if self.is_storing() {
            return None;
        }
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        while bytes < self.config.store_bytes {
            let Some(hash) = self.ready.pop_front() else {
                break;
            };
            let Some(node) = self.nodes.get_mut(&hash) else {
                continue;
            };
            self.storing.push(hash);
            let (role, taken) = (node.role, core::mem::take(&mut node.bytes));
            bytes += taken.len();
            // What was in the store without what it names has no bytes.
            if !taken.is_empty() {
                blocks.push(NewBlock {
                    hash,
                    role,
                    bytes: taken,
                });
            }
        }
        self.storing_bytes = bytes;
        self.is_storing().then_some(blocks)
    }

    pub(super) const fn is_storing(&self) -> bool {
        !self.storing.is_empty()
    }

    /// What was given to be stored is. Gives the roots that are whole.
    pub(super) fn stored(&mut self) -> Vec<ElementHash> {
        self.held_bytes = self.held_bytes.saturating_sub(self.storing_bytes);
        self.storing_bytes = 0;
        let mut whole = Vec::new();
        for hash in core::mem::take(&mut self.storing) {
            self.nodes.remove(&hash);
            whole.extend(self.roots.take(&hash));
        }
        whole
    }

    /// The roots that lead to a block.
    pub(super) fn roots_above(&self, hash: ElementHash) -> Vec<ElementHash> {
        let (mut seen, mut all) = (BTreeSet::from([hash]), vec![hash]);
        let mut roots = Vec::new();
        while let Some(hash) = all.pop() {
            if self.roots.contains(&hash) {
                roots.push(hash);
            }
            let parents = self.nodes.get(&hash).map(|node| &node.parents);
            for parent in parents.into_iter().flatten() {
                if seen.insert(*parent) {
                    all.push(*parent);
                }
            }
        }
        roots
    }

    /// Wants some roots no more, and nothing that only they lead to.
    pub(super) fn drop_roots(&mut self, roots: &[ElementHash]) {
        for root in roots {
            self.roots.remove(root);
        }
        let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
        all.extend(self.roots.iter().copied());
        while let Some(hash) = all.pop() {
            if seen.insert(hash)
                && let Some(node) = self.nodes.get(&hash)
            {
                all.extend(&node.children);
            }
        }
        // What is on its way into the store is let go of once it is there.
        seen.extend(&self.storing);
        self.nodes.retain(|hash, _| seen.contains(hash));
        self.unknown.retain(|hash| seen.contains(hash));
        self.wanted.retain(|hash| seen.contains(hash));
        self.ready.retain(|hash| seen.contains(hash));
        let held: usize = self.nodes.values().map(|node| node.bytes.len()).sum();
        self.held_bytes = held + self.storing_bytes;
    }

    /// Begins all roots anew: something that was taken for present is gone.
    pub(super) fn restart(&mut self) {
        let config = self.config;
        let old = core::mem::replace(self, Self::new(config));
        for root in old.roots {
            if let Some(node) = old.nodes.get(&root) {
                // There was room for more than the roots.
                self.add_root(root, node.role).unwrap_or_default();
            }
        }
    }
}

//! Fetching: what peers are asked for and what of it comes.

use std::collections::BTreeMap;

use uxf_codec::ElementHash;

use super::graph::FetchError;
use super::machine::{BlockExchange, Output};
use super::request::entries_for;
use super::store::{BlocksError, Presence, StoreRequest};
use crate::wire::{Blocks, Message, Role, Want, WantKind};
use crate::{Misbehaviour, Peer, Timestamp};

/// Blocks that are looked for in the store at once.
const LOOKS_MAX: usize = 4_096;

/// What a peer was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Each hash until its block came.
    hashes: Vec<Option<ElementHash>>,
    deadline: Timestamp,
}

impl Asked {
    pub(super) const fn deadline(&self) -> Timestamp {
        self.deadline
    }

    pub(super) fn missing(self) -> impl Iterator<Item = ElementHash> {
        self.hashes.into_iter().flatten()
    }
}

impl BlockExchange {
    pub(super) fn fetch(&mut self, root: ElementHash, role: Role) {
        let limit = self.config.roots_max;
        let added = if self.graph.roots().count() < limit {
            self.graph.add_root(root, role)
        } else {
            Err(FetchError::TooMany { limit })
        };
        if let Err(error) = added {
            self.outputs.push_back(Output::Failed(root, error));
        }
    }

    /// Has done what can be done: blocks looked for, stored, asked for.
    pub(super) fn step(&mut self, now: Timestamp) {
        if self.is_paused {
            return;
        }
        if !self.is_looking {
            let unknown = self.graph.take_unknown(LOOKS_MAX);
            if !unknown.is_empty() {
                self.is_looking = true;
                let look = StoreRequest::Look(unknown);
                self.outputs.push_back(Output::Store(look));
            }
        }
        while let Some(blocks) = self.graph.take_ready() {
            if blocks.is_empty() {
                self.whole();
            } else {
                let store = StoreRequest::Store(blocks);
                self.outputs.push_back(Output::Store(store));
            }
        }
        let peers: Vec<Peer> = self.peers.keys().copied().collect();
        for peer in peers {
            while self.ask(peer, now) {}
        }
        if self.graph.is_starved() && self.retry_at.is_none() {
            self.retry_later(now);
        }
    }

    /// Asks a peer for what is wanted, if it has room for a request.
    fn ask(&mut self, peer: Peer, now: Timestamp) -> bool {
        let is_tight = self.graph.held_bytes() >= self.config.held_bytes;
        let in_flight: usize = self.peers.values().map(BTreeMap::len).sum();
        let Some(asked) = self.peers.get_mut(&peer) else {
            return false;
        };
        if asked.len() >= self.config.requests || (is_tight && in_flight > 0) {
            return false;
        }
        // One after the other the deepest come first, and what waits for them is soon let go of.
        let most = if is_tight {
            1
        } else {
            self.config.request_blocks
        };
        let wanted = self.graph.take_wanted(peer, most);
        if wanted.is_empty() {
            return false;
        }
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        let deadline = now + self.config.request_timeout;
        let (entries, hashes) = entries_for(wanted, |parent| self.graph.given_by(peer, parent));
        let wanted = hashes.iter().copied().map(Some).collect();
        let hashes_asked = Asked {
            hashes: wanted,
            deadline,
        };
        asked.insert(request, hashes_asked);
        let want = Message::Want(Want {
            request,
            kind: WantKind::Block,
            entries,
        });
        self.outputs.push_back(Output::Send(peer, want));
        true
    }

    pub(super) fn take_blocks(
        &mut self,
        peer: Peer,
        blocks: Blocks,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let request = blocks.request;
        let what = "blocks";
        let out_of_turn = Misbehaviour::OutOfTurn { what };
        let Some(asked) = self
            .peers
            .get_mut(&peer)
            .and_then(|all| all.get_mut(&request))
        else {
            return Err(out_of_turn);
        };
        asked.deadline = now + self.config.request_timeout;
        let bytes: Vec<&[u8]> = blocks.blocks.iter().map(|block| &block.bytes[..]).collect();
        let mut hashes = Vec::with_capacity(bytes.len());
        ElementHash::of_each(&bytes, &mut hashes);
        let mut arrived = Vec::with_capacity(hashes.len());
        for (block, found) in blocks.blocks.into_iter().zip(hashes) {
            let place = asked.hashes.get_mut(usize::from(block.index));
            let hash = place.and_then(Option::take).ok_or(out_of_turn.clone())?;
            if found != hash {
                // It is asked for elsewhere.
                asked.hashes.push(Some(hash));
                let what = "a block";
                return Err(Misbehaviour::Forged { what });
            }
            arrived.push((hash, block.bytes));
        }
        if blocks.is_last
            && let Some(asked) = self
                .peers
                .get_mut(&peer)
                .and_then(|all| all.remove(&request))
        {
            for hash in asked.missing() {
                self.graph.give_back(hash, Some(peer));
            }
        }
        for (hash, bytes) in arrived {
            if let Err(error) = self.graph.arrived(peer, hash, bytes) {
                self.fail(hash, error);
            }
        }
        Ok(())
    }

    /// Gives up all roots that lead to a block.
    fn fail(&mut self, hash: ElementHash, error: FetchError) {
        let roots = self.graph.roots_above(hash);
        self.graph.drop_roots(&roots);
        for root in roots {
            self.outputs.push_back(Output::Failed(root, error));
        }
    }

    pub(super) fn looked(
        &mut self,
        looked: Result<Vec<(ElementHash, Presence)>, BlocksError>,
        now: Timestamp,
    ) {
        self.is_looking = false;
        match looked {
            Ok(looked) => {
                for (hash, presence) in looked {
                    match self.graph.looked(hash, presence) {
                        Ok(root) => self.outputs.extend(root.map(Output::Fetched)),
                        Err(error) => self.fail(hash, error),
                    }
                }
            }
            Err(error) => self.store_failed(error, now),
        }
    }

    pub(super) fn stored(&mut self, stored: Result<(), BlocksError>, now: Timestamp) {
        match stored {
            Ok(()) => self.whole(),
            // Swept since it was looked for; what was stored by now is found again.
            Err(BlocksError::Gone) => self.graph.restart(),
            Err(error) => self.store_failed(error, now),
        }
    }

    fn whole(&mut self) {
        let roots = self.graph.stored();
        self.outputs.extend(roots.into_iter().map(Output::Fetched));
    }

    /// The store failed: nothing is sure but that another try is worth it.
    fn store_failed(&mut self, error: BlocksError, now: Timestamp) {
        self.outputs.push_back(Output::StoreFailed(error));
        let roots: Vec<ElementHash> = self.graph.roots().collect();
        if !roots.is_empty() {
            self.graph.restart();
            self.is_paused = true;
            self.retry_later(now);
        }
    }
}

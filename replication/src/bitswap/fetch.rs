//! Fetching blocks from peers, one after the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cid::Cid;
use thiserror::Error;

use super::machine::{Bitswap, Output};
use super::message::{ENTRIES_MAX, Message, Payload, Want, WantKind};
use crate::{Peer, Timestamp};

/// Why a block cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotFound {
    /// No peer that is connected has it, or said so in time.
    #[error("none of {asked} peers gave the block")]
    Nowhere {
        /// How many were asked.
        asked: usize,
    },
    /// Too many are wanted already.
    #[error("more than {limit} blocks are wanted at once")]
    TooMany {
        /// The cap.
        limit: usize,
    },
}

/// The blocks that are wanted here, and who was asked for them.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    wanted: BTreeMap<Cid, Fetch>,
    /// How many blocks each peer is being asked for.
    asked: BTreeMap<Peer, usize>,
    /// Blocks that nobody is being asked for.
    idle: VecDeque<Cid>,
    deadlines: BTreeSet<(Timestamp, Cid)>,
}

#[derive(Debug, Default)]
struct Fetch {
    /// Peers that do not have it, or did not answer twice.
    tried: BTreeSet<Peer>,
    /// Peers that did not answer once. Others are asked before these are once more: what was said on a stream that the other side
    /// was about to close is lost, and so is the answer.
    late: BTreeSet<Peer>,
    /// Who is being asked, until when.
    asked: Option<(Peer, Timestamp)>,
}

impl Fetches {
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn meet(&mut self, peer: Peer) {
        self.asked.entry(peer).or_default();
    }

    /// A peer is gone: what it was asked for somebody else is asked for.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.asked.remove(&peer);
        for (cid, fetch) in &mut self.wanted {
            fetch.tried.remove(&peer);
            if let Some((_, at)) = fetch.asked.take_if(|(asked, _)| *asked == peer) {
                self.deadlines.remove(&(at, *cid));
                self.idle.push_back(*cid);
            }
        }
    }

    /// A peer said that it does not have a block, or did not say anything in time.
    pub(super) fn is_not_at(&mut self, cid: &Cid, peer: Peer) {
        let Some(fetch) = self.wanted.get_mut(cid) else {
            return;
        };
        if let Some((_, at)) = fetch.asked.take_if(|(asked, _)| *asked == peer) {
            fetch.tried.insert(peer);
            self.deadlines.remove(&(at, *cid));
            self.idle.push_back(*cid);
            self.is_answered(peer);
        }
    }

    /// Forgets a block that is wanted; who is being asked for it, if somebody is.
    fn take(&mut self, cid: &Cid) -> Option<Peer> {
        let (peer, at) = self.wanted.remove(cid)?.asked?;
        self.deadlines.remove(&(at, *cid));
        self.is_answered(peer);
        Some(peer)
    }

    fn is_answered(&mut self, peer: Peer) {
        if let Some(asked) = self.asked.get_mut(&peer) {
            *asked = asked.saturating_sub(1);
        }
    }

    /// Whom to ask for a block: who is asked for least and was not tried. An error if nobody is left.
    fn choose(&self, fetch: &Fetch, asked_max: usize) -> Result<Option<Peer>, NotFound> {
        let peers = self.asked.iter();
        let left = peers.filter(|(peer, _)| !fetch.tried.contains(peer));
        match left.min_by_key(|(peer, asked)| (fetch.late.contains(peer), **asked)) {
            Some((peer, asked)) if *asked < asked_max => Ok(Some(*peer)),
            Some(_) => Ok(None),
            None => {
                let asked = fetch.tried.len();
                Err(NotFound::Nowhere { asked })
            }
        }
    }

    /// Who is to be asked for the next idle block until a time; `None` if all have enough to do.
    fn next(
        &mut self,
        until: Timestamp,
        asked_max: usize,
    ) -> Option<(Cid, Result<Peer, NotFound>)> {
        while let Some(cid) = self.idle.front().copied() {
            let fetch = self.wanted.get(&cid);
            // One that came after all, or that stands here twice.
            let Some(fetch) = fetch.filter(|fetch| fetch.asked.is_none()) else {
                self.idle.pop_front();
                continue;
            };
            let chosen = match self.choose(fetch, asked_max) {
                Ok(chosen) => Ok(chosen?),
                Err(error) => Err(error),
            };
            self.idle.pop_front();
            match chosen {
                Ok(peer) => {
                    if let Some(fetch) = self.wanted.get_mut(&cid) {
                        fetch.asked = Some((peer, until));
                    }
                    self.deadlines.insert((until, cid));
                    *self.asked.entry(peer).or_default() += 1;
                }
                Err(_) => {
                    self.wanted.remove(&cid);
                }
            }
            return Some((cid, chosen));
        }
        None
    }

    /// One whose time is over, and who was asked for it.
    fn next_late(&mut self, now: Timestamp) -> Option<(Cid, Peer)> {
        let (at, cid) = *self.deadlines.first().filter(|(at, _)| *at <= now)?;
        self.deadlines.remove(&(at, cid));
        let fetch = self.wanted.get_mut(&cid)?;
        let (peer, _) = fetch.asked?;
        let is_late_again = !fetch.late.insert(peer);
        self.is_not_at(&cid, peer);
        if let Some(fetch) = self.wanted.get_mut(&cid).filter(|_| !is_late_again) {
            fetch.tried.remove(&peer);
        }
        Some((cid, peer))
    }
}

impl Bitswap {
    pub(super) fn fetch(&mut self, cid: Cid) {
        let limit = self.config.fetches_max;
        if self.fetches.wanted.contains_key(&cid) {
            return;
        }
        if self.fetches.len() >= limit {
            let why = NotFound::TooMany { limit };
            return self.outputs.push_back(Output::NotFound(cid, why));
        }
        self.fetches.wanted.insert(cid, Fetch::default());
        self.fetches.idle.push_back(cid);
    }

    pub(super) fn cancel(&mut self, cid: Cid) {
        if let Some(peer) = self.fetches.take(&cid) {
            self.send_wants(BTreeMap::from([(peer, vec![want(cid, true)])]));
        }
    }

    pub(super) fn take_block(&mut self, block: Payload) {
        let Payload { cid, bytes } = block;
        // From whomever it came: its hash was computed.
        if self.fetches.wanted.contains_key(&cid) {
            self.fetches.take(&cid);
            self.outputs.push_back(Output::Block(cid, bytes));
        }
    }

    /// Asks peers for what nobody is being asked for.
    pub(super) fn ask(&mut self, now: Timestamp) {
        let until = now + self.config.request_timeout;
        let mut asks: BTreeMap<Peer, Vec<Want>> = BTreeMap::new();
        while let Some((cid, chosen)) = self.fetches.next(until, self.config.asked_max) {
            match chosen {
                Ok(peer) => asks.entry(peer).or_default().push(want(cid, false)),
                Err(why) => self.outputs.push_back(Output::NotFound(cid, why)),
            }
        }
        self.send_wants(asks);
    }

    /// Asks somebody else for what did not come in time. Should it come after all, it is taken.
    pub(super) fn time_out(&mut self, now: Timestamp) {
        let mut cancels: BTreeMap<Peer, Vec<Want>> = BTreeMap::new();
        while let Some((cid, peer)) = self.fetches.next_late(now) {
            cancels.entry(peer).or_default().push(want(cid, true));
        }
        self.send_wants(cancels);
    }

    fn send_wants(&mut self, all: BTreeMap<Peer, Vec<Want>>) {
        for (peer, wants) in all {
            for wants in wants.chunks(ENTRIES_MAX) {
                let wants = wants.to_vec();
                let message = Message {
                    wants,
                    ..Message::default()
                };
                self.send(peer, message);
            }
        }
    }
}

const fn want(cid: Cid, is_cancel: bool) -> Want {
    Want {
        cid,
        kind: WantKind::Block,
        is_cancel,
        send_dont_have: !is_cancel,
    }
}

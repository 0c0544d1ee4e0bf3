//! What handles ask for.

use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;
use uxf_engine::profile::sealed::ProfileId;

use super::super::bitswap::Call;
use super::super::command::Command;
use super::super::error::SyncError;
use super::super::keep::KnownPeer;
use super::super::status::{KnownStatus, NodeStatus, Synced};
use super::super::waiting::{Waiting, done};
use super::Driver;
use crate::host::{Event, PeerStatus};
use crate::wire::WANTS_MAX;

impl Driver {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Addresses(reply) => {
                self.asked_addresses.push(reply);
                self.answer_addresses();
            }
            Command::Status(reply) => {
                // Who does not wait any more needs no answer.
                reply.send(self.node_status()).ok();
            }
            Command::Events(reply) => {
                reply.send(self.listeners.add()).ok();
            }
            Command::Blocks(peers, cids, answers) => {
                for known in &peers {
                    self.connect(known);
                }
                let peers = peers.iter().map(|known| known.peer).collect();
                self.tell_bitswap(Call::Fetch(peers, cids, answers));
            }
            Command::Found(known) => {
                for address in known.addresses {
                    self.found(known.peer, address);
                }
            }
            // Seen to by the loop.
            Command::End => {}
            Command::Sync(known, until, reply) => {
                self.waiting.push(Waiting::new(known.peer, until, reply));
                // What was written before is part of it, whether or not somebody said so.
                let profiles: Vec<ProfileId> = self.pool.profiles().copied().collect();
                for profile in profiles {
                    self.changed(profile);
                }
                // So is what was written at the peer, though it may not have been heard of here.
                let streams = self.streams.iter();
                let streams = streams.filter(|(_, (peer, _))| *peer == known.peer);
                let streams: Vec<_> = streams.map(|(connection, _)| *connection).collect();
                for connection in streams {
                    self.tell(Event::Refresh(connection));
                }
                self.dial(&known, true);
            }
        }
    }

    pub(super) fn answer_addresses(&mut self) {
        let peer = self.peer();
        let all: Vec<Multiaddr> = self.swarm.listeners().cloned().collect();
        if self.listening.len() < self.listens {
            return;
        }
        let all = all.into_iter().filter_map(|one| one.with_p2p(peer).ok());
        let all: Vec<Multiaddr> = all.collect();
        for reply in self.asked_addresses.drain(..) {
            reply.send(all.clone()).ok();
        }
    }

    pub(super) fn status(&self) -> impl Iterator<Item = (PeerId, PeerStatus)> + '_ {
        let status = self.host.status();
        status.filter_map(|one| {
            let (peer, _) = self.streams.get(&one.connection)?;
            Some((*peer, one))
        })
    }

    fn node_status(&self) -> NodeStatus {
        let now = self.now();
        let known = self.kept.iter().map(|known| (known.peer, Some(known)));
        let others = self.standing.remotes().map(|peer| (*peer, None));
        let is_kept = |peer: &PeerId| self.kept.iter().any(|known| known.peer == *peer);
        let others = others.filter(|(peer, _)| !is_kept(peer));
        let known = known.chain(others).map(|(peer, known)| KnownStatus {
            peer,
            address: known.and_then(KnownPeer::address).cloned(),
            is_connected: self.streams.values().any(|(other, _)| *other == peer),
            last: self.standing.last(&peer).cloned(),
            free_in: self.standing.free_at(&peer).map(|at| at.since(now)),
        });
        NodeStatus {
            peers: self.status().collect(),
            known: known.collect(),
            bundles_missing: self.bundles.values().map(|one| one.missing).sum(),
            metrics: self.metrics,
        }
    }

    pub(super) fn answer_waiting(&mut self) {
        for mut waiting in core::mem::take(&mut self.waiting) {
            let status = self.status().filter(|(peer, _)| *peer == waiting.peer);
            let status: Vec<PeerStatus> = status.map(|(_, one)| one).collect();
            let bundles = done(&status).and_then(|synced| {
                let bundles = self.bundles_done(&mut waiting, &status)?;
                Some((synced, bundles))
            });
            if let Some((synced, (bundles, bundles_missing))) = bundles {
                waiting.answer(Ok(Synced {
                    bundles,
                    bundles_missing,
                    ..synced
                }));
                continue;
            }
            self.waiting.push(waiting);
        }
    }

    /// How many bundles both sides have, and how many neither has, if that will stay so; else it is seen to that it comes about.
    fn bundles_done(
        &mut self,
        waiting: &mut Waiting,
        status: &[PeerStatus],
    ) -> Option<(usize, usize)> {
        let (mut both, mut neither) = (0_usize, 0_usize);
        let (mut is_done, mut questions) = (true, Vec::new());
        for one in status {
            let bundles = self.bundles.get(&one.profile)?;
            if bundles.is_looking() || self.host.is_fetching(&one.profile) {
                return None;
            }
            let open = waiting.unconfirmed(&one.profile, &bundles.here, WANTS_MAX);
            is_done &= open.is_empty();
            if !open.is_empty() {
                questions.push(Event::Ask(one.connection, one.profile, open));
            }
            both = both.saturating_add(bundles.here.len());
            neither = neither.saturating_add(bundles.missing);
        }
        let now = Instant::now();
        if !questions.is_empty() && waiting.ask_at <= now {
            waiting.asked(now);
            for question in questions {
                self.tell(question);
            }
        }
        is_done.then_some((both, neither))
    }

    pub(super) fn fail_waiting(&mut self, failed: PeerId, error: impl Fn() -> SyncError) {
        for waiting in self
            .waiting
            .extract_if(.., |waiting| waiting.peer == failed)
        {
            waiting.answer(Err(error()));
        }
    }
}

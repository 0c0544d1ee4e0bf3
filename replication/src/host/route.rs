//! What the machines of a host say to each other.

use core::ops::Bound;

use uxf_engine::oplog::identity::DeviceId;
use uxf_engine::profile::sealed::ProfileId;

use super::event::{ConnectionId, Disconnect, Fault, Output};
use super::machine::Host;
use super::reconciling::Reconciling;
use super::request::{Request, Work};
use super::served::Served;
use super::status::{Place, Problem};
use crate::oplog_sync::Taken;
use crate::reconcile::Reconciled;
use crate::wire::{CloseReason, Message, MessageKind, SessionId};
use crate::{Peer, Timestamp, block_exchange, oplog_sync, reconcile, session};

impl Host {
    pub(super) fn tell_sessions(
        &mut self,
        connection: ConnectionId,
        event: session::Event<'_>,
        now: Timestamp,
    ) {
        if let Some(one) = self.connections.get_mut(&connection) {
            one.sessions.handle(event, now);
            self.stirred_connections.insert(connection);
        }
    }

    pub(super) fn tell_sync(
        &mut self,
        profile: &ProfileId,
        event: oplog_sync::Event,
        now: Timestamp,
    ) {
        if let Some(one) = self.profiles.get_mut(profile) {
            one.sync.handle(event, now);
            self.stirred_profiles.insert(*profile);
        }
    }

    pub(super) fn tell_exchange(
        &mut self,
        profile: &ProfileId,
        event: block_exchange::Event,
        now: Timestamp,
    ) {
        if let Some(one) = self.profiles.get_mut(profile) {
            one.exchange.handle(event, now);
            self.stirred_profiles.insert(*profile);
        }
    }

    pub(super) fn tell_reconciler(
        &mut self,
        profile: &ProfileId,
        event: reconcile::Event,
        now: Timestamp,
    ) {
        if let Some(one) = self.profiles.get_mut(profile) {
            one.reconciler.handle(event, now);
            self.stirred_profiles.insert(*profile);
        }
    }

    /// Carries what there is to say until nobody says anything more.
    pub(super) fn carry(&mut self, now: Timestamp) {
        loop {
            if let Some(connection) = self.stirred_connections.pop_first() {
                self.carry_sessions(connection, now);
            } else if let Some(profile) = self.stirred_profiles.pop_first() {
                self.carry_sync(&profile, now);
                self.carry_reconciler(&profile, now);
                self.carry_exchange(&profile, now);
            } else {
                return;
            }
        }
    }

    fn carry_sessions(&mut self, connection: ConnectionId, now: Timestamp) {
        while let Some(one) = self.connections.get_mut(&connection) {
            let Some(output) = one.sessions.poll_output() else {
                break;
            };
            match output {
                session::Output::Bytes(bytes) => {
                    one.queue(bytes.len(), now);
                    let is_too_much = one.queued() > self.config.queued_bytes_max;
                    self.outputs.push_back(Output::Bytes(connection, bytes));
                    if is_too_much {
                        let why = Disconnect::BackOff(Fault::NotReading);
                        return self.close(connection, why, now);
                    }
                }
                session::Output::Prove(session, profile, binding) => {
                    self.run(profile, Work::Prove(connection, session, binding));
                }
                session::Output::Check(session, profile, binding, proof) => {
                    let work = Work::Check(connection, session, binding, proof);
                    self.run(profile, work);
                }
                session::Output::Opened(session, profile, device) => {
                    if one.asked_for(session) {
                        one.answered(false, now);
                    }
                    self.opened((connection, session), profile, device, now);
                }
                session::Output::Message(session, message) => {
                    if let Some(peer) = one.open.get(&session).copied() {
                        self.take(peer, message, now);
                    }
                }
                session::Output::Refused(profile, refused) => {
                    one.answered(true, now);
                    let output = Output::Refused(connection, profile, refused);
                    self.outputs.push_back(output);
                }
                session::Output::Closed(session, _) => {
                    if let Some(peer) = one.open.get(&session).copied() {
                        self.forget_peer(peer, now);
                    }
                }
                session::Output::Disconnect(reason) => {
                    return self.blame(connection, reason, now);
                }
            }
        }
        self.make_room(connection, now);
        self.weigh(connection);
    }

    /// Tells who waits for it that there is room for more.
    fn make_room(&mut self, connection: ConnectionId, now: Timestamp) {
        let Some(one) = self.connections.get_mut(&connection) else {
            return;
        };
        if one.queued() > self.config.queued_bytes_low {
            return;
        }
        for peer in core::mem::take(&mut one.awaiting) {
            let Some(profile) = self.peers.get(&peer).map(|place| place.profile) else {
                continue;
            };
            self.tell_sync(&profile, oplog_sync::Event::Sent(peer), now);
            self.tell_reconciler(&profile, reconcile::Event::Sent(peer), now);
            self.tell_exchange(&profile, block_exchange::Event::Sent(peer), now);
        }
    }

    fn run(&mut self, profile: ProfileId, work: Work) {
        self.outputs
            .push_back(Output::Run(Request { profile, work }));
    }

    fn opened(
        &mut self,
        (connection, session): (ConnectionId, SessionId),
        profile: ProfileId,
        device: DeviceId,
        now: Timestamp,
    ) {
        let Some(one) = self.connections.get_mut(&connection) else {
            return;
        };
        if !self.profiles.contains_key(&profile) {
            let close = session::Event::Close(session, CloseReason::Done);
            return self.tell_sessions(connection, close, now);
        }
        let peer = Peer::new(self.next_peer);
        self.next_peer = self.next_peer.saturating_add(1);
        // Both ends may have opened one at once: both keep the one with the lesser number.
        let twin = one.open.iter().find(|(_, other)| {
            let place = self.peers.get(other);
            place.is_some_and(|place| place.profile == profile)
        });
        let twin = twin.map(|(session, peer)| (*session, *peer));
        if twin.is_some_and(|(other, _)| other < session) {
            let close = session::Event::Close(session, CloseReason::Done);
            return self.tell_sessions(connection, close, now);
        }
        one.open.insert(session, peer);
        let place = Place {
            connection,
            session,
            profile,
            device,
            since: now,
            taken: Taken::default(),
            reconciled: Reconciled::default(),
            reconciling: Reconciling::default(),
            problem: None,
        };
        self.peers.insert(peer, place);
        if let Some((_, twin)) = twin {
            self.close_session(twin, CloseReason::Done, now);
        }
        self.outputs
            .push_back(Output::Opened(connection, profile, device));
        self.run(profile, Work::Lone(peer));
        self.tell_sync(&profile, oplog_sync::Event::Connected(peer), now);
        self.tell_reconciler(&profile, reconcile::Event::Connected(peer), now);
        self.tell_exchange(&profile, block_exchange::Event::Connected(peer), now);
    }

    pub(super) fn forget_peer(&mut self, peer: Peer, now: Timestamp) {
        let Some(place) = self.peers.remove(&peer) else {
            return;
        };
        let (connection, profile) = (place.connection, place.profile);
        // If the connection is gone, that is said of it as a whole.
        if let Some(one) = self.connections.get_mut(&connection) {
            one.open.remove(&place.session);
            one.awaiting.remove(&peer);
            self.outputs.push_back(Output::Ended(connection, profile));
        }
        self.tell_sync(&profile, oplog_sync::Event::Disconnected(peer), now);
        self.to_reconcile.remove(&peer);
        self.tell_reconciler(&profile, reconcile::Event::Disconnected(peer), now);
        self.tell_exchange(&profile, block_exchange::Event::Disconnected(peer), now);
    }

    fn take(&mut self, peer: Peer, message: Message, now: Timestamp) {
        let Some(profile) = self.peers.get(&peer).map(|place| place.profile) else {
            return;
        };
        if message.kind() >= MessageKind::Want {
            let message = block_exchange::Event::Message(peer, message);
            self.tell_exchange(&profile, message, now);
        } else if message.kind() >= MessageKind::Ranges {
            let message = reconcile::Event::Message(peer, message);
            self.tell_reconciler(&profile, message, now);
        } else {
            let message = oplog_sync::Event::Message(peer, message);
            self.tell_sync(&profile, message, now);
        }
    }

    /// Sends a message in the session of a peer, and has its machines told when it has left if they wait for that.
    pub(super) fn send(&mut self, peer: Peer, message: Message, now: Timestamp) {
        let Some(place) = self.peers.get(&peer) else {
            return;
        };
        let (connection, session) = (place.connection, place.session);
        let is_awaited = matches!(
            message.kind(),
            MessageKind::Delta
                | MessageKind::Ranges
                | MessageKind::Operations
                | MessageKind::Value
                | MessageKind::Have
                | MessageKind::Blocks
        );
        if let Some(one) = self.connections.get_mut(&connection).filter(|_| is_awaited) {
            one.awaiting.insert(peer);
        }
        self.tell_sessions(connection, session::Event::Send(session, message), now);
    }

    pub(super) fn connection_of(&self, peer: Peer) -> Option<ConnectionId> {
        Some(self.peers.get(&peer)?.connection)
    }

    fn carry_sync(&mut self, profile: &ProfileId, now: Timestamp) {
        while let Some(served) = self.profiles.get_mut(profile) {
            let Some(output) = served.sync.poll_output() else {
                return;
            };
            match output {
                oplog_sync::Output::Send(peer, message) => self.send(peer, message, now),
                oplog_sync::Output::Store(request) => match request.reader() {
                    Some(peer) => served.held_back.push_back((peer, Work::Sync(request))),
                    None => self.run(*profile, Work::Sync(request)),
                },
                oplog_sync::Output::Pulled(peer, taken) => self.pulled(peer, taken),
                oplog_sync::Output::Pushed(peer) => {
                    if let Some(connection) = self.connection_of(peer) {
                        self.outputs.push_back(Output::Pushed(connection, *profile));
                    }
                }
                oplog_sync::Output::Reconcile(peer, log, next_seq) => {
                    if let Some(place) = self.peers.get_mut(&peer) {
                        place.problem = Some(Problem::Cut { log });
                        let output = Output::Cut(place.connection, *profile, log);
                        self.outputs.push_back(output);
                    }
                    self.want_log(peer, log, next_seq);
                }
                oplog_sync::Output::Stuck(peer, log, next_seq) => {
                    if let Some(place) = self.peers.get_mut(&peer) {
                        place.problem = Some(Problem::Stuck { log });
                    }
                    self.want_log(peer, log, next_seq);
                }
                oplog_sync::Output::Forked(log) => {
                    self.outputs.push_back(Output::Forked(*profile, log));
                }
                oplog_sync::Output::StoreFailed(error) => {
                    self.outputs
                        .push_back(Output::HistoryFailed(*profile, error));
                }
                oplog_sync::Output::Disconnect(peer, reason) => {
                    if let Some(connection) = self.connection_of(peer) {
                        self.blame(connection, reason, now);
                    }
                }
            }
        }
    }

    fn pulled(&mut self, peer: Peer, taken: Taken) {
        if let Some(place) = self.peers.get_mut(&peer) {
            let sum = &mut place.taken;
            sum.new = sum.new.saturating_add(taken.new);
            sum.known = sum.known.saturating_add(taken.known);
            sum.parked = sum.parked.saturating_add(taken.parked);
            let output = Output::Pulled(place.connection, place.profile, taken);
            self.outputs.push_back(output);
        }
    }

    fn carry_exchange(&mut self, profile: &ProfileId, now: Timestamp) {
        while let Some(served) = self.profiles.get_mut(profile) {
            let Some(output) = served.exchange.poll_output() else {
                return;
            };
            match output {
                block_exchange::Output::Send(peer, message) => self.send(peer, message, now),
                block_exchange::Output::Store(request) => {
                    self.run(*profile, Work::Blocks(request));
                }
                block_exchange::Output::Fetched(root) => {
                    self.outputs.push_back(Output::Fetched(*profile, root));
                }
                block_exchange::Output::Told(peer, told) => {
                    if let Some(connection) = self.connection_of(peer) {
                        self.outputs
                            .push_back(Output::Told(connection, *profile, told));
                    }
                }
                block_exchange::Output::Failed(root, error) => {
                    let output = Output::FetchFailed(*profile, root, error);
                    self.outputs.push_back(output);
                }
                block_exchange::Output::StoreFailed(error) => {
                    self.outputs
                        .push_back(Output::BlocksFailed(*profile, error));
                }
                block_exchange::Output::Disconnect(peer, reason) => {
                    if let Some(connection) = self.connection_of(peer) {
                        self.blame(connection, reason, now);
                    }
                }
            }
        }
    }

    /// Has an answer read when there is room for it, and everything else done at once.
    pub(super) fn read_or_take(&mut self, profile: &ProfileId, request: reconcile::StoreRequest) {
        let peer = request.peer();
        let is_read = !matches!(request, reconcile::StoreRequest::Apply(..));
        let work = Work::Reconcile(request);
        match self.profiles.get_mut(profile).filter(|_| is_read) {
            Some(served) => served.held_back.push_back((peer, work)),
            None => self.run(*profile, work),
        }
    }

    /// Has rounds read for peers as long as there is room for them, for one profile after the other.
    pub(super) fn read_rounds(&mut self) {
        while self.gives < self.config.gives_max.max(1) {
            let behind = |gave: &ProfileId| (Bound::Excluded(*gave), Bound::Unbounded);
            let after = self.gave.as_ref().map(behind);
            let waits = |(_, one): &(&ProfileId, &mut Served)| !one.held_back.is_empty();
            let mut next = after.and_then(|after| self.profiles.range_mut(after).find(waits));
            if next.is_none() {
                next = self.profiles.iter_mut().find(waits);
            }
            let Some((profile, served)) = next else {
                return;
            };
            let profile = *profile;
            let first = served.held_back.pop_front();
            let Some((peer, work)) = first.filter(|(peer, _)| self.peers.contains_key(peer)) else {
                continue;
            };
            if self.queued_bytes() > self.config.given_bytes {
                if let Some(served) = self.profiles.get_mut(&profile) {
                    served.held_back.push_front((peer, work));
                }
                return;
            }
            self.gave = Some(profile);
            self.gives = self.gives.saturating_add(1);
            self.run(profile, work);
        }
    }
}

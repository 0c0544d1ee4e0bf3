use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_engine::profile::sealed::ProfileId;

use super::config::HostConfig;
use super::connection::{Connection, NewConnection};
use super::event::{ConnectionId, Disconnect, Event, Fault, Output};
use super::memory::{Load, Memory};
use super::request::{Done, Reply};
use super::served::Served;
use super::status::{PeerStatus, Place};
use crate::wire::CloseReason;
use crate::{Misbehaviour, Peer, Timestamp, block_exchange, oplog_sync, reconcile, session};

/// Many connections and many profiles.
///
/// ```
/// use uxf_engine::profile::sealed::ProfileId;
/// use uxf_replication::Timestamp;
/// use uxf_replication::host::{ConnectionId, Event, Host, HostConfig, NewConnection, Output};
/// use uxf_replication::session::{ConnectionBinding, Side};
///
/// let mut host = Host::new(HostConfig::default());
/// let now = Timestamp::default();
/// host.handle(Event::Serve(ProfileId::from_bytes([2; 33])), now);
/// let binding = ConnectionBinding::of(b"dialer's identity", b"listener's identity");
/// let new = NewConnection { side: Side::Dialer, binding, seed: [7; 32] };
/// host.handle(Event::Connected(ConnectionId(1), new), now);
/// // Who dialled asks for a session of each profile.
/// assert!(matches!(host.poll_output(), Some(Output::Bytes(ConnectionId(1), _))));
/// assert!(host.poll_output().is_none());
/// ```
#[derive(Debug)]
pub struct Host {
    pub(super) config: HostConfig,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) profiles: BTreeMap<ProfileId, Served>,
    pub(super) peers: BTreeMap<Peer, Place>,
    pub(super) next_peer: u64,
    pub(super) memory: Memory,
    /// Those with whom there is a reason to reconcile.
    pub(super) to_reconcile: BTreeSet<Peer>,
    /// Rounds and answers that are being read for peers.
    pub(super) gives: usize,
    /// The profile for which one was read last.
    pub(super) gave: Option<ProfileId>,
    /// Whose machines may have something to say.
    pub(super) stirred_connections: BTreeSet<ConnectionId>,
    pub(super) stirred_profiles: BTreeSet<ProfileId>,
    pub(super) outputs: VecDeque<Output>,
}

impl Host {
    /// One without connections and profiles.
    pub fn new(config: HostConfig) -> Self {
        Self {
            config,
            connections: BTreeMap::new(),
            profiles: BTreeMap::new(),
            peers: BTreeMap::new(),
            next_peer: 0,
            memory: Memory::default(),
            to_reconcile: BTreeSet::new(),
            gives: 0,
            gave: None,
            stirred_connections: BTreeSet::new(),
            stirred_profiles: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Lets something happen.
    pub fn handle(&mut self, event: Event<'_>, now: Timestamp) {
        match event {
            Event::Serve(profile) => self.serve(profile, now),
            Event::Leave(profile) => self.leave(&profile, now),
            Event::Connected(connection, new) => self.connected(connection, new, now),
            Event::Disconnected(connection) => {
                self.forget(connection, now);
            }
            Event::Bytes(connection, bytes) => {
                self.tell_sessions(connection, session::Event::Bytes(bytes), now);
            }
            Event::Written(connection, bytes) => {
                if let Some(one) = self.connections.get_mut(&connection) {
                    one.written(bytes, now);
                    self.stirred_connections.insert(connection);
                }
            }
            Event::Reply(reply) => self.replied(reply, now),
            Event::Changed(profile) => {
                self.tell_sync(&profile, oplog_sync::Event::Changed, now);
            }
            Event::Refresh(connection) => {
                let peers = self.peers.iter();
                let peers = peers.filter(|(_, place)| place.connection == connection);
                let peers: Vec<(Peer, ProfileId)> =
                    peers.map(|(peer, place)| (*peer, place.profile)).collect();
                for (peer, profile) in peers {
                    self.tell_sync(&profile, oplog_sync::Event::Refresh(peer), now);
                }
            }
            Event::Fetch(profile, root, role) => {
                let fetch = block_exchange::Event::Fetch(root, role);
                self.tell_exchange(&profile, fetch, now);
            }
            Event::Ask(connection, profile, hashes) => {
                let of = |(_, place): &(&Peer, &Place)| {
                    place.connection == connection && place.profile == profile
                };
                if let Some(peer) = self.peers.iter().find(of).map(|(peer, _)| *peer) {
                    let ask = block_exchange::Event::Ask(peer, hashes);
                    self.tell_exchange(&profile, ask, now);
                }
            }
            Event::Cancel(profile, root) => {
                let cancel = block_exchange::Event::Cancel(root);
                self.tell_exchange(&profile, cancel, now);
            }
            Event::ShutDown => self.shut_down(now),
            Event::Timeout => self.time_out(now),
        }
        self.carry(now);
        self.begin_reconciling(now);
        self.carry(now);
        self.read_rounds();
        self.decide_reading(now);
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let profiles = self.profiles.values();
        let profiles = profiles.flat_map(|one| {
            [
                one.sync.next_timeout(),
                one.reconciler.next_timeout(),
                one.exchange.next_timeout(),
            ]
        });
        let connections = self.connections.values();
        let connections = connections.flat_map(|one| {
            [
                one.sessions.next_timeout(),
                one.write_deadline(&self.config),
            ]
        });
        let turn = self.memory.turn_deadline(&self.config).map(|(_, at)| at);
        let reconciling = self.reconciling_due();
        let others = connections.chain([turn, reconciling]);
        profiles.chain(others).flatten().min()
    }

    /// How things stand with each peer.
    pub fn status(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        self.peers.iter().map(|(peer, place)| {
            let served = self.profiles.get(&place.profile);
            let standing = served.and_then(|served| served.sync.standing_of(*peer));
            let standing = standing.unwrap_or_default();
            let talk = served.and_then(|served| served.reconciler.standing_of(*peer));
            let talk = talk.unwrap_or_default();
            PeerStatus {
                connection: place.connection,
                profile: place.profile,
                device: place.device,
                since: place.since,
                progress: standing.progress,
                taken: place.taken,
                given: standing.given,
                reconciled: place.reconciled,
                buffered_bytes: standing.buffered_bytes.saturating_add(talk.buffered_bytes),
                queued_bytes: standing.queued_bytes.saturating_add(talk.queued_bytes),
                is_acknowledged: standing.is_acknowledged,
                is_fresh: standing.is_fresh && !talk.is_open,
                is_paused: self.memory.is_paused(place.connection),
                problem: place.problem,
            }
        })
    }

    /// Roots of a profile that are being fetched.
    pub fn roots(
        &self,
        profile: &ProfileId,
    ) -> impl Iterator<Item = uxf_codec::ElementHash> + use<'_> {
        let served = self.profiles.get(profile);
        served.into_iter().flat_map(|one| one.exchange.roots())
    }

    /// Whether roots of a profile are being fetched that somebody may still give; those are not that nobody had who was asked.
    pub fn is_fetching(&self, profile: &ProfileId) -> bool {
        let served = self.profiles.get(profile);
        served.is_some_and(|one| one.exchange.is_busy())
    }

    /// Bytes that came over connections and are not taken in yet: frames, rounds of oplogs, and what is reconciled.
    pub fn buffered_bytes(&self) -> usize {
        let frames = self.connections.values();
        let frames = frames.map(|one| one.sessions.buffered_bytes());
        let rounds = self.profiles.values();
        let rounds = rounds.flat_map(|one| {
            let reconciled = one.reconciler.buffered_bytes();
            [one.sync.buffered_bytes(), reconciled]
        });
        frames.chain(rounds).sum()
    }

    /// The same of one connection.
    pub fn buffered_bytes_of(&self, connection: ConnectionId) -> usize {
        self.load_of(connection).bytes
    }

    /// Bytes that were read for peers, or made, and have not left.
    pub fn queued_bytes(&self) -> usize {
        let connections = self.connections.values().map(Connection::queued);
        let profiles = self.profiles.values();
        let profiles =
            profiles.flat_map(|one| [one.sync.queued_bytes(), one.reconciler.queued_bytes()]);
        connections.chain(profiles).sum()
    }

    /// Bytes of blocks of a profile that wait for others.
    pub fn held_bytes(&self, profile: &ProfileId) -> usize {
        let served = self.profiles.get(profile);
        served.map_or(0, |one| one.exchange.held_bytes())
    }

    fn serve(&mut self, profile: ProfileId, now: Timestamp) {
        if self.profiles.contains_key(&profile) {
            return;
        }
        self.profiles.insert(profile, Served::new(&self.config));
        self.tell_served();
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.open(connection, profile, now);
        }
    }

    fn leave(&mut self, profile: &ProfileId, now: Timestamp) {
        // The machines first: what they would say to each peer that leaves is of no use.
        self.profiles.remove(profile);
        self.tell_served();
        let peers = self.peers.iter();
        let peers = peers.filter(|(_, place)| place.profile == *profile);
        let peers: Vec<Peer> = peers.map(|(peer, _)| *peer).collect();
        for peer in peers {
            self.close_session(peer, CloseReason::Done, now);
        }
    }

    /// Closes one session and leaves the connection.
    pub(super) fn close_session(&mut self, peer: Peer, reason: CloseReason, now: Timestamp) {
        let Some(place) = self.peers.get(&peer) else {
            return;
        };
        let (connection, session) = (place.connection, place.session);
        let close = session::Event::Close(session, reason);
        self.tell_sessions(connection, close, now);
        self.forget_peer(peer, now);
    }

    fn tell_served(&mut self) {
        let serves: Vec<ProfileId> = self.profiles.keys().copied().collect();
        for connection in self.connections.values_mut() {
            connection.sessions.serve(serves.clone());
        }
    }

    fn connected(&mut self, connection: ConnectionId, new: NewConnection, now: Timestamp) {
        let is_full = self.connections.len() >= self.config.connections_max;
        if is_full || self.connections.contains_key(&connection) {
            let why = Disconnect::BackOff(Fault::Full);
            return self.outputs.push_back(Output::Close(connection, why));
        }
        let serves: Vec<ProfileId> = self.profiles.keys().copied().collect();
        let is_dialer = new.side == session::Side::Dialer;
        let one = Connection::new(&self.config, new, serves.clone());
        self.connections.insert(connection, one);
        // The other side opens what it serves when it begins to.
        for profile in serves.into_iter().filter(|_| is_dialer) {
            self.open(connection, profile, now);
        }
    }

    fn open(&mut self, connection: ConnectionId, profile: ProfileId, now: Timestamp) {
        if let Some(one) = self.connections.get_mut(&connection) {
            one.open(profile, now);
            self.stirred_connections.insert(connection);
        }
    }

    /// Forgets a connection; `false` if it is not known.
    fn forget(&mut self, connection: ConnectionId, now: Timestamp) -> bool {
        let Some(one) = self.connections.remove(&connection) else {
            return false;
        };
        self.memory.forget(connection);
        for peer in one.open.into_values() {
            self.forget_peer(peer, now);
        }
        true
    }

    pub(super) fn close(&mut self, connection: ConnectionId, why: Disconnect, now: Timestamp) {
        if self.forget(connection, now) {
            self.outputs.push_back(Output::Close(connection, why));
        }
    }

    /// Closes a connection because a machine wants to be rid of a peer.
    pub(super) fn blame(
        &mut self,
        connection: ConnectionId,
        reason: Option<Misbehaviour>,
        now: Timestamp,
    ) {
        let why = reason.map_or(Disconnect::BackOff(Fault::Silent), Disconnect::Ban);
        self.close(connection, why, now);
    }

    fn shut_down(&mut self, now: Timestamp) {
        let peers: Vec<Peer> = self.peers.keys().copied().collect();
        for peer in peers {
            self.close_session(peer, CloseReason::ShuttingDown, now);
        }
        self.carry(now);
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.close(connection, Disconnect::Done, now);
        }
    }

    fn replied(&mut self, reply: Reply, now: Timestamp) {
        let Reply { profile, done } = reply;
        match done {
            Done::Prove(connection, session, proof) => {
                let proof = match proof {
                    Ok(proof) => Some(proof),
                    Err(error) => {
                        self.outputs.push_back(Output::ProofFailed(profile, error));
                        None
                    }
                };
                let proven = session::Event::Proven(session, proof);
                self.tell_sessions(connection, proven, now);
            }
            Done::Check(connection, session, device) => {
                let checked = session::Event::Checked(session, device);
                self.tell_sessions(connection, checked, now);
            }
            Done::Sync(reply) => {
                if reply.reader().is_some() {
                    self.gives = self.gives.saturating_sub(1);
                }
                self.tell_sync(&profile, oplog_sync::Event::Store(reply), now);
            }
            Done::Reconcile(reply) => {
                if matches!(reply, reconcile::StoreReply::Answer(..)) {
                    self.gives = self.gives.saturating_sub(1);
                }
                self.tell_reconciler(&profile, reconcile::Event::Store(reply), now);
            }
            Done::Lone(peer, found) => self.found_lone(&profile, peer, found),
            Done::Blocks(reply) => {
                self.tell_exchange(&profile, block_exchange::Event::Store(reply), now);
            }
        }
    }

    fn time_out(&mut self, now: Timestamp) {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let profiles: Vec<ProfileId> = self.profiles.keys().copied().collect();
        for profile in profiles {
            let Some(one) = self.profiles.get(&profile) else {
                continue;
            };
            let sync = is_due(one.sync.next_timeout());
            let reconciler = is_due(one.reconciler.next_timeout());
            let exchange = is_due(one.exchange.next_timeout());
            if sync {
                self.tell_sync(&profile, oplog_sync::Event::Timeout, now);
            }
            if reconciler {
                self.tell_reconciler(&profile, reconcile::Event::Timeout, now);
            }
            if exchange {
                self.tell_exchange(&profile, block_exchange::Event::Timeout, now);
            }
        }
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            let Some(one) = self.connections.get(&connection) else {
                continue;
            };
            if is_due(one.write_deadline(&self.config)) {
                let why = Disconnect::BackOff(Fault::NotReading);
                self.close(connection, why, now);
            } else if is_due(one.sessions.next_timeout()) {
                self.tell_sessions(connection, session::Event::Timeout, now);
            }
        }
        let turn = self.memory.turn_deadline(&self.config);
        if let Some((holder, _)) = turn.filter(|(_, at)| *at <= now) {
            self.close(holder, Disconnect::BackOff(Fault::Slow), now);
        }
    }

    fn load_of(&self, connection: ConnectionId) -> Load {
        let Some(one) = self.connections.get(&connection) else {
            return Load::default();
        };
        let mut load = Load {
            bytes: one.sessions.buffered_bytes(),
            is_storing: false,
        };
        for peer in one.open.values() {
            let place = self.peers.get(peer);
            let served = place.and_then(|place| self.profiles.get(&place.profile));
            if let Some(standing) = served.and_then(|served| served.sync.standing_of(*peer)) {
                load.bytes = load.bytes.saturating_add(standing.buffered_bytes);
                load.is_storing |= standing.is_storing;
            }
            if let Some(talk) = served.and_then(|served| served.reconciler.standing_of(*peer)) {
                load.bytes = load.bytes.saturating_add(talk.buffered_bytes);
                load.is_storing |= talk.is_storing;
            }
        }
        load
    }

    /// Looks anew at what is buffered of a connection.
    pub(super) fn weigh(&mut self, connection: ConnectionId) {
        let load = self.load_of(connection);
        self.memory.set(&self.config, connection, load);
    }

    fn decide_reading(&mut self, now: Timestamp) {
        for connection in self.memory.connections() {
            self.weigh(connection);
        }
        for (connection, is_paused) in self.memory.decide(&self.config, now) {
            let output = if is_paused {
                Output::Pause(connection)
            } else {
                Output::Resume(connection)
            };
            self.outputs.push_back(output);
        }
    }
}

//! Hosts with engines in memory that are connected, and what is on its way between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Missing, VersionVector};
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::profile::{Delta, Profile};
use uxf_engine::{Durability, Engine, EngineOptions};

use super::super::*;
use crate::Timestamp;
use crate::oplog_sync::{Given, History, HistoryError, Taken};
use crate::session::{ConnectionBinding, Side};

/// A profile of a wallet on an engine of its own.
pub(super) fn profile(wallet: u8, device: &str) -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options).unwrap();
    let secret = WalletSecret::take(&mut [wallet; 32]);
    engine.profile(&secret, device).unwrap()
}

/// Writes so many commits of one value.
pub(super) fn fill(profile: &Profile, commits: usize, bytes: usize) {
    for commit in 0..commits {
        let mut batch = profile.engine().begin();
        let key = format!("app.{commit}");
        batch.put_value(profile, &key, &vec![7; bytes]).unwrap();
        batch.commit().unwrap();
    }
}

pub(super) struct Node {
    pub(super) host: Host,
    pub(super) profiles: Vec<Profile>,
    pub(super) seen: Vec<Output>,
    pub(super) metrics: HostMetrics,
    /// Requests that were not run.
    pub(super) requests: VecDeque<Request>,
    paused: BTreeSet<ConnectionId>,
    /// Logs whose beginning its store gives to nobody.
    pub(super) cut: BTreeSet<LogId>,
    /// Whether it gives the rest of a delta without its first commit.
    pub(super) has_gaps: bool,
    /// Greatest sum of what was buffered.
    pub(super) most_buffered: usize,
}

/// A history that answers of some logs that it does not keep their beginning, and may lack a commit without a word.
struct CutHistory<'h>(&'h Profile, &'h BTreeSet<LogId>, bool);

impl History for CutHistory<'_> {
    fn version_vector(&self) -> Result<VersionVector, HistoryError> {
        History::version_vector(self.0)
    }

    fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Given, HistoryError> {
        let ours = History::version_vector(self.0)?;
        let cut = ours
            .missing_from(theirs)
            .find(|missing| self.1.contains(&missing.log));
        if let Some(Missing { log, from, .. }) = cut {
            return Err(HistoryError::Compacted { log, seq: from });
        }
        let mut given = History::delta_for(self.0, theirs, bytes_max)?;
        if self.2 && !given.delta.commits.is_empty() {
            given.delta.commits.remove(0);
        }
        Ok(given)
    }

    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError> {
        History::ingest(self.0, delta)
    }
}

/// A connection is known by one number at both ends.
pub(super) struct Net {
    pub(super) nodes: Vec<Node>,
    ends: BTreeMap<ConnectionId, [usize; 2]>,
    flights: BTreeMap<(ConnectionId, usize), VecDeque<Vec<u8>>>,
    opened: u64,
    pub(super) now: u64,
    /// Nodes whose bytes never leave.
    pub(super) clogged: BTreeSet<usize>,
    /// Nodes whose store runs one request while forty pieces of each stream come.
    pub(super) slow: BTreeSet<usize>,
}

impl Net {
    pub(super) fn new(config: &HostConfig, profiles: Vec<Vec<Profile>>) -> Self {
        let nodes = profiles.into_iter().map(|profiles| {
            let mut host = Host::new(*config);
            for profile in &profiles {
                host.handle(Event::Serve(*profile.id()), Timestamp::default());
            }
            Node {
                host,
                profiles,
                seen: Vec::new(),
                metrics: HostMetrics::default(),
                requests: VecDeque::new(),
                paused: BTreeSet::new(),
                cut: BTreeSet::new(),
                has_gaps: false,
                most_buffered: 0,
            }
        });
        Self {
            nodes: nodes.collect(),
            ends: BTreeMap::new(),
            flights: BTreeMap::new(),
            opened: 0,
            now: 0,
            clogged: BTreeSet::new(),
            slow: BTreeSet::new(),
        }
    }

    pub(super) fn connect(&mut self, dialer: usize, listener: usize) -> ConnectionId {
        self.opened += 1;
        let connection = ConnectionId(self.opened);
        self.ends.insert(connection, [dialer, listener]);
        for (node, side) in [(listener, Side::Listener), (dialer, Side::Dialer)] {
            let binding = ConnectionBinding::of(&self.opened.to_be_bytes(), b"tests");
            let seed = [u8::from(side == Side::Dialer); 32];
            let new = NewConnection {
                side,
                binding,
                seed,
            };
            self.handle(node, Event::Connected(connection, new));
        }
        connection
    }

    pub(super) fn handle(&mut self, node: usize, event: Event<'_>) {
        let now = Timestamp::from_millis(self.now);
        let one = &mut self.nodes[node];
        one.host.handle(event, now);
        one.most_buffered = one.most_buffered.max(one.host.buffered_bytes());
        while let Some(output) = self.nodes[node].host.poll_output() {
            self.act(node, output);
        }
    }

    fn act(&mut self, node: usize, output: Output) {
        let one = &mut self.nodes[node];
        one.metrics.record(&output);
        match output {
            Output::Bytes(connection, bytes) => {
                let len = bytes.len();
                let Some([dialer, listener]) = self.ends.get(&connection) else {
                    return;
                };
                let to = if node == *dialer { *listener } else { *dialer };
                let flights = self.flights.entry((connection, to)).or_default();
                flights.extend(bytes.chunks(4_096).map(<[u8]>::to_vec));
                if !self.clogged.contains(&node) {
                    let written = Event::Written(connection, len);
                    one.host.handle(written, Timestamp::from_millis(self.now));
                }
            }
            Output::Run(request) => one.requests.push_back(request),
            Output::Pause(connection) => {
                one.paused.insert(connection);
            }
            Output::Resume(connection) => {
                one.paused.remove(&connection);
            }
            Output::Close(connection, why) => {
                one.seen.push(Output::Close(connection, why));
                self.disconnect(connection);
            }
            output => one.seen.push(output),
        }
    }

    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        for node in self.ends.remove(&connection).into_iter().flatten() {
            self.flights.remove(&(connection, node));
            self.handle(node, Event::Disconnected(connection));
        }
    }

    /// Delivers a piece of each stream that is read and then runs a request of each node, until nothing is left.
    pub(super) fn run(&mut self) {
        for turn in 0_u64.. {
            let mut is_quiet = true;
            let flights: Vec<(ConnectionId, usize)> = self.flights.keys().copied().collect();
            for (connection, to) in flights {
                if self.nodes[to].paused.contains(&connection) {
                    continue;
                }
                let flight = self.flights.get_mut(&(connection, to));
                if let Some(bytes) = flight.and_then(VecDeque::pop_front) {
                    is_quiet = false;
                    self.handle(to, Event::Bytes(connection, &bytes));
                }
            }
            let has_time = is_quiet || turn.is_multiple_of(40);
            for node in 0..self.nodes.len() {
                if !has_time && self.slow.contains(&node) {
                    continue;
                }
                if let Some(request) = self.nodes[node].requests.pop_front() {
                    is_quiet = false;
                    self.answer(node, request);
                }
            }
            if is_quiet {
                return;
            }
        }
    }

    fn answer(&mut self, node: usize, request: Request) {
        let profiles = self.nodes[node].profiles.iter();
        let profile = profiles.clone().find(|one| one.id() == request.profile());
        let profile = profile.unwrap();
        let one = &self.nodes[node];
        let reply = if one.cut.is_empty() && !one.has_gaps {
            request.run(profile)
        } else {
            request.run_with(profile, &CutHistory(profile, &one.cut, one.has_gaps))
        };
        self.handle(node, Event::Reply(reply));
    }

    /// Lets time pass and the timeouts happen that fall into it.
    pub(super) fn wait(&mut self, millis: u64) {
        let until = self.now + millis;
        loop {
            self.run();
            let nodes = self.nodes.iter().enumerate();
            let next = nodes.filter_map(|(node, one)| Some((one.host.next_timeout()?, node)));
            let next = next.min().map(|(at, node)| (at.as_millis(), node));
            let Some((at, node)) = next.filter(|(at, _)| *at <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(at);
            self.handle(node, Event::Timeout);
        }
    }

    /// Why a node closed connections.
    pub(super) fn closed(&self, node: usize) -> Vec<Disconnect> {
        let seen = self.nodes[node].seen.iter();
        seen.filter_map(|output| match output {
            Output::Close(_, why) => Some(why.clone()),
            _ => None,
        })
        .collect()
    }
}

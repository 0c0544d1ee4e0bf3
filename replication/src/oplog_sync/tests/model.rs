//! A history without signatures, and a network that carries bytes with a delay.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use uxf_engine::oplog::identity::{DeviceId, Epoch, LogId};
use uxf_engine::oplog::{CommitId, LogHead, VersionVector};
use uxf_engine::profile::Delta;

use super::super::*;
use crate::wire::{Frame, FrameReader, Message, SessionId};
use crate::{Misbehaviour, Peer, Timestamp};

pub(super) fn log(device: u8) -> LogId {
    LogId {
        device: DeviceId::unchecked([device; 32]),
        epoch: Epoch::from_u64(1),
    }
}

/// Commits of one operation each: device, sequence number, id of the one before, content.
#[derive(Debug, Default)]
pub(super) struct Model {
    logs: RefCell<BTreeMap<u8, Vec<Vec<u8>>>>,
    pub(super) kept_from: Cell<u64>,
    pub(super) forked: RefCell<BTreeSet<u8>>,
    pub(super) statements: RefCell<BTreeSet<Vec<u8>>>,
    /// Commits that were brought, new or not.
    pub(super) brought: Cell<usize>,
    pub(super) fails: Cell<bool>,
}

impl Model {
    pub(super) fn with(device: u8, count: usize) -> Self {
        let model = Self::default();
        for _ in 0..count {
            model.put(device, 0, 40);
        }
        model
    }

    pub(super) fn put(&self, device: u8, fill: u8, len: usize) {
        let mut logs = self.logs.borrow_mut();
        let log = logs.entry(device).or_default();
        let mut commit = vec![device];
        commit.extend_from_slice(&(log.len() as u64 + 1).to_be_bytes());
        commit.extend_from_slice(&last_id(log));
        commit.extend(vec![fill; len]);
        log.push(commit);
    }

    pub(super) fn state(&self) -> BTreeMap<u8, Vec<Vec<u8>>> {
        self.logs.borrow().clone()
    }

    pub(super) fn len(&self) -> usize {
        self.logs.borrow().values().map(Vec::len).sum()
    }
}

fn last_id(log: &[Vec<u8>]) -> [u8; 32] {
    log.last().map_or([0; 32], |last| blake3::hash(last).into())
}

fn head(device: u8, log: &[Vec<u8>], len: usize) -> LogHead {
    LogHead {
        next_seq: len as u64 + 1,
        head: (len > 0).then(|| CommitId::from_bytes(last_id(&log[..len]))),
        ..LogHead::empty(self::log(device))
    }
}

impl History for Model {
    fn version_vector(&self) -> Result<VersionVector, HistoryError> {
        let mut vector = VersionVector::default();
        for (device, log) in self.logs.borrow().iter() {
            vector.set(&head(*device, log, log.len())).unwrap();
        }
        Ok(vector)
    }

    fn delta_for(&self, theirs: &VersionVector, bytes_max: usize) -> Result<Given, HistoryError> {
        if self.fails.get() {
            return Err(HistoryError::Store("a broken disk".into()));
        }
        let mut given = Given::default();
        given.delta.certificates = self.statements.borrow().iter().cloned().collect();
        let mut bytes = 0;
        'logs: for (device, commits) in self.logs.borrow().iter() {
            if self.forked.borrow().contains(device) {
                continue;
            }
            let from = theirs
                .get(&log(*device))
                .map_or(1, |reached| reached.next_seq);
            for (commit, seq) in commits.iter().zip(1..) {
                if seq < from {
                    continue;
                }
                if seq < self.kept_from.get() {
                    let log = log(*device);
                    return Err(HistoryError::Compacted { log, seq });
                }
                if bytes > 0 && bytes + commit.len() > bytes_max {
                    given.delta.is_partial = true;
                    break 'logs;
                }
                bytes += commit.len();
                given.delta.commits.push(commit.clone());
                given.heads.retain(|head| head.log != log(*device));
                given
                    .heads
                    .push(head(*device, commits, usize::try_from(seq).unwrap()));
            }
        }
        Ok(given)
    }

    fn ingest(&self, delta: &Delta) -> Result<Taken, HistoryError> {
        let mut logs = self.logs.borrow().clone();
        let mut taken = Taken::default();
        self.brought.set(self.brought.get() + delta.commits.len());
        for commit in &delta.commits {
            let device = commit[0];
            let seq = u64::from_be_bytes(commit[1..9].try_into().unwrap());
            let have = logs.entry(device).or_default();
            let (log, at) = (log(device), usize::try_from(seq - 1).unwrap());
            if self.forked.borrow().contains(&device) {
                return Err(HistoryError::Refused { log });
            } else if at > have.len() {
                return Err(HistoryError::Gap { log });
            } else if at < have.len() && have[at] == *commit {
                taken.known += 1;
            } else if last_id(&have[..at]) != commit[9..41] {
                return Err(HistoryError::Contradicts { log });
            } else if at < have.len() {
                self.forked.borrow_mut().insert(device);
                self.statements.borrow_mut().insert(vec![0xf0, device]);
                return Err(HistoryError::Equivocation { log });
            } else {
                have.push(commit.clone());
                taken.new += 1;
            }
        }
        for statement in &delta.certificates {
            self.statements.borrow_mut().insert(statement.clone());
            if let [0xf0, device] = statement[..] {
                self.forked.borrow_mut().insert(device);
            }
        }
        *self.logs.borrow_mut() = logs;
        Ok(taken)
    }
}

pub(super) struct Node<H> {
    pub(super) sync: OplogSync,
    pub(super) history: H,
    pub(super) seen: Vec<Output>,
}

/// Bytes on their way: when they come, from whom, to whom.
struct Flight {
    at: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

/// Nodes of which each is peer `number` to every other, connected by streams with a delay.
pub(super) struct Net<H> {
    pub(super) nodes: Vec<Node<H>>,
    readers: BTreeMap<(usize, usize), FrameReader>,
    flights: Vec<Flight>,
    pub(super) delay: u64,
    pub(super) now: u64,
    /// Bytes that were sent from one to another, and after how many the stream breaks.
    pub(super) sent: BTreeMap<(usize, usize), usize>,
    pub(super) cuts: BTreeMap<(usize, usize), usize>,
    pub(super) most_buffered: usize,
    /// Who waits for an answer about a checkpoint of whom.
    asking: BTreeSet<(usize, usize)>,
}

impl<H: History> Net<H> {
    pub(super) fn new(config: SyncConfig, histories: Vec<H>) -> Self {
        let nodes = histories.into_iter().map(|history| Node {
            sync: OplogSync::new(config),
            history,
            seen: Vec::new(),
        });
        Self {
            nodes: nodes.collect(),
            readers: BTreeMap::new(),
            flights: Vec::new(),
            delay: 10,
            now: 0,
            sent: BTreeMap::new(),
            cuts: BTreeMap::new(),
            most_buffered: 0,
            asking: BTreeSet::new(),
        }
    }

    pub(super) fn connect(&mut self, one: usize, other: usize) {
        for (one, other) in [(one, other), (other, one)] {
            self.readers.insert((one, other), FrameReader::new());
            self.handle(one, Event::Connected(Peer::new(other as u64)));
        }
    }

    pub(super) fn connect_if_apart(&mut self, one: usize, other: usize) {
        if !self.readers.contains_key(&(one, other)) {
            self.connect(one, other);
        }
    }

    pub(super) fn disconnect(&mut self, one: usize, other: usize) {
        for (one, other) in [(one, other), (other, one)] {
            self.asking.remove(&(one, other));
            if self.readers.remove(&(one, other)).is_some() {
                self.flights
                    .retain(|flight| (flight.from, flight.to) != (one, other));
                self.handle(one, Event::Disconnected(Peer::new(other as u64)));
            }
        }
    }

    pub(super) fn handle(&mut self, node: usize, event: Event) {
        let now = Timestamp::from_millis(self.now);
        self.nodes[node].sync.handle(event, now);
        let buffered = self.nodes[node].sync.buffered_bytes();
        self.most_buffered = self.most_buffered.max(buffered);
        while let Some(output) = self.nodes[node].sync.poll_output() {
            match output {
                Output::Send(peer, message) => {
                    self.send(node, peer, message);
                    self.nodes[node].sync.handle(Event::Sent(peer), now);
                }
                Output::Store(request) => {
                    let reply = request.run(&self.nodes[node].history);
                    self.nodes[node].sync.handle(Event::Store(reply), now);
                }
                Output::Disconnect(peer, reason) => {
                    let other = usize::try_from(peer.number()).unwrap();
                    self.nodes[node].seen.push(Output::Disconnect(peer, reason));
                    self.disconnect(node, other);
                }
                output => self.nodes[node].seen.push(output),
            }
        }
    }

    fn send(&mut self, from: usize, to: Peer, message: Message) {
        let to = usize::try_from(to.number()).unwrap();
        let session = SessionId(0);
        match &message {
            Message::Compare(_) => assert!(self.asking.insert((from, to)), "two questions"),
            Message::Compared(_) => assert!(self.asking.remove(&(to, from))),
            _ => {}
        }
        let mut bytes = Frame { session, message }.encode();
        let sent = self.sent.entry((from, to)).or_default();
        if let Some(cut) = self.cuts.get(&(from, to)) {
            bytes.truncate(cut.saturating_sub(*sent));
        }
        *sent += bytes.len();
        let at = self.now + self.delay;
        if self.readers.contains_key(&(from, to)) {
            self.flights.push(Flight {
                at,
                from,
                to,
                bytes,
            });
        }
    }

    /// Lets everything come that comes until a time.
    pub(super) fn run(&mut self, until: u64) {
        loop {
            let flight = self.flights.iter().map(|flight| flight.at).min();
            let timeouts = self.nodes.iter().enumerate();
            let timeouts = timeouts.filter_map(|(number, node)| {
                Some((node.sync.next_timeout()?.as_millis().max(self.now), number))
            });
            let timeout = timeouts.min();
            let next = flight.into_iter().chain(timeout.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            self.now = next;
            if flight == Some(next) {
                let at = self.flights.iter().position(|flight| flight.at == next);
                let flight = self.flights.remove(at.unwrap());
                self.deliver(&flight);
            } else if let Some((_, node)) = timeout {
                self.handle(node, Event::Timeout);
            }
        }
    }

    fn deliver(&mut self, flight: &Flight) {
        let mut rest = &flight.bytes[..];
        let peer = Peer::new(flight.from as u64);
        while let Some(reader) = self.readers.get_mut(&(flight.to, flight.from)) {
            match reader.next(&mut rest) {
                Ok(Some(frame)) => self.handle(flight.to, Event::Message(peer, frame.message)),
                Ok(None) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reasons for which a node disconnected others.
    pub(super) fn reasons(&self, node: usize) -> Vec<Option<Misbehaviour>> {
        let seen = self.nodes[node].seen.iter();
        seen.filter_map(|output| match output {
            Output::Disconnect(_, reason) => Some(reason.clone()),
            _ => None,
        })
        .collect()
    }
}

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{LogHead, Reached, VersionVector};

use super::catch_up::CatchUps;
use super::history::{HistoryError, Taken};
use super::pull::{Promised, Run};
use super::push::Push;
use super::store::{Have, StoreReply, StoreRequest};
use crate::wire::{Message, ROUNDS_MAX, StatementsDigest};
use crate::{Misbehaviour, Peer, Timestamp};

/// Limits of the synchronising of one profile.
#[derive(Clone, Copy, Debug)]
pub struct SyncConfig {
    /// Bytes of commits after which a round is closed. Default 1 MiB; 1 to 64 MiB. Each round is one commit of the store
    /// of who takes it.
    pub round_bytes: usize,
    /// Longest round that is accepted, in bytes. Default 64 MiB. It bounds the checkpoint that can be taken: the engine
    /// takes one whole.
    pub round_bytes_max: usize,
    /// Longest checkpoint that is given whole to a peer that has a part of its log, in bytes of its entries. Default 1 MiB. Of a
    /// longer one it is given the signed header, and then what differs.
    pub whole_checkpoint_bytes: u64,
    /// Rounds sent that are not acknowledged. Default and most 2, at least 1.
    pub window: u32,
    /// Bytes of rounds that came and are not taken in yet, of all peers together. Default 128 MiB. A peer that brings
    /// more is disconnected.
    pub buffer_bytes_max: usize,
    /// Longest time without a part of a run that was asked for. Default 30 s.
    pub run_timeout: Duration,
    /// How long the first hello of a peer is waited for before others are asked. Default 2 s.
    pub hello_timeout: Duration,
    /// After what time what could not be had or taken is tried again. Default 30 s.
    pub retry: Duration,
    /// Most peers. Default 256.
    pub peers_max: usize,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            round_bytes: 1 << 20,
            round_bytes_max: 64 << 20,
            whole_checkpoint_bytes: 1 << 20,
            window: ROUNDS_MAX,
            buffer_bytes_max: 128 << 20,
            run_timeout: Duration::from_secs(30),
            hello_timeout: Duration::from_secs(2),
            retry: Duration::from_secs(30),
            peers_max: 256,
        }
    }
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A session with a peer is open.
    Connected(Peer),
    /// It is not any more.
    Disconnected(Peer),
    /// A peer sent a message.
    Message(Peer, Message),
    /// What was last to be sent to a peer has left: there is room for more.
    Sent(Peer),
    /// A request to the store was run.
    Store(StoreReply),
    /// Something was written to the profile here.
    Changed,
    /// A peer is to be asked once more for all that it has: what it told may be on its way.
    Refresh(Peer),
    /// The time that was asked for has come.
    Timeout,
}

/// What the driver has to do, or may want to know.
#[derive(Debug)]
pub enum Output {
    /// Send a message to a peer, and say when it has left.
    Send(Peer, Message),
    /// Run a request and give the reply back.
    Store(StoreRequest),
    /// A peer gave all it has; what came is taken in.
    Pulled(Peer, Taken),
    /// A peer has taken in all it was given.
    Pushed(Peer),
    /// A peer has a log up to an operation and does not keep its beginning any more: its live operations have to be reconciled.
    Reconcile(Peer, LogId, u64),
    /// A peer has a log up to an operation, and what it gave of it was refused, or it gave nothing: what counts of it may be had
    /// in another way.
    Stuck(Peer, LogId, u64),
    /// A device wrote two histories; the proof is in the store.
    Forked(LogId),
    /// The store failed. What was asked of it is tried again later.
    StoreFailed(HistoryError),
    /// The session with a peer is to be closed, and the peer banned if there is a reason. The peer is forgotten here.
    Disconnect(Peer, Option<Misbehaviour>),
}

/// How far a peer and this side are apart, in operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Those that this side has.
    pub have: u64,
    /// Those that the peer has and this side has not.
    pub want: u64,
    /// Those that this side has and the peer has not, as far as this side knows.
    pub lag: u64,
}

/// What there is to say of a connected peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStanding {
    /// How far it is; `None` before its first hello.
    pub progress: Option<Progress>,
    /// Commits and checkpoints that were read for it and sent, or are being sent.
    pub given: u64,
    /// Bytes that it sent and that are not taken in yet.
    pub buffered_bytes: usize,
    /// Whether some of these are whole and only wait for the store.
    pub is_storing: bool,
    /// Bytes that were read for it and not sent yet.
    pub queued_bytes: usize,
    /// Whether it has taken in all that it asked for, and has all that it was told of here.
    pub is_acknowledged: bool,
    /// Whether `progress` counts all that is in the store, and the peer is not in the middle of giving more.
    pub is_fresh: bool,
}

/// A peer, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct PeerState {
    /// Whether it was greeted.
    pub(super) is_greeted: bool,
    /// How far it is, as it said and as it was given; `None` before its first hello.
    pub(super) theirs: Option<VersionVector>,
    pub(super) statements: StatementsDigest,
    /// What it was told of the statements here.
    pub(super) told: StatementsDigest,
    /// How far it was told that this side is.
    pub(super) said: BTreeMap<LogId, u64>,
    /// What of that was news, until it is known to have it or is being given it.
    pub(super) told_heads: BTreeMap<LogId, u64>,
    /// Logs of whose ends it told this side, and how far: once that is here, from whomever, it is told so.
    pub(super) owed: BTreeMap<LogId, u64>,
    /// What it is given.
    pub(super) push: Option<Push>,
    /// Commits and checkpoints that it was given.
    pub(super) given: u64,
    /// Parts of rounds that were sent since it was last heard that all had left.
    pub(super) parts: u32,
    /// Whether something for it is being read, perhaps for a run that is over.
    pub(super) is_reading: bool,
    /// The run in which it gives.
    pub(super) run: Option<u32>,
    /// Whether it is to be asked once more, whatever it said.
    pub(super) is_doubted: bool,
    /// What it said it has of logs, and did not give: not asked for again before it says otherwise, or some time has
    /// passed.
    pub(super) tried: BTreeMap<LogId, u64>,
    pub(super) tried_statements: Option<StatementsDigest>,
}

/// Keeps the oplogs of one profile the same here and at the peers.
///
/// ```
/// use uxf_replication::oplog_sync::{Event, OplogSync, Output, StoreRequest, SyncConfig};
/// use uxf_replication::{Peer, Timestamp};
///
/// let mut sync = OplogSync::new(SyncConfig::default());
/// sync.handle(Event::Connected(Peer::new(1)), Timestamp::default());
/// // Before it can say how far it is, it has to ask the store.
/// assert!(matches!(sync.poll_output(), Some(Output::Store(StoreRequest::Have))));
/// ```
#[derive(Debug)]
pub struct OplogSync {
    pub(super) config: SyncConfig,
    pub(super) have: Option<Have>,
    is_asking: bool,
    is_stale: bool,
    pub(super) peers: BTreeMap<Peer, PeerState>,
    pub(super) runs: BTreeMap<u32, Run>,
    pub(super) next_run: u32,
    /// Logs of which nothing is asked for until a time.
    pub(super) avoid: BTreeMap<LogId, Timestamp>,
    /// How many operations at the end of a log are asked for again, because a peer has others there; none where the
    /// checkpoint is to come whole.
    pub(super) rewind: BTreeMap<LogId, u64>,
    /// Logs that are caught up with.
    pub(super) catch_ups: CatchUps,
    retry_at: Option<Timestamp>,
    pub(super) outputs: VecDeque<Output>,
}

impl OplogSync {
    /// One that knows no peer and has not seen the store.
    pub fn new(config: SyncConfig) -> Self {
        Self {
            config,
            have: None,
            is_asking: false,
            is_stale: false,
            peers: BTreeMap::new(),
            runs: BTreeMap::new(),
            next_run: 0,
            avoid: BTreeMap::new(),
            rewind: BTreeMap::new(),
            catch_ups: CatchUps::default(),
            retry_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// Lets something happen.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Connected(peer) => self.connected(peer),
            Event::Disconnected(peer) => self.forget(peer),
            Event::Message(peer, message) => {
                if self.peers.contains_key(&peer)
                    && let Err(reason) = self.take(peer, message, now)
                {
                    self.disconnect(peer, Some(reason));
                }
            }
            Event::Sent(peer) => self.sent(peer),
            Event::Store(reply) => self.replied(reply, now),
            Event::Changed => self.ask(),
            Event::Refresh(peer) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.is_doubted = true;
                }
            }
            Event::Timeout => self.time_out(now),
        }
        self.greet(now);
        self.plan(now);
        self.confirm();
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let runs = self.runs.values().filter_map(Run::deadline);
        let timeouts = runs.chain(self.retry_at);
        timeouts.chain(self.catch_ups.deadline()).min()
    }

    /// Bytes that came and are not taken in yet.
    pub fn buffered_bytes(&self) -> usize {
        let runs: usize = self.runs.values().map(Run::byte_len).sum();
        runs + self.catch_ups.byte_len()
    }

    /// Bytes that were read for peers and not sent yet.
    pub fn queued_bytes(&self) -> usize {
        let pushes = self.peers.values().filter_map(|state| state.push.as_ref());
        pushes.map(Push::byte_len).sum()
    }

    /// What is held of a peer, and how far it is; `None` if it is not connected.
    pub fn standing_of(&self, peer: Peer) -> Option<PeerStanding> {
        let state = self.peers.get(&peer)?;
        let run = state.run.and_then(|run| self.runs.get(&run));
        Some(PeerStanding {
            progress: self.progress(state),
            given: state.given,
            buffered_bytes: run.map_or(0, Run::byte_len) + self.catch_ups.byte_len_of(peer),
            is_storing: run.is_some_and(Run::is_storing) || self.catch_ups.is_adopting(peer),
            queued_bytes: state.push.as_ref().map_or(0, Push::byte_len),
            is_acknowledged: state.told_heads.is_empty()
                && state.push.as_ref().is_none_or(Push::is_acknowledged),
            is_fresh: !self.is_asking
                && run.is_none()
                && !state.is_doubted
                && !self.catch_ups.is_with(peer),
        })
    }

    /// Whether a peer is ready for something else: it has said how far it is, and is not in the middle of giving.
    pub fn is_settled(&self, peer: Peer) -> bool {
        let state = self.peers.get(&peer);
        let is_idle = state.is_some_and(|state| state.theirs.is_some() && state.run.is_none());
        is_idle && !self.catch_ups.is_with(peer)
    }

    fn progress(&self, state: &PeerState) -> Option<Progress> {
        let (theirs, ours) = (state.theirs.as_ref()?, &self.have.as_ref()?.vector);
        let count = |more: &VersionVector, less: &VersionVector| {
            let missing = more.missing_from(less);
            let counts = missing.map(|missing| missing.until.saturating_sub(missing.from));
            counts.fold(0, u64::saturating_add)
        };
        Some(Progress {
            have: count(ours, &VersionVector::default()),
            want: count(theirs, ours),
            lag: count(ours, theirs),
        })
    }

    fn connected(&mut self, peer: Peer) {
        if self.peers.len() >= self.config.peers_max {
            return self.outputs.push_back(Output::Disconnect(peer, None));
        }
        self.peers.entry(peer).or_default();
        if self.have.is_none() {
            self.ask();
        }
    }

    /// Asks the store what there is; once more if something changes before the answer is there.
    fn ask(&mut self) {
        if self.is_asking {
            self.is_stale = true;
        } else {
            self.is_asking = true;
            self.outputs.push_back(Output::Store(StoreRequest::Have));
        }
    }

    fn take(&mut self, peer: Peer, message: Message, now: Timestamp) -> Result<(), Misbehaviour> {
        let what = message.kind().name();
        match message {
            Message::Hello(hello) => {
                self.take_hello(peer, hello, now);
                Ok(())
            }
            Message::Announce(announce) => self.take_announce(peer, &announce),
            Message::Ack(run, round) => self.take_ack(peer, run, round),
            Message::Delta(part) => self.take_part(peer, &part, now),
            Message::Cut(cut) => self.take_cut(peer, &cut, now),
            Message::Compare(compare) => self.take_compare(peer, compare),
            Message::Entries(entries) => self.take_entries(peer, entries, now),
            Message::Compared(compared) => self.take_compared(peer, compared, now),
            _ => Err(Misbehaviour::OutOfTurn { what }),
        }
    }

    fn replied(&mut self, reply: StoreReply, now: Timestamp) {
        match reply {
            StoreReply::Have(have) => {
                self.is_asking = false;
                self.learn(have, now);
                if core::mem::take(&mut self.is_stale) {
                    self.ask();
                }
            }
            StoreReply::Give { peer, run, given } => {
                self.give(peer, run, given.map(|given| *given), now);
            }
            StoreReply::Take {
                run,
                round,
                taken,
                have,
            } => {
                self.learn(have, now);
                self.taken(run, round, taken, now);
            }
            StoreReply::CatchUp(reply) => self.caught_up(reply, now),
        }
    }

    /// Replies may overtake each other, so what is known only grows.
    pub(super) fn learn(&mut self, have: Result<Have, HistoryError>, now: Timestamp) {
        let have = match have {
            Ok(have) => have,
            Err(error) => return self.fail(error, now),
        };
        match &mut self.have {
            None => self.have = Some(have),
            Some(known) => {
                known.statements = have.statements;
                for (log, reached) in have.vector.iter() {
                    raise(&mut known.vector, log, reached);
                }
            }
        }
        let peers: Vec<Peer> = self.peers.keys().copied().collect();
        for peer in peers {
            self.announce(peer);
        }
    }

    pub(super) fn fail(&mut self, error: HistoryError, now: Timestamp) {
        self.outputs.push_back(Output::StoreFailed(error));
        self.retry_later(now);
    }

    pub(super) fn retry_later(&mut self, now: Timestamp) {
        let at = now + self.config.retry;
        self.retry_at = Some(self.retry_at.map_or(at, |before| before.min(at)));
    }

    pub(super) fn disconnect(&mut self, peer: Peer, reason: Option<Misbehaviour>) {
        self.forget(peer);
        self.outputs.push_back(Output::Disconnect(peer, reason));
    }

    /// Drops what is known of a peer. What it gave whole is still taken in.
    fn forget(&mut self, peer: Peer) {
        self.drop_catch_ups(peer);
        if let Some(state) = self.peers.remove(&peer)
            && let Some(run) = state.run
        {
            self.detach(run);
        }
    }

    fn time_out(&mut self, now: Timestamp) {
        let late = self.runs.iter();
        let late = late.filter(|(_, run)| run.deadline().is_some_and(|deadline| deadline <= now));
        let late: Vec<(u32, Peer)> = late.map(|(number, run)| (*number, run.peer())).collect();
        for (number, peer) in late {
            match self.runs.get_mut(&number) {
                // Others need not wait for who does not say what it has.
                Some(run) if run.is_blind() => {
                    run.see(Promised::default(), now + self.config.run_timeout);
                }
                _ => self.disconnect(peer, None),
            }
        }
        self.time_out_catch_ups(now);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.avoid.retain(|_, until| *until > now);
            if !self.avoid.is_empty() {
                self.retry_later(now);
            }
            for state in self.peers.values_mut() {
                state.tried.clear();
                state.tried_statements = None;
            }
            self.ask();
        }
    }
}

/// Whether a log is known up to a sequence number.
pub(super) fn reaches(vector: &VersionVector, log: &LogId, next_seq: u64) -> bool {
    vector.get(log).map_or(1, |known| known.next_seq) >= next_seq
}

/// Sets how far a log is known.
pub(super) fn set(vector: &mut VersionVector, log: LogId, reached: Reached) {
    let head = LogHead {
        next_seq: reached.next_seq,
        head: (reached.next_seq > 1).then_some(reached.head),
        ..LogHead::empty(log)
    };
    // A vector that is full stays as it is: what has no place in it is fetched once too often, not too seldom.
    vector.set(&head).unwrap_or_default();
}

/// Sets how far a log is known, if that is further than was known, or as far with another end.
pub(super) fn raise(vector: &mut VersionVector, log: LogId, reached: Reached) {
    let known = vector.get(&log).map_or(0, |known| known.next_seq);
    if reached.next_seq >= known {
        set(vector, log, reached);
    }
}

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{LogHead, Reached, VersionVector};

use super::history::{HistoryError, Taken};
use super::pull::Run;
use super::push::Push;
use super::store::{Have, StoreReply, StoreRequest};
use crate::wire::{AGAIN_MAX, Announce, Hello, Message, ROUNDS_MAX, SKIPS_MAX, StatementsDigest};
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
    /// A request to the store was run.
    Store(StoreReply),
    /// Something was written to the profile here.
    Changed,
    /// The time that was asked for has come.
    Timeout,
}

/// What the driver has to do, or may want to know.
#[derive(Debug)]
pub enum Output {
    /// Send a message to a peer.
    Send(Peer, Message),
    /// Run a request and give the reply back.
    Store(StoreRequest),
    /// A peer gave all it has; what came is taken in.
    Pulled(Peer, Taken),
    /// A peer has taken in all it was given.
    Pushed(Peer),
    /// A peer has a log whose beginning it does not keep any more: its live operations have to be reconciled.
    Reconcile(Peer, LogId),
    /// A device wrote two histories; the proof is in the store.
    Forked(LogId),
    /// The store failed. What was asked of it is tried again later.
    StoreFailed(HistoryError),
    /// The session with a peer is to be closed, and the peer banned if there is a reason. The peer is forgotten here.
    Disconnect(Peer, Option<Misbehaviour>),
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
    /// What it is given.
    pub(super) push: Option<Push>,
    /// Whether something for it is being read, perhaps for a run that is over.
    pub(super) is_reading: bool,
    /// The run in which it gives.
    pub(super) run: Option<u32>,
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
    next_run: u32,
    /// Logs of which nothing is asked for until a time.
    pub(super) avoid: BTreeMap<LogId, Timestamp>,
    /// How many operations at the end of a log are asked for again, because a peer has others there.
    pub(super) rewind: BTreeMap<LogId, u64>,
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
            Event::Store(reply) => self.replied(reply, now),
            Event::Changed => self.ask(),
            Event::Timeout => self.time_out(now),
        }
        self.greet(now);
        self.plan(now);
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let runs = self.runs.values().filter_map(Run::deadline);
        runs.chain(self.retry_at).min()
    }

    /// Bytes that came and are not taken in yet.
    pub fn buffered_bytes(&self) -> usize {
        self.runs.values().map(Run::byte_len).sum()
    }

    /// How far a peer is, as far as that is known, and what it lacks: logs that end earlier there.
    pub fn lag_of(&self, peer: Peer) -> Option<usize> {
        let theirs = self.peers.get(&peer)?.theirs.as_ref()?;
        Some(self.have.as_ref()?.vector.missing_from(theirs).count())
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
            _ => Err(Misbehaviour::OutOfTurn { what }),
        }
    }

    fn take_hello(&mut self, peer: Peer, hello: Hello, now: Timestamp) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let (pull, run) = (hello.is_pull, state.run);
        state.statements = hello.statements;
        state.theirs = Some(hello.vector.clone());
        if pull {
            self.begin_push(peer, hello);
        }
        if let Some(run) = run
            && self.runs.get(&run).is_some_and(Run::is_blind)
        {
            let mut claims = self.wanted_from(peer, Some(run));
            // Their ends were not asked for again.
            claims.retain(|log| !self.rewind.contains_key(log));
            let deadline = now + self.config.run_timeout;
            if let Some(run) = self.runs.get_mut(&run) {
                run.see(claims, deadline);
            }
        }
    }

    fn take_announce(&mut self, peer: Peer, announce: &Announce) -> Result<(), Misbehaviour> {
        let state = self.peers.get_mut(&peer);
        let Some((state, theirs)) = state.and_then(|state| {
            let theirs = state.theirs.take()?;
            Some((state, theirs))
        }) else {
            let what = "announce";
            return Err(Misbehaviour::OutOfTurn { what });
        };
        state.statements = announce.statements;
        let mut theirs = theirs;
        for (log, reached) in announce.heads.iter() {
            raise(&mut theirs, log, reached);
        }
        state.theirs = Some(theirs);
        Ok(())
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
            StoreReply::Give { peer, run, given } => self.give(peer, run, given, now),
            StoreReply::Take {
                run,
                round,
                taken,
                have,
            } => {
                self.learn(have, now);
                self.taken(run, round, taken, now);
            }
        }
    }

    /// Replies may overtake each other, so what is known only grows.
    fn learn(&mut self, have: Result<Have, HistoryError>, now: Timestamp) {
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

    /// Says what is new here to a peer that does not know it and is not being given it anyway.
    pub(super) fn announce(&mut self, peer: Peer) {
        let (Some(have), Some(state)) = (&self.have, self.peers.get_mut(&peer)) else {
            return;
        };
        // Hello comes first.
        if !state.is_greeted {
            return;
        }
        let is_being_given = state.push.as_ref().is_some_and(Push::goes_on);
        let Some(theirs) = state.theirs.as_mut().filter(|_| !is_being_given) else {
            return;
        };
        let mut heads = VersionVector::default();
        for missing in have.vector.missing_from(theirs) {
            if let Some(reached) = have.vector.get(&missing.log) {
                raise(&mut heads, missing.log, reached);
            }
        }
        if heads == VersionVector::default() && state.told == have.statements {
            return;
        }
        for (log, reached) in heads.iter() {
            raise(theirs, log, reached);
        }
        state.told = have.statements;
        let statements = have.statements;
        let announce = Message::Announce(Announce { statements, heads });
        self.outputs.push_back(Output::Send(peer, announce));
    }

    /// Says hello to new peers. Only one at a time is asked without knowing what it has, for two might give the same.
    fn greet(&mut self, now: Timestamp) {
        if self.have.is_none() {
            return;
        }
        let new = self.peers.iter().filter(|(_, state)| !state.is_greeted);
        let new: Vec<Peer> = new.map(|(peer, _)| *peer).collect();
        for peer in new {
            let wanted = match self.peers.get(&peer).map(|state| state.theirs.is_some()) {
                Some(true) => self.wanted_of(peer),
                _ if self.runs.values().any(Run::is_blind) => None,
                _ => Some(BTreeSet::new()),
            };
            self.say_hello(peer, wanted, now);
        }
    }

    /// Asks peers for what they have and nobody gives yet.
    fn plan(&mut self, now: Timestamp) {
        if self.runs.values().any(Run::is_blind) {
            return;
        }
        let peers: Vec<Peer> = self.peers.keys().copied().collect();
        for peer in peers {
            let Some(state) = self.peers.get(&peer) else {
                continue;
            };
            if !state.is_greeted || state.theirs.is_none() || state.run.is_some() {
                continue;
            }
            if let Some(wanted) = self.wanted_of(peer) {
                self.say_hello(peer, Some(wanted), now);
            }
        }
    }

    /// The logs that are wanted of a peer, perhaps none but its statements; `None` if there is nothing to ask it for.
    fn wanted_of(&mut self, peer: Peer) -> Option<BTreeSet<LogId>> {
        let wanted = self.wanted_from(peer, None);
        let (have, state) = (self.have.as_ref()?, self.peers.get(&peer)?);
        let is_tried = state.tried_statements == Some(state.statements);
        let differ = have.statements != state.statements && !is_tried;
        (differ || !wanted.is_empty()).then_some(wanted)
    }

    /// Logs of which a peer has more than is here and that nobody gives.
    pub(super) fn wanted_from(&mut self, peer: Peer, run: Option<u32>) -> BTreeSet<LogId> {
        let mut wanted = BTreeSet::new();
        let (Some(have), Some(state)) = (&self.have, self.peers.get(&peer)) else {
            return wanted;
        };
        let Some(theirs) = &state.theirs else {
            return wanted;
        };
        for log in have.vector.diverged(theirs) {
            self.rewind.entry(log).or_insert(1);
        }
        for (log, reached) in theirs.iter() {
            let ours = have.vector.get(&log).map_or(1, |reached| reached.next_seq);
            let is_more = reached.next_seq > ours || self.rewind.contains_key(&log);
            let is_tried = state.tried.get(&log) == Some(&reached.next_seq);
            let others = self.runs.iter().filter(|(number, _)| Some(**number) != run);
            let is_claimed = || others.clone().any(|(_, run)| run.claims(&log));
            if is_more && !is_tried && !self.avoid.contains_key(&log) && !is_claimed() {
                wanted.insert(log);
            }
        }
        wanted
    }

    /// Says hello; with logs to be given, a run begins.
    fn say_hello(&mut self, peer: Peer, wanted: Option<BTreeSet<LogId>>, now: Timestamp) {
        let Some(have) = &self.have else {
            return;
        };
        let mut skip: BTreeSet<LogId> = self.avoid.keys().copied().collect();
        for run in self.runs.values() {
            run.claimed(&mut skip);
        }
        if let Some(wanted) = &wanted {
            skip.retain(|log| !wanted.contains(log));
        }
        let again = self.rewind.iter().filter_map(|(log, back)| {
            wanted.as_ref().filter(|wanted| wanted.contains(log))?;
            let reached = have.vector.get(log)?;
            Some((*log, reached.next_seq.saturating_sub(*back).max(1)))
        });
        let again: Vec<(LogId, u64)> = again.take(AGAIN_MAX).collect();
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let run = self.next_run;
        self.next_run = self.next_run.wrapping_add(1);
        let hello = Hello {
            run,
            is_pull: wanted.is_some(),
            statements: have.statements,
            skip: skip.into_iter().take(SKIPS_MAX).collect(),
            again,
            vector: have.vector.clone(),
        };
        state.is_greeted = true;
        state.told = have.statements;
        if let Some(wanted) = wanted {
            let is_blind = state.theirs.is_none();
            let timeout = if is_blind {
                self.config.hello_timeout
            } else {
                self.config.run_timeout
            };
            state.run = Some(run);
            let begun = Run::new(peer, wanted, is_blind, now + timeout);
            self.runs.insert(run, begun);
        }
        self.outputs
            .push_back(Output::Send(peer, Message::Hello(hello)));
    }

    pub(super) fn disconnect(&mut self, peer: Peer, reason: Option<Misbehaviour>) {
        self.forget(peer);
        self.outputs.push_back(Output::Disconnect(peer, reason));
    }

    /// Drops what is known of a peer. What it gave whole is still taken in.
    fn forget(&mut self, peer: Peer) {
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
                    run.see(BTreeSet::new(), now + self.config.run_timeout);
                }
                _ => self.disconnect(peer, None),
            }
        }
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

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::answer::{Answer, AnswerLimits, answer, first_ranges};
use super::item::LiveOperation;
use super::source::{RangeSource, SourceError};
use crate::wire::{Message, OPERATIONS_BYTES_TARGET, OPERATIONS_MAX, RangeEntry};
use crate::{Misbehaviour, Peer, Timestamp};

/// Limits of reconciling.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReconcileConfig {
    /// Limits of one answer.
    pub answer: AnswerLimits,
    /// Further limits.
    pub patience: Patience,
}

/// How long a peer is listened to.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Most answers in a row that brought nothing new. Default 32: cutting a range of any size takes fewer.
    pub rounds_max: u32,
    /// Bytes of operations that came and are not taken in. Default 4 MiB.
    pub queue_bytes_max: usize,
    /// Longest time without an answer. Default 30 s.
    pub timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            rounds_max: 32,
            queue_bytes_max: 4 << 20,
            timeout: Duration::from_secs(30),
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
    /// What is live here and at a peer is to become the same.
    Begin(Peer),
    /// A peer sent a message.
    Message(Peer, Message),
    /// A request to the store was run.
    Store(StoreReply),
    /// The time that was asked for has come.
    Timeout,
}

/// What a reconciliation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Operations that came, and how many of them count here now.
    pub received: u64,
    /// See `received`.
    pub new: u64,
    /// Operations that were sent.
    pub sent: u64,
    /// Answers that were given.
    pub rounds: u32,
}

/// What the driver has to do, or may want to know.
#[derive(Debug)]
pub enum Output {
    /// Send a message to a peer.
    Send(Peer, Message),
    /// Run a request and give the reply back.
    Store(StoreRequest),
    /// Nothing is left to say to a peer.
    Done(Peer, Reconciled),
    /// The store failed; the reconciliation with a peer is over and may be begun again.
    StoreFailed(Peer, SourceError),
    /// The session with a peer is to be closed, and the peer banned if there is a reason. The peer is forgotten here.
    Disconnect(Peer, Option<Misbehaviour>),
}

/// Something to do with the store. The requests of one peer are one after the other.
#[derive(Clone, Debug)]
pub enum StoreRequest {
    /// Say with what to begin.
    First(Peer, AnswerLimits),
    /// Answer ranges.
    Answer(Peer, Vec<RangeEntry>, AnswerLimits),
    /// Verify operations and take them in.
    Apply(Peer, Vec<Vec<u8>>),
}

/// What came of a [`StoreRequest`].
#[derive(Debug)]
pub enum StoreReply {
    /// What is to be said.
    Answer(Peer, Result<Answer, SourceError>),
    /// How many operations came and how many count now; `None` if one did not verify.
    Apply(Peer, Option<Result<(usize, usize), SourceError>>),
}

impl StoreRequest {
    /// Does it. May take as long as a durable commit.
    pub fn run<S: RangeSource + ?Sized>(self, source: &S) -> StoreReply {
        match self {
            Self::First(peer, limits) => {
                let ranges = first_ranges(source, &limits);
                let operations = Vec::new();
                let answer = ranges.map(|ranges| Answer { operations, ranges });
                StoreReply::Answer(peer, answer)
            }
            Self::Answer(peer, ranges, limits) => {
                StoreReply::Answer(peer, answer(source, &ranges, &limits))
            }
            Self::Apply(peer, all) => {
                let count = all.len();
                let verified = all.into_iter();
                let verified: Result<Vec<_>, _> = verified
                    .map(|bytes| LiveOperation::verify(bytes, source.profile()))
                    .collect();
                let applied = verified.ok().map(|all| Ok((count, source.apply(all)?)));
                StoreReply::Apply(peer, applied)
            }
        }
    }
}

#[derive(Debug)]
enum Queued {
    Begin,
    Ranges(Vec<RangeEntry>),
    Operations(Vec<Vec<u8>>, usize),
}

#[derive(Debug, Default)]
struct PeerState {
    queue: VecDeque<Queued>,
    queue_bytes: usize,
    is_busy: bool,
    /// Since when an answer is waited for, and until when.
    deadline: Option<Timestamp>,
    /// Answers since something new came or went.
    idle: u32,
    sum: Reconciled,
}

/// Reconciles the live operations of one profile with peers.
///
/// ```
/// use uxf_replication::reconcile::{Event, Output, ReconcileConfig, Reconciler, StoreRequest};
/// use uxf_replication::{Peer, Timestamp};
///
/// let mut reconciler = Reconciler::new(ReconcileConfig::default());
/// let (peer, now) = (Peer::new(1), Timestamp::default());
/// reconciler.handle(Event::Connected(peer), now);
/// reconciler.handle(Event::Begin(peer), now);
/// assert!(matches!(reconciler.poll_output(), Some(Output::Store(StoreRequest::First(..)))));
/// ```
#[derive(Debug)]
pub struct Reconciler {
    config: ReconcileConfig,
    peers: BTreeMap<Peer, PeerState>,
    outputs: VecDeque<Output>,
}

impl Reconciler {
    /// One that knows no peer.
    pub const fn new(config: ReconcileConfig) -> Self {
        Self {
            config,
            peers: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Lets something happen.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Connected(peer) => {
                self.peers.entry(peer).or_default();
            }
            Event::Disconnected(peer) => {
                self.peers.remove(&peer);
            }
            Event::Begin(peer) => {
                let state = self.peers.get_mut(&peer);
                // One that goes on already comes to the same.
                if let Some(state) = state.filter(|state| state.deadline.is_none()) {
                    state.queue.push_back(Queued::Begin);
                }
                self.step(peer);
            }
            Event::Message(peer, message) => {
                if self.peers.contains_key(&peer)
                    && let Err(reason) = self.take(peer, message)
                {
                    return self.disconnect(peer, Some(reason));
                }
                self.step(peer);
            }
            Event::Store(StoreReply::Answer(peer, answer)) => self.answered(peer, answer, now),
            Event::Store(StoreReply::Apply(peer, applied)) => self.applied(peer, applied),
            Event::Timeout => {
                let late = self.peers.iter();
                let late = late.filter(|(_, state)| state.deadline.is_some_and(|at| at <= now));
                let late: Vec<Peer> = late.map(|(peer, _)| *peer).collect();
                for peer in late {
                    self.disconnect(peer, None);
                }
            }
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.peers.values().filter_map(|state| state.deadline).min()
    }

    /// Bytes of operations that came and are not taken in yet.
    pub fn buffered_bytes(&self) -> usize {
        self.peers.values().map(|state| state.queue_bytes).sum()
    }

    fn take(&mut self, peer: Peer, message: Message) -> Result<(), Misbehaviour> {
        let what = message.kind().name();
        let queue_bytes_max = self.config.patience.queue_bytes_max;
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        match message {
            Message::Ranges(ranges) => {
                // Both may have begun at once; more than that is a flood.
                let waiting = state.queue.iter();
                let waiting = waiting.filter(|one| matches!(one, Queued::Ranges(_)));
                if waiting.count() >= 2 {
                    return Err(Misbehaviour::TooMuch { what });
                }
                // From here on this side is the one that is waited for.
                state.deadline = None;
                state.queue.push_back(Queued::Ranges(ranges));
            }
            Message::Operations(all) => {
                let bytes: usize = all.iter().map(Vec::len).sum();
                state.queue_bytes += bytes;
                if state.queue_bytes > queue_bytes_max {
                    return Err(Misbehaviour::TooMuch { what });
                }
                state.queue.push_back(Queued::Operations(all, bytes));
            }
            _ => return Err(Misbehaviour::OutOfTurn { what }),
        }
        Ok(())
    }

    /// Has the next message of a peer dealt with, one after the other: an answer is given in the light of what came
    /// before it.
    fn step(&mut self, peer: Peer) {
        let limits = self.config.answer;
        while let Some(state) = self.peers.get_mut(&peer).filter(|state| !state.is_busy) {
            let request = match state.queue.pop_front() {
                None => return,
                Some(Queued::Begin) => StoreRequest::First(peer, limits),
                Some(Queued::Ranges(ranges)) if ranges.is_empty() => {
                    self.done(peer);
                    continue;
                }
                Some(Queued::Ranges(ranges)) => StoreRequest::Answer(peer, ranges, limits),
                Some(Queued::Operations(all, bytes)) => {
                    state.queue_bytes = state.queue_bytes.saturating_sub(bytes);
                    StoreRequest::Apply(peer, all)
                }
            };
            state.is_busy = true;
            self.outputs.push_back(Output::Store(request));
        }
    }

    fn done(&mut self, peer: Peer) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.deadline = None;
            state.idle = 0;
            let sum = core::mem::take(&mut state.sum);
            self.outputs.push_back(Output::Done(peer, sum));
        }
    }

    fn answered(&mut self, peer: Peer, answer: Result<Answer, SourceError>, now: Timestamp) {
        let patience = self.config.patience;
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.is_busy = false;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.failed(peer, error),
        };
        state.sum.sent += answer.operations.len() as u64;
        state.sum.rounds = state.sum.rounds.saturating_add(1);
        state.idle = state.idle.saturating_add(1);
        if !answer.operations.is_empty() {
            state.idle = 0;
        }
        if state.idle > patience.rounds_max {
            return self.disconnect(peer, None);
        }
        let is_done = answer.ranges.is_empty();
        state.deadline = (!is_done).then(|| now + patience.timeout);
        for operations in packed(answer.operations) {
            let operations = Message::Operations(operations);
            self.outputs.push_back(Output::Send(peer, operations));
        }
        let ranges = Message::Ranges(answer.ranges);
        self.outputs.push_back(Output::Send(peer, ranges));
        if is_done {
            self.done(peer);
        }
        self.step(peer);
    }

    fn applied(&mut self, peer: Peer, applied: Option<Result<(usize, usize), SourceError>>) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.is_busy = false;
        match applied {
            Some(Ok((received, new))) => {
                state.sum.received += received as u64;
                state.sum.new += new as u64;
                if new > 0 {
                    state.idle = 0;
                }
                self.step(peer);
            }
            None | Some(Err(SourceError::Refused)) => {
                let what = "an operation";
                self.disconnect(peer, Some(Misbehaviour::Forged { what }));
            }
            Some(Err(error)) => self.failed(peer, error),
        }
    }

    fn failed(&mut self, peer: Peer, error: SourceError) {
        if let Some(state) = self.peers.get_mut(&peer) {
            *state = PeerState::default();
        }
        self.outputs.push_back(Output::StoreFailed(peer, error));
    }

    fn disconnect(&mut self, peer: Peer, reason: Option<Misbehaviour>) {
        self.peers.remove(&peer);
        self.outputs.push_back(Output::Disconnect(peer, reason));
    }
}

/// Operations in messages of bounded size.
fn packed(operations: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let (mut messages, mut message, mut bytes) = (Vec::new(), Vec::new(), 0);
    for operation in operations {
        bytes += operation.len();
        message.push(operation);
        if bytes >= OPERATIONS_BYTES_TARGET || message.len() >= OPERATIONS_MAX {
            messages.push(core::mem::take(&mut message));
            bytes = 0;
        }
    }
    if !message.is_empty() {
        messages.push(message);
    }
    messages
}

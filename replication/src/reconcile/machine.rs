use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::answer::{Answer, AnswerLimits};
use super::request::{StoreReply, StoreRequest};
use super::source::SourceError;
use super::talk::{Queued, Talk};
use crate::wire::Message;
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
    /// Most answers in a row to which operations came, none of them counted here, and none was given for them. Default 16,
    /// which are 16 MiB and more.
    pub barren_max: u32,
    /// Bytes of operations that came and are not taken in. Default 6 MiB: what two answers at once may have.
    pub queue_bytes_max: usize,
    /// Longest time without an answer, or without operations before it. Default 30 s.
    pub timeout: Duration,
    /// How often a peer may begin at once, and after what time once more. Default 8, and 4 s. Beyond that it is told that
    /// there is nothing to say, and the store is not asked.
    pub begins_max: u32,
    /// See `begins_max`.
    pub begins_every: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            rounds_max: 32,
            barren_max: 16,
            queue_bytes_max: 6 << 20,
            timeout: Duration::from_secs(30),
            begins_max: 8,
            begins_every: Duration::from_secs(4),
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
    /// What was last to be sent to a peer has left: there is room for more.
    Sent(Peer),
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

impl Reconciled {
    /// Adds another one.
    pub const fn add(&mut self, other: &Self) {
        self.received = self.received.saturating_add(other.received);
        self.new = self.new.saturating_add(other.new);
        self.sent = self.sent.saturating_add(other.sent);
        self.rounds = self.rounds.saturating_add(other.rounds);
    }
}

/// What is held of a connected peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TalkStanding {
    /// Whether something is to be said by either side.
    pub is_open: bool,
    /// Bytes that it sent and that are not dealt with.
    pub buffered_bytes: usize,
    /// Whether the store is dealing with some of them.
    pub is_storing: bool,
    /// Bytes that wait to be sent to it.
    pub queued_bytes: usize,
}

/// What the driver has to do, or may want to know.
#[derive(Debug)]
pub enum Output {
    /// Send a message to a peer, and say when it has left.
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
    peers: BTreeMap<Peer, Talk>,
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
                // One that goes on already comes to the same.
                if let Some(talk) = self.peers.get_mut(&peer).filter(|talk| !talk.is_open) {
                    talk.begin();
                }
                self.step(peer);
            }
            Event::Message(peer, message) => {
                if let Err(reason) = self.take(peer, message, now) {
                    return self.disconnect(peer, Some(reason));
                }
                self.step(peer);
            }
            Event::Sent(peer) => {
                if let Some(talk) = self.peers.get_mut(&peer) {
                    talk.sent();
                }
                self.send(peer, now);
                self.step(peer);
            }
            Event::Store(reply) => self.replied(reply, now),
            Event::Timeout => {
                let late = self.peers.iter();
                let late = late.filter(|(_, talk)| talk.timeout().is_some_and(|at| at <= now));
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
        self.peers.values().filter_map(Talk::timeout).min()
    }

    /// Bytes that came and are not dealt with yet.
    pub fn buffered_bytes(&self) -> usize {
        self.peers.values().map(Talk::buffered_bytes).sum()
    }

    /// Bytes that were read for peers and not sent yet.
    pub fn queued_bytes(&self) -> usize {
        self.peers.values().map(Talk::queued_bytes).sum()
    }

    /// What is held of a peer; `None` if it is not connected.
    pub fn standing_of(&self, peer: Peer) -> Option<TalkStanding> {
        let talk = self.peers.get(&peer)?;
        Some(TalkStanding {
            is_open: talk.is_open,
            buffered_bytes: talk.buffered_bytes(),
            is_storing: talk.is_busy(),
            queued_bytes: talk.queued_bytes(),
        })
    }

    fn take(&mut self, peer: Peer, message: Message, now: Timestamp) -> Result<(), Misbehaviour> {
        let patience = self.config.patience;
        let Some(talk) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        // What comes before an answer shows that it is being given.
        talk.deadline = talk.deadline.map(|_| now + patience.timeout);
        match message {
            Message::Ranges(ranges) => {
                let every = patience.begins_every.as_millis();
                let every = u64::try_from(every).unwrap_or(u64::MAX);
                let begins = !talk.is_open && !ranges.is_empty();
                if begins && !talk.may_begin(patience.begins_max, every, now) {
                    talk.say(Answer::default());
                    self.send(peer, now);
                    return Ok(());
                }
                talk.is_open |= begins;
                talk.take_ranges(ranges)
            }
            Message::Operations(all) => talk.take_operations(all, patience.queue_bytes_max),
            Message::Value(value) => {
                let until = now + patience.timeout;
                talk.take_value(value, patience.queue_bytes_max, until)
            }
            message => {
                let what = message.kind().name();
                Err(Misbehaviour::OutOfTurn { what })
            }
        }
    }

    /// Has the next message of a peer dealt with, one after the other: an answer is given in the light of what came
    /// before it.
    fn step(&mut self, peer: Peer) {
        let limits = self.config.answer;
        while let Some(queued) = self.peers.get_mut(&peer).and_then(Talk::next) {
            let request = match queued {
                Queued::Begin => StoreRequest::First(peer, limits),
                Queued::Ranges(ranges, _) if ranges.is_empty() => {
                    if let Some(talk) = self.peers.get_mut(&peer) {
                        talk.finished();
                    }
                    self.done(peer);
                    continue;
                }
                Queued::Ranges(ranges, _) => StoreRequest::Answer(peer, ranges, limits),
                Queued::Operations(all, values, _) => StoreRequest::Apply(peer, all, values),
            };
            self.outputs.push_back(Output::Store(request));
        }
    }

    /// Hands out what there is room for.
    fn send(&mut self, peer: Peer, now: Timestamp) {
        let deadline = now + self.config.patience.timeout;
        while let Some(talk) = self.peers.get_mut(&peer) {
            let Some(message) = talk.next_outgoing() else {
                return;
            };
            if matches!(&message, Message::Ranges(ranges) if !ranges.is_empty()) {
                talk.deadline = Some(deadline);
            }
            self.outputs.push_back(Output::Send(peer, message));
        }
    }

    fn done(&mut self, peer: Peer) {
        if let Some(talk) = self.peers.get_mut(&peer) {
            let sum = talk.done();
            self.outputs.push_back(Output::Done(peer, sum));
        }
    }

    fn replied(&mut self, reply: StoreReply, now: Timestamp) {
        let (StoreReply::Answer(peer, _) | StoreReply::Apply(peer, _)) = &reply;
        let peer = *peer;
        let Some(talk) = self.peers.get_mut(&peer) else {
            return;
        };
        talk.finished();
        match reply {
            StoreReply::Answer(_, Ok(answer)) => self.answered(peer, answer, now),
            StoreReply::Apply(_, Some(Ok((received, new)))) => {
                talk.took(received as u64, new as u64);
            }
            StoreReply::Apply(_, None | Some(Err(SourceError::Refused))) => {
                let what = "an operation";
                self.disconnect(peer, Some(Misbehaviour::Forged { what }));
            }
            StoreReply::Answer(_, Err(error)) | StoreReply::Apply(_, Some(Err(error))) => {
                talk.give_up();
                self.send(peer, now);
                self.outputs.push_back(Output::StoreFailed(peer, error));
            }
        }
        self.step(peer);
    }

    fn answered(&mut self, peer: Peer, mut answer: Answer, now: Timestamp) {
        let patience = self.config.patience;
        let Some(talk) = self.peers.get_mut(&peer) else {
            return;
        };
        let given = answer.operations.len() as u64;
        if talk.answers(given) > patience.rounds_max {
            return self.disconnect(peer, None);
        }
        if talk.is_barren(given, patience.barren_max) {
            answer = Answer::default();
        }
        let is_done = answer.ranges.is_empty();
        talk.say(answer);
        self.send(peer, now);
        if is_done {
            self.done(peer);
        }
    }

    fn disconnect(&mut self, peer: Peer, reason: Option<Misbehaviour>) {
        self.peers.remove(&peer);
        self.outputs.push_back(Output::Disconnect(peer, reason));
    }
}

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_codec::ElementHash;

use super::ask::Question;
use super::fetch::Asked;
use super::graph::{FetchError, Graph};
use super::serve::Serving;
use super::store::{BlocksError, StoreReply, StoreRequest};
use crate::wire::{Message, REQUESTS_MAX, Role, WANTS_MAX};
use crate::{Misbehaviour, Peer, Timestamp};

/// Limits of the exchange of blocks.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeConfig {
    /// Most roots that are wanted at once. Default 1,024. Further ones are refused.
    pub roots_max: usize,
    /// Most blocks that are kept track of. Default 262,144, about 220 bytes each.
    pub wanted_max: usize,
    /// Bytes of blocks that wait for what they name, from which on only one block is asked for at a time. Default 8 MiB.
    pub held_bytes: usize,
    /// Bytes of such blocks with which a root is given up. Default 32 MiB.
    pub held_bytes_max: usize,
    /// Longest path from a root. Default 4,096, the format's own cap, and two for the blocks of a bundle.
    pub depth_max: u32,
    /// Bytes after which a batch of blocks goes to the store. Default 1 MiB.
    pub store_bytes: usize,
    /// Most blocks of one request. Default 256; 1 to 256.
    pub request_blocks: usize,
    /// Most requests to one peer at once. Default 3, so that one is answered while others are on their way; most 3, for there may be a
    /// question beside them.
    pub requests: usize,
    /// Longest time without an answer to a request. Default 15 s.
    pub request_timeout: Duration,
    /// After what time peers are asked again for what they did not have. Default 30 s.
    pub retry: Duration,
    /// Most peers. Default 256.
    pub peers_max: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            roots_max: 1_024,
            wanted_max: 262_144,
            held_bytes: 8 << 20,
            held_bytes_max: 32 << 20,
            depth_max: 4_098,
            store_bytes: 1 << 20,
            request_blocks: 256,
            requests: 3,
            request_timeout: Duration::from_secs(15),
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
    /// A root is wanted with all below it.
    Fetch(ElementHash, Role),
    /// A root is wanted no more.
    Cancel(ElementHash),
    /// A peer is to say which of these it has, at most [`WANTS_MAX`]. While an answer is awaited, a further question is dropped.
    Ask(Peer, Vec<ElementHash>),
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
    /// A root is in the store with all below it.
    Fetched(ElementHash),
    /// A root cannot be had.
    Failed(ElementHash, FetchError),
    /// A peer said which blocks it has, of those it was asked about.
    Told(Peer, Vec<(ElementHash, bool)>),
    /// The store failed. What was asked of it is tried again later.
    StoreFailed(BlocksError),
    /// The session with a peer is to be closed, and the peer banned if there is a reason. The peer is forgotten here.
    Disconnect(Peer, Option<Misbehaviour>),
}

/// Fetches blocks from peers and gives them some.
///
/// ```
/// use uxf_codec::ElementHash;
/// use uxf_replication::Timestamp;
/// use uxf_replication::block_exchange::{
///     BlockExchange, Event, ExchangeConfig, Output, Role, StoreRequest,
/// };
///
/// let mut exchange = BlockExchange::new(ExchangeConfig::default());
/// let root = ElementHash::of(b"not here");
/// exchange.handle(Event::Fetch(root, Role::Element), Timestamp::default());
/// // First it looks whether the root is in the store.
/// let Some(Output::Store(StoreRequest::Look(all))) = exchange.poll_output() else { panic!() };
/// assert_eq!(all, [(root, Role::Element)]);
/// ```
#[derive(Debug)]
pub struct BlockExchange {
    pub(super) config: ExchangeConfig,
    pub(super) graph: Graph,
    pub(super) is_looking: bool,
    /// Whether nothing is asked of the store until the next retry, because it failed.
    pub(super) is_paused: bool,
    /// What each peer was asked for, by the number of the request, and what it asks for.
    pub(super) peers: BTreeMap<Peer, BTreeMap<u32, Asked>>,
    pub(super) serving: BTreeMap<Peer, Serving>,
    /// What each peer was asked whether it has it.
    pub(super) questions: BTreeMap<Peer, Question>,
    pub(super) next_request: u32,
    pub(super) retry_at: Option<Timestamp>,
    pub(super) outputs: VecDeque<Output>,
}

impl BlockExchange {
    /// One that knows no peer and wants nothing.
    pub fn new(config: ExchangeConfig) -> Self {
        let request_blocks = config.request_blocks.clamp(1, WANTS_MAX);
        let config = ExchangeConfig {
            request_blocks,
            requests: config.requests.clamp(1, REQUESTS_MAX - 1),
            ..config
        };
        Self {
            config,
            graph: Graph::new(config),
            is_looking: false,
            is_paused: false,
            peers: BTreeMap::new(),
            serving: BTreeMap::new(),
            questions: BTreeMap::new(),
            next_request: 0,
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
            Event::Fetch(root, role) => self.fetch(root, role),
            Event::Cancel(root) => self.graph.drop_roots(&[root]),
            Event::Ask(peer, hashes) => self.ask_about(peer, hashes, now),
            Event::Timeout => self.time_out(now),
        }
        self.step(now);
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let asked = self.peers.values().flat_map(BTreeMap::values);
        let questions = self.questions.values().map(Question::deadline);
        let asked = asked.map(Asked::deadline).chain(questions);
        asked.chain(self.retry_at).min()
    }

    /// Bytes of blocks that are here and not in the store yet.
    pub const fn held_bytes(&self) -> usize {
        self.graph.held_bytes()
    }

    /// Blocks that are known to be needed and are not in the store yet.
    pub fn missing(&self) -> usize {
        self.graph.len()
    }

    /// The roots that are wanted.
    pub fn roots(&self) -> impl Iterator<Item = ElementHash> + '_ {
        self.graph.roots()
    }

    fn connected(&mut self, peer: Peer) {
        if self.peers.len() >= self.config.peers_max {
            return self.outputs.push_back(Output::Disconnect(peer, None));
        }
        self.peers.entry(peer).or_default();
        self.serving.entry(peer).or_default();
    }

    fn take(&mut self, peer: Peer, message: Message, now: Timestamp) -> Result<(), Misbehaviour> {
        let what = message.kind().name();
        match message {
            Message::Want(want) => self.take_want(peer, want),
            Message::Blocks(blocks) => self.take_blocks(peer, blocks, now),
            Message::Have(have) => self.take_have(peer, &have),
            _ => Err(Misbehaviour::OutOfTurn { what }),
        }
    }

    fn replied(&mut self, reply: StoreReply, now: Timestamp) {
        match reply {
            StoreReply::Look(looked) => self.looked(looked, now),
            StoreReply::Store(stored) => self.stored(stored, now),
            StoreReply::Read {
                peer,
                request,
                blocks,
            } => self.read(peer, request, blocks),
        }
    }

    pub(super) fn retry_later(&mut self, now: Timestamp) {
        let at = now + self.config.retry;
        self.retry_at = Some(self.retry_at.map_or(at, |before| before.min(at)));
    }

    pub(super) fn disconnect(&mut self, peer: Peer, reason: Option<Misbehaviour>) {
        self.forget(peer);
        self.outputs.push_back(Output::Disconnect(peer, reason));
    }

    fn forget(&mut self, peer: Peer) {
        self.serving.remove(&peer);
        self.questions.remove(&peer);
        for asked in self.peers.remove(&peer).unwrap_or_default().into_values() {
            for hash in asked.missing() {
                self.graph.give_back(hash, None);
            }
        }
    }

    fn time_out(&mut self, now: Timestamp) {
        let late =
            |asked: &BTreeMap<u32, Asked>| asked.values().any(|asked| asked.deadline() <= now);
        let late = self.peers.iter().filter(|(_, asked)| late(asked));
        let questions = self.questions.iter();
        let unanswered = questions.filter(|(_, question)| question.deadline() <= now);
        let late: BTreeSet<Peer> = late
            .map(|(peer, _)| *peer)
            .chain(unanswered.map(|(peer, _)| *peer))
            .collect();
        for peer in late {
            self.disconnect(peer, None);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.is_paused = false;
            self.graph.forget_tried();
        }
    }
}

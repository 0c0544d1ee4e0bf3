use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use cid::Cid;

use super::fetch::{Fetches, NotFound};
use super::message::Message;
use super::serve::Serving;
use super::store::{StoreReply, StoreRequest};
use crate::block_exchange::BlocksError;
use crate::{Peer, Timestamp};

/// Limits of a [`Bitswap`].
#[derive(Clone, Copy, Debug)]
pub struct BitswapConfig {
    /// Most peers. Default 256.
    pub peers_max: usize,
    /// Most blocks that are remembered to be wanted by one peer. Default 1,024, as Kubo has it.
    pub wants_max: usize,
    /// Most blocks that are read for one peer at once. Default 64.
    pub read_blocks: usize,
    /// Bytes after which reading for a peer stops until they have left. Default 512 KiB.
    pub read_bytes: usize,
    /// Most blocks that are wanted here at once. Default 8,192.
    pub fetches_max: usize,
    /// Most blocks that one peer is asked for at once. Default 128.
    pub asked_max: usize,
    /// Longest time without an answer, after which somebody else is asked. Default 10 s.
    pub request_timeout: Duration,
}

impl Default for BitswapConfig {
    fn default() -> Self {
        Self {
            peers_max: 256,
            wants_max: 1_024,
            read_blocks: 64,
            read_bytes: 512 << 10,
            fetches_max: 8_192,
            asked_max: 128,
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A peer that speaks the protocol is connected.
    Connected(Peer),
    /// It is not any more.
    Disconnected(Peer),
    /// A peer sent a message.
    Message(Peer, Message),
    /// A message to a peer has left.
    Sent(Peer),
    /// A request to the store was run.
    Store(StoreReply),
    /// A block is wanted.
    Fetch(Cid),
    /// A block is wanted no more.
    Cancel(Cid),
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
    /// A block that was wanted, whose bytes have the hash of its id.
    Block(Cid, Vec<u8>),
    /// A block that cannot be had.
    NotFound(Cid, NotFound),
    /// The store failed. To the peer its block counts as not here.
    StoreFailed(BlocksError),
    /// There is no room for a peer, which is not known here.
    Refuse(Peer),
}

/// Gives blocks to peers that name them and fetches some.
///
/// ```
/// use uxf_engine::bundles::parse_cid;
/// use uxf_replication::bitswap::{Bitswap, BitswapConfig, Event, Message, Output, Payload};
/// use uxf_replication::{Peer, Timestamp};
///
/// let mut bitswap = Bitswap::new(BitswapConfig::default());
/// let (peer, now) = (Peer::new(1), Timestamp::default());
/// let cid = parse_cid("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").unwrap();
/// bitswap.handle(Event::Connected(peer), now);
/// bitswap.handle(Event::Fetch(cid), now);
/// let Some(Output::Send(asked, message)) = bitswap.poll_output() else { panic!() };
/// assert_eq!((asked, message.wants[0].cid), (peer, cid));
/// let blocks = vec![Payload { cid, bytes: Vec::new() }];
/// bitswap.handle(Event::Message(peer, Message { blocks, ..Message::default() }), now);
/// assert!(matches!(bitswap.poll_output(), Some(Output::Block(found, _)) if found == cid));
/// ```
#[derive(Debug)]
pub struct Bitswap {
    pub(super) config: BitswapConfig,
    pub(super) serving: BTreeMap<Peer, Serving>,
    pub(super) fetches: Fetches,
    pub(super) outputs: VecDeque<Output>,
}

impl Bitswap {
    /// One that knows no peer and wants nothing.
    pub fn new(config: BitswapConfig) -> Self {
        let config = BitswapConfig {
            read_blocks: config.read_blocks.max(1),
            read_bytes: config.read_bytes.max(1),
            asked_max: config.asked_max.max(1),
            ..config
        };
        Self {
            config,
            serving: BTreeMap::new(),
            fetches: Fetches::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Lets something happen.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Connected(peer) => self.connected(peer),
            Event::Disconnected(peer) => {
                self.serving.remove(&peer);
                self.fetches.forget(peer);
            }
            Event::Message(peer, message) => self.take(peer, message),
            Event::Sent(peer) => self.sent(peer),
            Event::Store(reply) => self.replied(reply),
            Event::Fetch(cid) => self.fetch(cid),
            Event::Cancel(cid) => self.cancel(cid),
            Event::Timeout => self.time_out(now),
        }
        self.ask(now);
    }

    /// The next thing to do, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is wanted.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.fetches.next_deadline()
    }

    /// How many blocks are wanted here.
    pub fn fetching(&self) -> usize {
        self.fetches.len()
    }

    /// How many blocks a peer wants that it has no answer about yet.
    pub fn wanted_by(&self, peer: Peer) -> usize {
        self.serving.get(&peer).map_or(0, Serving::len)
    }

    fn connected(&mut self, peer: Peer) {
        if self.serving.len() >= self.config.peers_max {
            return self.outputs.push_back(Output::Refuse(peer));
        }
        self.serving.entry(peer).or_default();
        self.fetches.meet(peer);
    }

    fn take(&mut self, peer: Peer, message: Message) {
        if !self.serving.contains_key(&peer) {
            return;
        }
        // What it gives first: it may be what somebody waits for.
        for block in message.blocks {
            self.take_block(block);
        }
        for presence in message.presences.iter().filter(|one| !one.is_here) {
            self.fetches.is_not_at(&presence.cid, peer);
        }
        self.take_wants(peer, message.wants, message.is_full);
    }

    pub(super) fn send(&mut self, peer: Peer, message: Message) {
        if let Some(serving) = self.serving.get_mut(&peer) {
            serving.is_sent();
            self.outputs.push_back(Output::Send(peer, message));
        }
    }
}

//! Bitswap on real streams: a task beside the event loop, with a [`Bitswap`] of its own.
//!
//! It shares nothing with the sessions of devices but the connections. What peers sent that nobody asked for anything may be no longer
//! than a list of wants, so that strangers cannot have much kept for them.

mod blocks;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cid::Cid;
use futures_util::StreamExt as _;
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::{Control, IncomingStreams};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until};
use tracing::{debug, warn};
use uxf_codec::ElementHash;
use uxf_engine::Engine;

pub use self::blocks::BitswapBlocks;
use self::stream::{Streamed, read_all, write_all};
use super::error::NodeError;
use crate::bitswap::{
    Bitswap, BitswapConfig, Event, Message, NotFound, Output, PROTOCOL, StoreReply, StoreRequest,
};
use crate::block_exchange::{Blocks, BlocksError, NewBlock, Presence, ReadBlocks, Role};
use crate::{Peer, Timestamp};

/// Peers that are known at once.
const PEERS_MAX: usize = 256;
/// Streams that peers may have open to this node, all together and each. Each may keep part of a message.
const STREAMS_MAX: usize = 64;
const STREAMS_OF_PEER_MAX: usize = 4;
/// Messages of all streams that wait for the task.
const MESSAGES_MAX: usize = 4;
/// Without anything to do it looks after so long.
const IDLE: Duration = Duration::from_secs(60);

/// Where what was asked for goes: each block or why not.
pub(super) type Answers = mpsc::UnboundedSender<(Cid, Result<Vec<u8>, NotFound>)>;

/// What IPFS nodes get.
#[derive(Clone, Debug, Default)]
pub enum Gives {
    /// No blocks: some are only fetched.
    #[default]
    Nothing,
    /// Elements and opaque blocks of a store, for everybody who is connected and names the hash of one. Commits and checkpoints of
    /// oplogs are never given.
    BlocksOf(Engine),
}

/// What the event loop and the handles say to the task.
#[derive(Debug)]
pub(super) enum Call {
    /// Ask these peers, and whoever else is connected, for blocks.
    Fetch(Vec<PeerId>, Vec<Cid>, Answers),
    /// A peer is not connected any more, or cannot be.
    Gone(PeerId),
}

/// What is known of a peer.
#[derive(Debug)]
struct Remote {
    id: PeerId,
    /// Streams it has open to this node.
    streams: usize,
    /// Where messages to it go, if there were any.
    outgoing: Option<mpsc::UnboundedSender<Message>>,
    /// Whether it is one that blocks are asked of.
    is_asked: Arc<AtomicBool>,
}

/// The task.
pub(super) struct Exchange {
    machine: Bitswap,
    gives: Gives,
    control: Control,
    incoming: IncomingStreams,
    remotes: BTreeMap<Peer, Remote>,
    numbers: BTreeMap<PeerId, Peer>,
    next_peer: u64,
    waiting: BTreeMap<Cid, Vec<Answers>>,
    streamed: (mpsc::Sender<Streamed>, mpsc::Receiver<Streamed>),
    replies: (
        mpsc::UnboundedSender<StoreReply>,
        mpsc::UnboundedReceiver<StoreReply>,
    ),
    calls: mpsc::UnboundedReceiver<Call>,
    start: Instant,
}

impl Exchange {
    /// Speaks the protocol from now on.
    pub(super) fn new(
        mut control: Control,
        gives: Gives,
        calls: mpsc::UnboundedReceiver<Call>,
    ) -> Result<Self, NodeError> {
        let incoming = control.accept(StreamProtocol::new(PROTOCOL));
        let incoming = incoming.map_err(|error| NodeError::Transport(Box::new(error)))?;
        Ok(Self {
            machine: Bitswap::new(BitswapConfig {
                peers_max: PEERS_MAX,
                ..BitswapConfig::default()
            }),
            gives,
            control,
            incoming,
            remotes: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_peer: 0,
            waiting: BTreeMap::new(),
            streamed: mpsc::channel(MESSAGES_MAX),
            replies: mpsc::unbounded_channel(),
            calls,
            start: Instant::now(),
        })
    }

    /// Runs until the event loop is gone.
    pub(super) async fn run(mut self) {
        loop {
            let timeout = self.machine.next_timeout();
            let timeout = timeout.map(|at| self.start + Duration::from_millis(at.as_millis()));
            let wake = timeout.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                Some((peer, stream)) = self.incoming.next() => self.on_stream(peer, stream),
                Some(streamed) = self.streamed.1.recv() => self.on_streamed(streamed),
                Some(reply) = self.replies.1.recv() => self.tell(Event::Store(reply)),
                call = self.calls.recv() => match call {
                    Some(Call::Fetch(peers, cids, answers)) => self.fetch(&peers, &cids, &answers),
                    Some(Call::Gone(peer)) => self.forget(&peer),
                    None => return,
                },
                () = sleep_until(wake) => self.tell(Event::Timeout),
            }
        }
    }

    fn now(&self) -> Timestamp {
        let millis = self.start.elapsed().as_millis();
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn tell(&mut self, event: Event) {
        self.machine.handle(event, self.now());
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(peer, message) => self.send(peer, message),
                Output::Store(request) => self.read(request),
                Output::Block(cid, bytes) => self.answer(&cid, &Ok(bytes)),
                Output::NotFound(cid, why) => self.answer(&cid, &Err(why)),
                Output::StoreFailed(error) => {
                    warn!(%error, "the store failed at blocks for bitswap");
                }
                Output::Refuse(peer) => {
                    if let Some(remote) = self.remotes.remove(&peer) {
                        self.numbers.remove(&remote.id);
                    }
                }
            }
        }
    }

    fn answer(&mut self, cid: &Cid, answer: &Result<Vec<u8>, NotFound>) {
        for answers in self.waiting.remove(cid).unwrap_or_default() {
            // Who does not wait any more needs no answer.
            answers.send((*cid, answer.clone())).ok();
        }
    }

    /// Reads blocks on a thread that may block.
    fn read(&self, request: StoreRequest) {
        let (gives, replies) = (self.gives.clone(), self.replies.0.clone());
        tokio::task::spawn_blocking(move || {
            let reply = match gives {
                Gives::BlocksOf(engine) => request.run(&engine),
                Gives::Nothing => request.run(&Nothing),
            };
            // If the task is gone, so is whoever waits.
            replies.send(reply).ok();
        });
    }

    fn send(&mut self, peer: Peer, message: Message) {
        let Some(remote) = self.remotes.get_mut(&peer) else {
            return;
        };
        let outgoing = remote.outgoing.get_or_insert_with(|| {
            // Of what is read for a peer one message is on its way at a time; the machine sees to that.
            let (outgoing, to_write) = mpsc::unbounded_channel();
            let writing = write_all(
                self.control.clone(),
                (peer, remote.id),
                to_write,
                self.streamed.0.clone(),
            );
            tokio::spawn(writing);
            outgoing
        });
        // If its task is gone, word of that is on its way here.
        outgoing.send(message).ok();
    }

    fn fetch(&mut self, peers: &[PeerId], cids: &[Cid], answers: &Answers) {
        for peer in peers {
            let number = self.meet(*peer);
            if let Some(remote) = self.remotes.get(&number) {
                remote.is_asked.store(true, Ordering::Relaxed);
            }
        }
        for cid in cids {
            let waiting = self.waiting.entry(*cid).or_default();
            waiting.push(answers.clone());
            self.tell(Event::Fetch(*cid));
        }
    }

    /// The number of a peer, which is known from now on.
    fn meet(&mut self, id: PeerId) -> Peer {
        if let Some(peer) = self.numbers.get(&id) {
            return *peer;
        }
        if self.remotes.len() >= PEERS_MAX {
            self.forget_idle();
        }
        let peer = Peer::new(self.next_peer);
        self.next_peer = self.next_peer.saturating_add(1);
        self.numbers.insert(id, peer);
        let remote = Remote {
            id,
            streams: 0,
            outgoing: None,
            is_asked: Arc::default(),
        };
        self.remotes.insert(peer, remote);
        self.tell(Event::Connected(peer));
        peer
    }

    /// Makes room by forgetting a peer with which nothing goes on. It may be gone without word of it.
    fn forget_idle(&mut self) {
        let idle = self.remotes.iter().find(|(peer, remote)| {
            let is_asked = remote.is_asked.load(Ordering::Relaxed);
            remote.streams == 0 && !is_asked && self.machine.wanted_by(**peer) == 0
        });
        if let Some(id) = idle.map(|(_, remote)| remote.id) {
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &PeerId) {
        if let Some(peer) = self.numbers.remove(id) {
            self.remotes.remove(&peer);
            self.tell(Event::Disconnected(peer));
        }
    }

    fn on_stream(&mut self, id: PeerId, stream: Stream) {
        let peer = self.meet(id);
        let all: usize = self.remotes.values().map(|remote| remote.streams).sum();
        // It may be that there was no room for the peer.
        let Some(remote) = self.remotes.get_mut(&peer) else {
            return;
        };
        if all >= STREAMS_MAX || remote.streams >= STREAMS_OF_PEER_MAX {
            debug!(peer = %id, "a stream of bitswap too many");
            return;
        }
        remote.streams = remote.streams.saturating_add(1);
        let (is_asked, streamed) = (Arc::clone(&remote.is_asked), self.streamed.0.clone());
        tokio::spawn(async move {
            if let Err(error) = read_all(stream, peer, &is_asked, &streamed).await {
                debug!(peer = %id, %error, "a stream of bitswap ended");
            }
            streamed.send(Streamed::Ended(peer)).await.ok();
        });
    }

    fn on_streamed(&mut self, streamed: Streamed) {
        match streamed {
            Streamed::Message(peer, message) => self.tell(Event::Message(peer, message)),
            Streamed::Written(peer) => self.tell(Event::Sent(peer)),
            Streamed::Ended(peer) => {
                if let Some(remote) = self.remotes.get_mut(&peer) {
                    remote.streams = remote.streams.saturating_sub(1);
                }
            }
            Streamed::Failed(peer, error) => {
                if let Some(id) = self.remotes.get(&peer).map(|remote| remote.id) {
                    debug!(peer = %id, %error, "a peer does not take what it asked for by bitswap");
                    self.forget(&id);
                }
            }
        }
    }
}

/// A store of a node that gives nothing.
struct Nothing;

impl ReadBlocks for Nothing {
    fn look(&self, _: &ElementHash, _: Role) -> Result<Presence, BlocksError> {
        Ok(Presence::Absent)
    }

    fn read(&self, _: &ElementHash) -> Result<Option<Vec<u8>>, BlocksError> {
        Ok(None)
    }
}

impl Blocks for Nothing {
    fn reader(&self) -> Result<impl ReadBlocks, BlocksError> {
        Ok(Self)
    }

    fn store(&self, _: &[NewBlock]) -> Result<(), BlocksError> {
        Err(BlocksError::Gone)
    }
}

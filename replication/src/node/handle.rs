use core::time::Duration;
use std::thread::JoinHandle;

use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::bitswap::BitswapBlocks;
use super::block_on::block_on;
use super::builder::NodeBuilder;
use super::command::Command;
use super::error::{NodeError, SyncError};
use super::event::Events;
use super::keep::KnownPeer;
use super::status::{NodeStatus, Synced};

/// A way to a node that runs, for asynchronous code. It does not keep the node running.
///
/// Its futures want no runtime in particular.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    peer: PeerId,
    commands: mpsc::Sender<Command>,
}

impl NodeHandle {
    /// The node's identity on the network.
    pub const fn peer_id(&self) -> &PeerId {
        &self.peer
    }

    /// See [`Node::addresses`].
    ///
    /// # Errors
    /// [`NodeError::Closed`].
    pub async fn addresses(&self) -> Result<Vec<Multiaddr>, NodeError> {
        self.ask(Command::Addresses).await
    }

    /// See [`Node::status`].
    ///
    /// # Errors
    /// [`NodeError::Closed`].
    pub async fn status(&self) -> Result<NodeStatus, NodeError> {
        self.ask(Command::Status).await
    }

    /// See [`Node::events`].
    ///
    /// # Errors
    /// [`NodeError::Closed`].
    pub async fn events(&self) -> Result<Events, NodeError> {
        self.ask(Command::Events).await
    }

    /// See [`Node::sync_once`].
    ///
    /// # Errors
    /// All of [`SyncError`].
    pub async fn sync_once(
        &self,
        address: &Multiaddr,
        longest: Duration,
    ) -> Result<Synced, SyncError> {
        let peer = KnownPeer::of(address)?;
        let until = Instant::now() + longest;
        self.ask(|reply| Command::Sync(peer, until, reply)).await?
    }

    /// See [`Node::found`].
    ///
    /// # Errors
    /// [`NodeError::Unnamed`], [`NodeError::Closed`].
    pub async fn found(&self, address: &Multiaddr) -> Result<(), NodeError> {
        let found = Command::Found(KnownPeer::of(address)?);
        let sent = self.commands.send(found).await;
        sent.map_err(|_| NodeError::Closed)
    }

    /// Blocks of IPFS nodes, whose addresses end in `/p2p/` and their identities.
    ///
    /// # Errors
    /// [`NodeError::Unnamed`].
    pub fn bitswap_blocks(&self, peers: &[Multiaddr]) -> Result<BitswapBlocks, NodeError> {
        BitswapBlocks::new(self.clone(), peers)
    }

    /// Says something to the loop. If that is gone, so is what comes of it.
    pub(super) async fn send(&self, command: Command) {
        self.commands.send(command).await.ok();
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| NodeError::Closed)?;
        answer.await.map_err(|_| NodeError::Closed)
    }
}

/// A node that runs. Dropping it shuts it down.
///
/// Its calls block until the loop answers, on whatever thread; on one of an asynchronous runtime they would hold up what else
/// runs there, and [`handle`](Self::handle) is for that.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// A node to be.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    pub(super) const fn new(
        peer: PeerId,
        commands: mpsc::Sender<Command>,
        thread: JoinHandle<()>,
    ) -> Self {
        Self {
            handle: NodeHandle { peer, commands },
            thread: Some(thread),
        }
    }

    /// Its identity on the network.
    pub const fn peer_id(&self) -> &PeerId {
        &self.handle.peer
    }

    /// The same node for asynchronous code.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// The addresses it listens on, each with its identity at the end, once it listens on as many as it was told to.
    ///
    /// # Errors
    /// [`NodeError::Closed`].
    pub fn addresses(&self) -> Result<Vec<Multiaddr>, NodeError> {
        wait(self.handle.addresses())
    }

    /// How things stand.
    ///
    /// # Errors
    /// [`NodeError::Closed`].
    pub fn status(&self) -> Result<NodeStatus, NodeError> {
        wait(self.handle.status())
    }

    /// What happens from now on.
    ///
    /// # Errors
    /// [`NodeError::Closed`].
    pub fn events(&self) -> Result<Events, NodeError> {
        wait(self.handle.events())
    }

    /// Connects with a peer, unless that is done, and waits until neither lacks anything of the other: no operation, and no bundle that
    /// a profile names and one of the two has.
    ///
    /// # Errors
    /// All of [`SyncError`].
    pub fn sync_once(&self, address: &Multiaddr, longest: Duration) -> Result<Synced, SyncError> {
        block_on(self.handle.sync_once(address, longest), None)
            .unwrap_or(Err(SyncError::Node(NodeError::Closed)))
    }

    /// Says where a peer may be that somebody found: by a directory, by a picture of its address. It is tried, and again after a while if it
    /// was not there; if it is no device of a profile, it is left alone longer each time. Such peers are kept in mind until the node ends or
    /// others take their place: at most 256, with four addresses each.
    ///
    /// # Errors
    /// [`NodeError::Unnamed`], [`NodeError::Closed`].
    pub fn found(&self, address: &Multiaddr) -> Result<(), NodeError> {
        wait(self.handle.found(address))
    }

    /// Says goodbye to all peers and waits until everything has ended.
    pub fn shut_down(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        // If the loop is gone already, so is what there was to end.
        block_on(self.handle.commands.send(Command::End), None);
        thread.join().ok();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

fn wait<T>(answer: impl Future<Output = Result<T, NodeError>>) -> Result<T, NodeError> {
    block_on(answer, None).unwrap_or(Err(NodeError::Closed))
}

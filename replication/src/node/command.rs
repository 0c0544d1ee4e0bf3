use cid::Cid;
use libp2p::Multiaddr;
use tokio::sync::oneshot::Sender;
use tokio::time::Instant;

use super::bitswap::Answers;
use super::error::SyncError;
use super::event::Events;
use super::keep::KnownPeer;
use super::status::{NodeStatus, Synced};

/// What a handle asks of the loop.
#[derive(Debug)]
pub(super) enum Command {
    Addresses(Sender<Vec<Multiaddr>>),
    Status(Sender<NodeStatus>),
    Events(Sender<Events>),
    /// A peer was found, by whatever means.
    Found(KnownPeer),
    Sync(KnownPeer, Instant, Sender<Result<Synced, SyncError>>),
    /// Ask peers for blocks by bitswap. Without it the answers are dropped.
    Blocks(Vec<KnownPeer>, Vec<Cid>, Answers),
    End,
}

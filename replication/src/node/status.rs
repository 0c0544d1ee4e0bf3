use core::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::host::{Disconnect, HostMetrics, PeerStatus};

/// How things stand with a node.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NodeStatus {
    /// Each device it is connected with, and the node that device is on.
    pub peers: Vec<(PeerId, PeerStatus)>,
    /// The peers that it keeps connected with, and those that it left alone last.
    pub known: Vec<KnownStatus>,
    /// Bundles that its profiles name and that are not here.
    pub bundles_missing: usize,
    /// What it came to.
    pub metrics: NodeMetrics,
}

/// How things stand with a peer, whether or not it is connected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KnownStatus {
    /// The peer.
    pub peer: PeerId,
    /// Where it is, if it is kept connected with.
    pub address: Option<Multiaddr>,
    /// Whether it is connected.
    pub is_connected: bool,
    /// What went wrong last.
    pub last: Option<Disconnect>,
    /// After what time it is tried again, or may come again.
    pub free_in: Option<Duration>,
}

/// What a node came to since it started. Numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// What its host came to.
    pub host: HostMetrics,
    /// Bytes that came over streams.
    pub received_bytes_total: u64,
    /// Streams that were opened, by either side.
    pub streams_total: u64,
    /// Peers that were dialled.
    pub dials_total: u64,
    /// Peers that were not reached.
    pub dials_failed_total: u64,
    /// Streams that were dropped because their peer is banned, or had two already.
    pub streams_refused_total: u64,
}

/// What one synchronisation came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Synced {
    /// Profiles that both sides have.
    pub profiles: usize,
    /// Commits and checkpoints that came over this connection and were new.
    pub taken: u64,
    /// Commits and checkpoints that were given over this connection.
    pub given: u64,
    /// Operations that both sides have now.
    pub operations: u64,
    /// Bundles that both sides have now.
    pub bundles: usize,
    /// Bundles that the profiles name and that neither side has.
    pub bundles_missing: usize,
}

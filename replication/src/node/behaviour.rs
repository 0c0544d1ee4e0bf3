use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
#[cfg(any(feature = "gossip", feature = "mdns", feature = "memory-limits"))]
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, connection_limits, identify, ping};

use super::builder::NodeBuilder;

/// The name under which sessions are carried.
pub(super) const SYNC: StreamProtocol = StreamProtocol::new("/uxf/sync/1");

/// Connections that are being made at once, in either direction.
const PENDING_MAX: u32 = 64;
/// Connections with one peer: both may dial at once.
const PER_PEER_MAX: u32 = 2;

/// What a node speaks besides its own protocols.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    #[cfg(feature = "memory-limits")]
    memory: Toggle<libp2p::memory_connection_limits::Behaviour>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) streams: libp2p_stream::Behaviour,
    /// The driver makes it, and drops it when too much is announced.
    #[cfg(feature = "mdns")]
    pub(super) mdns: Toggle<libp2p::mdns::tokio::Behaviour>,
    /// Whoever starts the node makes it, if that is wanted.
    #[cfg(feature = "gossip")]
    pub(super) gossip: Toggle<super::gossip::Behaviour>,
    #[cfg(feature = "discovery")]
    pub(super) discovery: super::discovery::Behaviour,
}

impl Behaviour {
    pub(super) fn new(key: &Keypair, options: &NodeBuilder) -> Self {
        let connections_max = u32::try_from(options.host.connections_max).unwrap_or(u32::MAX);
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_established(Some(connections_max))
            .with_max_established_per_peer(Some(per_peer_max(options)))
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_pending_outgoing(Some(PENDING_MAX));
        let identify = identify::Config::new("/uxf/1".to_owned(), key.public())
            .with_agent_version(concat!("uxf/", env!("CARGO_PKG_VERSION")).to_owned())
            // Who was connected before it was listened anywhere is to know where, too.
            .with_push_listen_addr_updates(true);
        Self {
            limits: connection_limits::Behaviour::new(limits),
            #[cfg(feature = "memory-limits")]
            memory: Toggle::from(
                options
                    .memory_max
                    .map(libp2p::memory_connection_limits::Behaviour::with_max_bytes),
            ),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            streams: libp2p_stream::Behaviour::new(),
            #[cfg(feature = "mdns")]
            mdns: Toggle::from(None),
            #[cfg(feature = "gossip")]
            gossip: Toggle::from(None),
            #[cfg(feature = "discovery")]
            discovery: super::discovery::Behaviour::new(
                key.public().to_peer_id(),
                &options.discovery,
                !options.listen.is_empty(),
            ),
        }
    }
}

#[cfg(feature = "discovery")]
const fn per_peer_max(options: &NodeBuilder) -> u32 {
    // Direct ones take the place of those over a relay.
    let ways = if options.discovery.relayed { 2 } else { 1 };
    ways * PER_PEER_MAX
}

#[cfg(not(feature = "discovery"))]
const fn per_peer_max(_: &NodeBuilder) -> u32 {
    PER_PEER_MAX
}

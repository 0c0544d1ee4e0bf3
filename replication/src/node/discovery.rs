use core::num::NonZeroUsize;
use core::time::Duration;

use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, PeerId, StreamProtocol, autonat, dcutr, kad, relay};

/// The routing table of uxf's nodes, which is nobody else's.
pub(super) const ROUTING: StreamProtocol = StreamProtocol::new("/uxf/kad/1");
/// Longest message about routes, in bytes.
const ROUTING_BYTES_MAX: usize = 16 << 10;
/// Longest time in which a peer is looked for.
const LOOK_UP: Duration = Duration::from_secs(15);

/// Ways to find and to reach peers that are further away. All of them are off by default.
///
/// None of them decides who is a device of a profile: they say where to try, or carry bytes that nobody on the way can read.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way by itself, and most go together"
)]
pub struct Discovery {
    /// Takes part in a routing table of uxf's nodes (Kademlia, under a name of its own), in which peers are found by their identities:
    /// an address may then be only `/p2p/` and an identity. Nothing but addresses of nodes is kept. A node that listens
    /// answers others; they learn its identity and addresses.
    pub routing: bool,
    /// Can be reached, and reaches others, by way of relays: addresses with `/p2p-circuit`, to listen on or to dial.
    pub relayed: bool,
    /// Is a relay for others, whoever they are, within these limits.
    pub relay: Option<RelayLimits>,
    /// Makes direct connections out of relayed ones where that can be done (`DCUtR`). Wants `relayed`.
    pub hole_punching: bool,
    /// Asks peers whether this node can be reached from outside, and tries that for them (`AutoNAT`, version 2).
    pub reachability: bool,
    /// Addresses at which this node can be reached from outside. A relay without any says those it listens on.
    pub external: Vec<Multiaddr>,
}

/// What a relay does for others.
#[derive(Clone, Copy, Debug)]
pub struct RelayLimits {
    /// Peers that can be reached over it. Default 128. Each takes a connection.
    pub reservations_max: usize,
    /// Connections over it at once. Default 16.
    pub circuits_max: usize,
    /// The same from or to one peer. Default 4.
    pub circuits_per_peer_max: usize,
    /// Longest time for which one stays. Default one hour; who is cut off connects anew.
    pub circuit_duration: Duration,
    /// Bytes that go over one. Default 256 MiB.
    pub circuit_bytes: u64,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            reservations_max: 128,
            circuits_max: 16,
            circuits_per_peer_max: 4,
            circuit_duration: Duration::from_secs(60 * 60),
            circuit_bytes: 256 << 20,
        }
    }
}

fn toggle<B: libp2p::swarm::NetworkBehaviour>(
    is_on: bool,
    behaviour: impl FnOnce() -> B,
) -> Toggle<B> {
    Toggle::from(is_on.then(behaviour))
}

/// What a node speaks for all that.
#[derive(libp2p::swarm::NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) routing: Toggle<kad::Behaviour<MemoryStore>>,
    /// Whoever made the transport over relays has this too.
    pub(super) relayed: Toggle<relay::client::Behaviour>,
    relay: Toggle<relay::Behaviour>,
    hole_punching: Toggle<dcutr::Behaviour>,
    pub(super) asks_reachability: Toggle<autonat::v2::client::Behaviour>,
    tries_reachability: Toggle<autonat::v2::server::Behaviour>,
}

impl Behaviour {
    pub(super) fn new(peer: PeerId, options: &Discovery, listens: bool) -> Self {
        let limits = options.relay.unwrap_or_default();
        Self {
            routing: toggle(options.routing, || routing(peer, listens)),
            relayed: Toggle::from(None),
            relay: toggle(options.relay.is_some(), || relay(peer, &limits)),
            hole_punching: toggle(options.hole_punching && options.relayed, || {
                dcutr::Behaviour::new(peer)
            }),
            asks_reachability: toggle(
                options.reachability,
                autonat::v2::client::Behaviour::default,
            ),
            tries_reachability: toggle(
                options.reachability,
                autonat::v2::server::Behaviour::default,
            ),
        }
    }
}

fn routing(peer: PeerId, listens: bool) -> kad::Behaviour<MemoryStore> {
    // Nobody's records are kept.
    let store = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: 0,
        max_provided_keys: 0,
    };
    let store = MemoryStore::with_config(peer, store);
    let mut config = kad::Config::new(ROUTING);
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_max_packet_size(ROUTING_BYTES_MAX)
        .set_query_timeout(LOOK_UP)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .disjoint_query_paths(true);
    if let Some(parallel) = NonZeroUsize::new(3) {
        config.set_parallelism(parallel);
    }
    let mut routing = kad::Behaviour::with_config(peer, store, config);
    // Who cannot be reached is of no use to others.
    routing.set_mode(Some(if listens {
        kad::Mode::Server
    } else {
        kad::Mode::Client
    }));
    routing
}

fn relay(peer: PeerId, limits: &RelayLimits) -> relay::Behaviour {
    let config = relay::Config {
        max_reservations: limits.reservations_max,
        max_circuits: limits.circuits_max,
        max_circuits_per_peer: limits.circuits_per_peer_max,
        max_circuit_duration: limits.circuit_duration,
        max_circuit_bytes: limits.circuit_bytes,
        ..relay::Config::default()
    };
    relay::Behaviour::new(peer, config)
}

//! Peers that are further away.

use std::collections::{HashMap, HashSet};

use libp2p::core::transport::ListenerId;
use libp2p::kad::{Event as RoutingEvent, GetClosestPeersError, PeerInfo, QueryId, QueryResult};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, PeerId, identify};
use tokio::time::{Duration, Instant};
use tracing::{debug, info, warn};

use super::super::builder::NodeBuilder;
use super::super::discovery::{BehaviourEvent as DiscoveryEvent, ROUTING};
use super::super::keep::KnownPeer;
use super::Driver;

/// Addresses of one peer that are kept in mind or tried, whoever says them.
const ADDRESSES_MAX: usize = 8;
/// Longest such address, in bytes.
const ADDRESS_BYTES_MAX: usize = 256;
/// Peers that are looked for at once.
const LOOK_UPS_MAX: usize = 16;
/// Addresses under which peers say they see this node, after which none of them is asked any more whether that is so.
const SEEN_MAX: usize = 256;
/// After so long a relay is asked again whether this node can be reached over it.
const RESERVE: Duration = Duration::from_secs(5);

/// What is known of ways to peers.
#[derive(Default)]
pub(super) struct Ways {
    /// Whether peers can be looked for.
    has_routing: bool,
    looked_for: HashMap<QueryId, PeerId>,
    /// Whether this node is a relay that was not told where it can be reached.
    says_where: bool,
    /// Addresses on relays that are to be listened on.
    circuits: Vec<Circuit>,
    seen: HashSet<Multiaddr>,
}

struct Circuit {
    address: Multiaddr,
    listener: Option<ListenerId>,
    next_at: Instant,
}

impl Ways {
    pub(super) fn new(options: &NodeBuilder) -> Self {
        let now = Instant::now();
        let circuits = options.listen.iter();
        let circuits = circuits.filter(|address| options.is_on_relay(address));
        let circuits = circuits.map(|address| Circuit {
            address: address.clone(),
            listener: None,
            next_at: now,
        });
        let discovery = &options.discovery;
        Self {
            has_routing: discovery.routing,
            says_where: discovery.relay.is_some() && discovery.external.is_empty(),
            circuits: circuits.collect(),
            ..Self::default()
        }
    }
}

impl Driver {
    /// Tells the swarm where the node can be reached.
    pub(super) fn say_where(&mut self, external: &[Multiaddr]) {
        for address in external {
            self.swarm.add_external_address(address.clone());
        }
    }

    /// The node listens on an address.
    pub(super) fn is_listening(&mut self, address: &Multiaddr) {
        let is_relayed = address.iter().any(|part| part == Protocol::P2pCircuit);
        if self.ways.says_where && !is_relayed {
            self.swarm.add_external_address(address.clone());
        }
    }

    /// Listens on relays where that is to be done.
    pub(super) fn listen_on_relays(&mut self, now: Instant) {
        for circuit in &mut self.ways.circuits {
            if circuit.listener.is_some() || circuit.next_at > now {
                continue;
            }
            circuit.next_at = now + RESERVE;
            match self.swarm.listen_on(circuit.address.clone()) {
                Ok(listener) => circuit.listener = Some(listener),
                Err(error) => warn!(address = %circuit.address, %error, "a relay cannot be used"),
            }
        }
    }

    /// An address is not listened on any more.
    pub(super) fn listener_closed(&mut self, listener: ListenerId) {
        let mut circuits = self.ways.circuits.iter_mut();
        if let Some(circuit) = circuits.find(|one| one.listener == Some(listener)) {
            debug!(address = %circuit.address, "a relay is lost");
            circuit.listener = None;
            circuit.next_at = Instant::now() + RESERVE;
        }
    }

    /// Begins to look for a peer of which no address is known; `false` if that cannot be done.
    pub(super) fn look_for(&mut self, peer: PeerId) -> bool {
        let is_busy = self.ways.looked_for.len() >= LOOK_UPS_MAX;
        if is_busy || !self.ways.has_routing {
            return false;
        }
        let Some(routing) = self.swarm.behaviour_mut().discovery.routing.as_mut() else {
            return false;
        };
        let query = routing.get_closest_peers(peer);
        self.ways.looked_for.insert(query, peer);
        true
    }

    /// A peer is connected: nobody need say where it is.
    pub(super) fn is_found(&mut self, peer: &PeerId) {
        self.ways.looked_for.retain(|_, other| other != peer);
    }

    pub(super) fn on_discovery(&mut self, event: DiscoveryEvent) {
        match event {
            DiscoveryEvent::Routing(RoutingEvent::OutboundQueryProgressed {
                id,
                result: QueryResult::GetClosestPeers(result),
                step,
                ..
            }) => {
                let peers = match result {
                    Ok(closest) => closest.peers,
                    Err(GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                self.on_closest(id, peers, step.last);
            }
            DiscoveryEvent::AsksReachability(tested) => {
                let is_reachable = tested.result.is_ok();
                info!(address = %tested.tested_addr, is_reachable, "a peer tried to reach this node");
            }
            _ => {}
        }
    }

    fn on_closest(&mut self, query: QueryId, closest: Vec<PeerInfo>, is_last: bool) {
        let Some(peer) = self.ways.looked_for.get(&query).copied() else {
            return;
        };
        let info = closest.into_iter().find(|info| info.peer_id == peer);
        let addresses = info.map(|info| info.addrs).unwrap_or_default();
        let addresses = addresses.into_iter().filter(is_short).take(ADDRESSES_MAX);
        let addresses: Vec<Multiaddr> = addresses.collect();
        if addresses.is_empty() && !is_last {
            return;
        }
        self.ways.looked_for.remove(&query);
        if self.opening.remove(&peer).is_none() {
            return;
        }
        if addresses.is_empty() {
            debug!(%peer, "nobody knows where a peer is");
            return self.not_reached(peer);
        }
        debug!(%peer, "a peer was looked up");
        // Whether it may be tried was decided before it was looked for.
        self.dial(&KnownPeer { peer, addresses }, true);
    }

    /// A peer said what it speaks and where it listens.
    pub(super) fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let Some(routing) = self.swarm.behaviour_mut().discovery.routing.as_mut() else {
            return;
        };
        if !info.protocols.contains(&ROUTING) {
            return;
        }
        let known = routing.kbucket(peer).and_then(|bucket| {
            let mut entries = bucket.iter();
            let entry = entries.find(|entry| *entry.node.key.preimage() == peer);
            entry.map(|entry| entry.node.value.len())
        });
        // It may say something else as often as it likes.
        let room = ADDRESSES_MAX.saturating_sub(known.unwrap_or_default());
        let addresses = info.listen_addrs.into_iter().filter(is_short);
        for address in addresses.take(room) {
            routing.add_address(&peer, address);
        }
    }

    /// A peer said under which address it sees this node.
    pub(super) fn is_seen(&mut self, address: Multiaddr) {
        let behaviour = &mut self.swarm.behaviour_mut().discovery.asks_reachability;
        if !behaviour.is_enabled() {
            return;
        }
        self.ways.seen.insert(address);
        if self.ways.seen.len() > SEEN_MAX {
            warn!("peers see this node under too many addresses: none of them is asked any more");
            *behaviour = Toggle::from(None);
            self.ways.seen = HashSet::new();
        }
    }
}

fn is_short(address: &Multiaddr) -> bool {
    address.len() <= ADDRESS_BYTES_MAX
}

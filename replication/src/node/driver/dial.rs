//! Connections and streams.

use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{PeerId, Stream};
use tokio::time::{Duration, Instant};
use tracing::{debug, info, warn};

use super::super::behaviour::{BehaviourEvent, SYNC};
use super::super::bitswap::Call;
use super::super::builder::random;
use super::super::error::SyncError;
use super::super::event::NodeEvent;
use super::super::keep::KnownPeer;
use super::super::stream::StreamEnd;
use super::Driver;
use crate::host::{ConnectionId, Disconnect, Event, Fault, NewConnection};
use crate::session::{ConnectionBinding, Side};

impl Driver {
    /// Connects with a peer, if it is not connected and need not be left alone.
    pub(super) fn dial(&mut self, known: &KnownPeer, is_urgent: bool) {
        let peer = known.peer;
        let is_connected = self.streams.values().any(|(other, _)| *other == peer);
        let is_early = self
            .standing
            .free_at(&peer)
            .is_some_and(|at| at > self.now());
        if is_connected || self.opening.contains_key(&peer) || (is_early && !is_urgent) {
            return;
        }
        let until = Instant::now() + Duration::from_secs(20);
        self.opening.insert(peer, until);
        if self.swarm.is_connected(&peer) {
            return self.open_stream(peer);
        }
        #[cfg(feature = "discovery")]
        if known.addresses.is_empty() && self.look_for(peer) {
            return;
        }
        let dials = &mut self.metrics.dials_total;
        *dials = dials.saturating_add(1);
        if let Err(error) = self.swarm.dial(known.dial_opts()) {
            debug!(%peer, %error, "a peer cannot be dialled");
            self.not_reached(peer);
        }
    }

    /// Connects with a peer that is no device, if it is not connected.
    pub(super) fn connect(&mut self, known: &KnownPeer) {
        match self.swarm.dial(known.dial_opts()) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                debug!(peer = %known.peer, %error, "a peer cannot be dialled");
                self.tell_bitswap(Call::Gone(known.peer));
            }
        }
    }

    /// Says something to the task that speaks bitswap, if there is one.
    pub(super) fn tell_bitswap(&self, call: Call) {
        if let Some(bitswap) = &self.bitswap {
            // It lives as long as this does.
            bitswap.send(call).ok();
        }
    }

    fn open_stream(&self, peer: PeerId) {
        let (mut control, opened) = (self.control.clone(), self.opened.0.clone());
        tokio::spawn(async move {
            let stream = control.open_stream(peer, SYNC).await;
            opened.send((peer, stream)).ok();
        });
    }

    pub(super) fn not_reached(&mut self, peer: PeerId) {
        self.opening.remove(&peer);
        let failed = &mut self.metrics.dials_failed_total;
        *failed = failed.saturating_add(1);
        self.listeners.tell(&NodeEvent::Unreachable(peer));
        let why = Disconnect::BackOff(Fault::Silent);
        self.standing.closed(peer, &why, self.now());
        self.fail_waiting(peer, || SyncError::Unreachable);
    }

    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                self.listening.insert(listener_id);
                #[cfg(feature = "discovery")]
                self.is_listening(&address);
                info!(%address, "listening");
                let whole = address.with_p2p(self.peer());
                if let Ok(whole) = whole {
                    self.listeners.tell(&NodeEvent::Listening(whole));
                }
                self.answer_addresses();
            }
            SwarmEvent::ConnectionEstablished {
                peer_id, endpoint, ..
            } => {
                if self.standing.is_banned(&peer_id, self.now()) {
                    // It may be gone by itself.
                    self.swarm.disconnect_peer_id(peer_id).ok();
                } else if endpoint.is_dialer() && self.opening.contains_key(&peer_id) {
                    #[cfg(feature = "discovery")]
                    self.is_found(&peer_id);
                    self.open_stream(peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } => {
                debug!(%peer, %error, "a peer was not reached");
                self.tell_bitswap(Call::Gone(peer));
                if self.opening.contains_key(&peer) {
                    self.not_reached(peer);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => self.tell_bitswap(Call::Gone(peer_id)),
            #[cfg(feature = "mdns")]
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.on_mdns(event),
            #[cfg(feature = "gossip")]
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            #[cfg(feature = "discovery")]
            SwarmEvent::Behaviour(BehaviourEvent::Discovery(event)) => self.on_discovery(event),
            #[cfg(feature = "discovery")]
            SwarmEvent::Behaviour(BehaviourEvent::Identify(
                libp2p::identify::Event::Received { peer_id, info, .. },
            )) => self.on_identified(peer_id, info),
            #[cfg(feature = "discovery")]
            SwarmEvent::NewExternalAddrCandidate { address } => self.is_seen(address),
            #[cfg(feature = "discovery")]
            SwarmEvent::ListenerClosed { listener_id, .. } => self.listener_closed(listener_id),
            _ => {}
        }
    }

    pub(super) fn on_opened(
        &mut self,
        peer: PeerId,
        stream: Result<Stream, libp2p_stream::OpenStreamError>,
    ) {
        match stream {
            Ok(stream) => {
                self.opening.remove(&peer);
                self.on_stream(peer, stream, Side::Dialer);
            }
            Err(error) => {
                debug!(%peer, %error, "a stream was not opened");
                self.not_reached(peer);
            }
        }
    }

    pub(super) fn on_stream(&mut self, peer: PeerId, stream: Stream, side: Side) {
        // Both may open one at once, and neither knows of the other's. More would be for memory.
        let same = self.streams.values().filter(|(other, _)| *other == peer);
        if same.count() >= 2 || self.standing.is_banned(&peer, self.now()) {
            let refused = &mut self.metrics.streams_refused_total;
            *refused = refused.saturating_add(1);
            return;
        }
        let streams = &mut self.metrics.streams_total;
        *streams = streams.saturating_add(1);
        let Ok(seed) = random() else {
            warn!("the system has no random numbers: a stream was dropped");
            return;
        };
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.saturating_add(1);
        let (ours, theirs) = (self.peer().to_bytes(), peer.to_bytes());
        let binding = match side {
            Side::Dialer => ConnectionBinding::of(&ours, &theirs),
            Side::Listener => ConnectionBinding::of(&theirs, &ours),
        };
        let end = StreamEnd::spawn(stream, connection, self.events.0.clone());
        self.streams.insert(connection, (peer, end));
        self.candidates.connected(&peer);
        let new = NewConnection {
            side,
            binding,
            seed,
        };
        self.tell(Event::Connected(connection, new));
    }
}

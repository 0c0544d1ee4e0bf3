//! Peers that nobody named.

use libp2p::{Multiaddr, PeerId};
#[cfg(feature = "mdns")]
use libp2p::{
    core::transport::ListenerId,
    mdns,
    swarm::behaviour::{FromSwarm, NewListenAddr},
    swarm::{NetworkBehaviour as _, behaviour::toggle::Toggle},
};
#[cfg(feature = "mdns")]
use tokio::time::{Duration, Instant};
use tracing::debug;
#[cfg(feature = "mdns")]
use tracing::warn;

use super::super::event::NodeEvent;
use super::Driver;
use crate::host::{ConnectionId, Disconnect, Event, Fault, REFUSED_MAX};

/// Candidates that are tried at once.
const TRIES_MAX: usize = 8;

impl Driver {
    /// A peer was found: it is tried at once, and again like one that is kept connected with.
    pub(super) fn found(&mut self, peer: PeerId, address: Multiaddr) {
        if peer == self.peer() {
            return;
        }
        let standing = &self.standing;
        let has_failed = |peer: &PeerId| standing.free_at(peer).is_some();
        if self.candidates.found(peer, address.clone(), has_failed) {
            debug!(%peer, %address, "a peer was found");
            self.listeners.tell(&NodeEvent::Found { peer, address });
            self.try_candidate(peer);
        }
    }

    /// Tries those that were found and are neither connected nor to be left alone.
    pub(super) fn try_candidates(&mut self) {
        let peers: Vec<PeerId> = self.candidates.peers().collect();
        for peer in peers {
            self.try_candidate(peer);
        }
    }

    pub(super) fn try_candidate(&mut self, peer: PeerId) {
        let is_kept = self.kept.iter().any(|known| known.peer == peer);
        let is_busy = self.opening.len() >= TRIES_MAX.saturating_add(self.kept.len());
        let Some(known) = self.candidates.get(peer).filter(|_| !is_kept && !is_busy) else {
            return;
        };
        if !known.addresses.is_empty() || self.swarm.is_connected(&peer) {
            self.dial(&known, false);
        }
    }

    /// A peer without an open session refused one. If it was only found, and has refused all it was asked for, it is a stranger.
    pub(super) fn refused_candidate(&mut self, connection: ConnectionId, peer: PeerId) {
        let Some(refusals) = self.candidates.refused(&peer) else {
            return;
        };
        let asked = self.pool.profiles().count().min(REFUSED_MAX);
        let is_wanted = self.kept.iter().any(|known| known.peer == peer);
        if refusals < asked || is_wanted {
            return;
        }
        let why = Disconnect::BackOff(Fault::Stranger);
        self.standing.closed(peer, &why, self.now());
        self.streams.remove(&connection);
        self.tell(Event::Disconnected(connection));
        let why = Some(why);
        self.listeners.tell(&NodeEvent::Closed { peer, why });
    }
}

/// Addresses on the local network that are kept in mind for as long as who announced them says. One can say a hundred years.
#[cfg(feature = "mdns")]
const ANNOUNCED_MAX: usize = 1_024;
/// For how long nobody listens after more were announced.
#[cfg(feature = "mdns")]
const REST: Duration = Duration::from_secs(60);

/// What is known of the listening on the local network.
#[cfg(feature = "mdns")]
pub(super) struct LocalNetwork {
    announced: usize,
    /// When it is to begin; `None` if it has, or is not wanted.
    rests_until: Option<Instant>,
}

#[cfg(feature = "mdns")]
impl LocalNetwork {
    pub(super) fn new(is_wanted: bool) -> Self {
        Self {
            announced: 0,
            rests_until: Some(Instant::now()).filter(|_| is_wanted),
        }
    }
}

#[cfg(feature = "mdns")]
impl Driver {
    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(all) => {
                let announced = &mut self.local.announced;
                *announced = announced.saturating_add(all.len());
                if *announced > ANNOUNCED_MAX {
                    warn!(
                        "too many addresses are announced on the local network: not listening for a while"
                    );
                    // Whoever was found already stays so.
                    self.swarm.behaviour_mut().mdns = Toggle::from(None);
                    self.local.rests_until = Some(Instant::now() + REST);
                }
                for (peer, address) in all {
                    self.found(peer, address);
                }
            }
            mdns::Event::Expired(all) => {
                let announced = &mut self.local.announced;
                *announced = announced.saturating_sub(all.len());
                for (peer, address) in all {
                    self.candidates.lost(peer, address);
                }
            }
        }
    }

    /// Begins to listen on the local network, if that is wanted and not done.
    pub(super) fn listen_locally(&mut self, now: Instant) {
        if self.local.rests_until.is_none_or(|until| until > now) {
            return;
        }
        let mdns = mdns::tokio::Behaviour::new(mdns::Config::default(), self.peer());
        let mut mdns = match mdns {
            Ok(mdns) => mdns,
            Err(error) => {
                warn!(%error, "the local network cannot be listened on");
                self.local.rests_until = Some(now + REST);
                return;
            }
        };
        // It was not there when these began to be listened on.
        for addr in self.swarm.listeners() {
            let listener_id = ListenerId::next();
            mdns.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr {
                listener_id,
                addr,
            }));
        }
        self.local.rests_until = None;
        self.local.announced = 0;
        self.swarm.behaviour_mut().mdns = Toggle::from(Some(mdns));
    }
}

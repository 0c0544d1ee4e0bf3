//! Peers that a node wants to be connected with.

use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};

use super::error::NodeError;

/// A peer and where it is, or no address if that has to be found out.
#[derive(Clone, Debug)]
pub(super) struct KnownPeer {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
}

impl KnownPeer {
    /// Reads an address that ends in the identity of the peer.
    pub(super) fn of(address: &Multiaddr) -> Result<Self, NodeError> {
        let mut rest = address.clone();
        let Some(Protocol::P2p(peer)) = rest.pop() else {
            let address = address.clone();
            return Err(NodeError::Unnamed { address });
        };
        let addresses = if rest.is_empty() {
            Vec::new()
        } else {
            vec![rest]
        };
        Ok(Self { peer, addresses })
    }

    /// Where it is, in the first place.
    pub(super) fn address(&self) -> Option<&Multiaddr> {
        self.addresses.first()
    }

    /// Dials it where it is known to be, unless it is connected or on its way.
    pub(super) fn dial_opts(&self) -> DialOpts {
        DialOpts::peer_id(self.peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(self.addresses.clone())
            .build()
    }
}

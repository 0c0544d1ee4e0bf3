//! Peers that were found and that nobody named: on the local network, or as an application says.
//!
//! Who they are nobody knows. Each is tried like a peer that is kept connected with; that it is a device of a profile its membership
//! says, and who is none is left alone longer each time.

use std::collections::BTreeMap;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::keep::KnownPeer;

/// Most peers that are kept in mind. Of more, those give way against whom something is known, or the new ones are not taken.
pub(super) const PEERS_MAX: usize = 256;
/// Most addresses of one; a newer one takes the place of the oldest.
const ADDRESSES_MAX: usize = 4;
/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 256;

/// Those that were found.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    peers: BTreeMap<PeerId, Candidate>,
}

#[derive(Debug, Default)]
struct Candidate {
    /// The newest is the last.
    addresses: Vec<Multiaddr>,
    /// Sessions that it refused on the connection there is.
    refusals: usize,
}

impl Candidates {
    /// A peer was found at an address that may end in its identity; whether it was not known there.
    pub(super) fn found(
        &mut self,
        peer: PeerId,
        mut address: Multiaddr,
        has_failed: impl Fn(&PeerId) -> bool,
    ) -> bool {
        if address.iter().last() == Some(Protocol::P2p(peer)) {
            address.pop();
        }
        if address.is_empty() || address.len() > ADDRESS_BYTES_MAX {
            return false;
        }
        if !self.make_room(&peer, has_failed) {
            return false;
        }
        let addresses = &mut self.peers.entry(peer).or_default().addresses;
        if addresses.contains(&address) {
            return false;
        }
        if addresses.len() >= ADDRESSES_MAX {
            addresses.remove(0);
        }
        addresses.push(address);
        true
    }

    /// A peer that is connected may be a device of a profile. Where it is was not said.
    #[cfg(feature = "gossip")]
    pub(super) fn met(&mut self, peer: PeerId) {
        if self.make_room(&peer, |_| false) {
            self.peers.entry(peer).or_default();
        }
    }

    /// Whether there is room for a peer, or it is there already.
    fn make_room(&mut self, peer: &PeerId, has_failed: impl Fn(&PeerId) -> bool) -> bool {
        if self.peers.contains_key(peer) || self.peers.len() < PEERS_MAX {
            return true;
        }
        let mut of_little_use = self.peers.iter().filter(|(peer, candidate)| {
            // Without an address it is tried only while it is connected.
            candidate.addresses.is_empty() || has_failed(peer)
        });
        let least = of_little_use.next().map(|(peer, _)| *peer);
        least.is_some_and(|peer| self.peers.remove(&peer).is_some())
    }

    /// A peer is not to be found at an address any more. Without any it is forgotten.
    #[cfg(feature = "mdns")]
    pub(super) fn lost(&mut self, peer: PeerId, mut address: Multiaddr) {
        if address.iter().last() == Some(Protocol::P2p(peer)) {
            address.pop();
        }
        if let Some(candidate) = self.peers.get_mut(&peer) {
            candidate.addresses.retain(|one| *one != address);
            if candidate.addresses.is_empty() {
                self.peers.remove(&peer);
            }
        }
    }

    /// Where a peer was found, the newest address first.
    pub(super) fn get(&self, peer: PeerId) -> Option<KnownPeer> {
        let addresses = self.peers.get(&peer)?.addresses.iter().rev();
        let addresses = addresses.cloned().collect();
        Some(KnownPeer { peer, addresses })
    }

    /// All of them.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.keys().copied()
    }

    /// There is a new connection with a peer.
    pub(super) fn connected(&mut self, peer: &PeerId) {
        if let Some(candidate) = self.peers.get_mut(peer) {
            candidate.refusals = 0;
        }
    }

    /// A peer refused a session; how many that were by now, or `None` if it is none of these.
    pub(super) fn refused(&mut self, peer: &PeerId) -> Option<usize> {
        let candidate = self.peers.get_mut(peer)?;
        candidate.refusals = candidate.refusals.saturating_add(1);
        Some(candidate.refusals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{number}").parse().unwrap()
    }

    #[test]
    fn of_many_that_are_found_only_so_many_are_kept_in_mind_and_who_failed_gives_way() {
        let mut candidates = Candidates::default();
        let first = PeerId::random();
        assert!(candidates.found(first, address(1), |_| false));
        for _ in 1..PEERS_MAX {
            assert!(candidates.found(PeerId::random(), address(1), |_| false));
        }
        let late = PeerId::random();
        assert!(!candidates.found(late, address(1), |_| false));
        assert!(candidates.found(late, address(1), |peer| *peer == first));
        assert_eq!(candidates.peers().count(), PEERS_MAX);
        assert!(candidates.get(first).is_none() && candidates.get(late).is_some());
        // One that is known is tried elsewhere too.
        assert!(candidates.found(late, address(2), |_| false));
    }

    #[test]
    fn of_many_addresses_of_one_peer_the_newest_are_tried_and_those_first() {
        let mut candidates = Candidates::default();
        let peer = PeerId::random();
        for number in 1..=6 {
            let named = address(number).with_p2p(peer).unwrap();
            assert!(candidates.found(peer, named.clone(), |_| false));
            assert!(!candidates.found(peer, named, |_| false));
        }
        let known = candidates.get(peer).unwrap();
        assert_eq!(known.addresses, [6, 5, 4, 3].map(address));
        let mut long = address(7);
        while long.len() <= ADDRESS_BYTES_MAX {
            long.push(Protocol::Dns("a".repeat(60).into()));
        }
        assert!(!candidates.found(peer, long, |_| false));
        assert!(!candidates.found(PeerId::random(), Multiaddr::empty(), |_| false));
    }

    #[cfg(feature = "mdns")]
    #[test]
    fn who_is_not_to_be_found_anywhere_any_more_is_forgotten() {
        let mut candidates = Candidates::default();
        let peer = PeerId::random();
        candidates.found(peer, address(1), |_| false);
        candidates.found(peer, address(2), |_| false);
        candidates.lost(peer, address(1).with_p2p(peer).unwrap());
        assert_eq!(candidates.get(peer).unwrap().addresses, [address(2)]);
        candidates.lost(peer, address(2));
        assert!(candidates.get(peer).is_none());
    }
}

//! Peers that are found and reached by way of others. These others are of another profile and get nothing but refusals.

use super::found::wait_until;
use super::*;

const ANY: &str = "/ip4/127.0.0.1/tcp/0";

fn any() -> Multiaddr {
    ANY.parse().unwrap()
}

/// A node by which others find each other.
fn stranger(ways: Discovery) -> (Node, Multiaddr) {
    let builder = Node::builder().serve(profile(9, "stranger"));
    let node = builder.listen(any()).discovery(ways).spawn().unwrap();
    let address = node.addresses().unwrap().remove(0);
    (node, address)
}

/// Synchronises as soon as the peer can be found.
fn sync_when_found(node: &Node, address: &Multiaddr) -> Synced {
    let mut events = node.events().unwrap();
    for _ in 0..300 {
        match node.sync_once(address, LONGEST) {
            Ok(synced) => return synced,
            Err(SyncError::Unreachable) => {
                while events.try_next().is_some() {}
                // By the time that something else has happened it may be known.
                events.next_timeout(Duration::from_millis(100));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it was not found");
}

#[test]
fn a_peer_is_found_by_its_identity_through_another_one() {
    let ways = Discovery {
        routing: true,
        ..Discovery::default()
    };
    let (between, address) = stranger(ways.clone());
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    put(&desk, "app.desk", b"1");
    let builder = Node::builder().serve(desk).discovery(ways.clone());
    let builder = builder.listen(any()).peer(address.clone());
    let desk_node = builder.spawn().unwrap();
    let builder = Node::builder().serve(phone.clone()).discovery(ways);
    let phone_node = builder.peer(address).spawn().unwrap();
    let named = Multiaddr::empty().with_p2p(*desk_node.peer_id()).unwrap();
    let synced = sync_when_found(&phone_node, &named);
    assert_eq!(synced.taken, 1);
    assert_eq!(phone.get("app.desk").unwrap().unwrap(), b"1");
    // Of who is nowhere nobody knows where it is.
    let nobody = Multiaddr::empty().with_p2p(PeerId::random()).unwrap();
    let gone = phone_node.sync_once(&nobody, LONGEST);
    assert!(matches!(gone, Err(SyncError::Unreachable)), "{gone:?}");
    assert_eq!(between.status().unwrap().peers.len(), 0);
}

#[test]
fn without_a_routing_table_an_identity_is_no_address() {
    let node = Node::builder().serve(profile(1, "phone")).spawn().unwrap();
    let nobody = Multiaddr::empty().with_p2p(PeerId::random()).unwrap();
    let gone = node.sync_once(&nobody, LONGEST);
    assert!(matches!(gone, Err(SyncError::Unreachable)), "{gone:?}");
}

/// Two devices of which one is reached only over a relay; the other one has its address there.
fn over_relay(ways: Discovery) -> (Node, [(Profile, Node); 2], Multiaddr) {
    let (relay, address) = stranger(Discovery {
        relay: Some(RelayLimits::default()),
        ..Discovery::default()
    });
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    put(&desk, "app.desk", &[1; 10_000]);
    put(&phone, "app.phone", &[2; 10_000]);
    let circuit = address.with(libp2p::multiaddr::Protocol::P2pCircuit);
    let builder = Node::builder().serve(desk.clone()).discovery(ways.clone());
    let desk_node = builder.listen(circuit).spawn().unwrap();
    let mut events = desk_node.events().unwrap();
    let mut address = None;
    wait_until(&mut events, |event| {
        if let NodeEvent::Listening(listening) = event {
            address = Some(listening.clone());
        }
        address.is_some()
    });
    let builder = Node::builder().serve(phone.clone()).discovery(ways);
    let phone_node = builder.spawn().unwrap();
    let nodes = [(phone, phone_node), (desk, desk_node)];
    (relay, nodes, address.unwrap())
}

#[test]
fn two_devices_meet_over_a_relay_that_is_none_of_theirs() {
    let ways = Discovery {
        relayed: true,
        ..Discovery::default()
    };
    let (relay, [(phone, phone_node), (desk, _desk_node)], address) = over_relay(ways);
    assert!(address.to_string().contains("/p2p-circuit"), "{address}");
    let synced = phone_node.sync_once(&address, LONGEST).unwrap();
    assert_eq!((synced.taken, synced.given), (1, 1));
    assert_eq!(desk.get("app.phone").unwrap().unwrap(), &[2; 10_000]);
    assert_eq!(phone.get("app.desk").unwrap().unwrap(), &[1; 10_000]);
    assert_eq!(relay.status().unwrap().metrics.streams_total, 0);
    // A node that has no relays knows of no way there, and cannot be reached over one.
    let builder = Node::builder().serve(profile(1, "other"));
    let refused = builder.clone().listen(address.clone()).spawn();
    assert!(
        matches!(refused, Err(NodeError::Transport(_))),
        "{refused:?}"
    );
    let other = builder.spawn().unwrap();
    let gone = other.sync_once(&address, LONGEST);
    assert!(matches!(gone, Err(SyncError::Unreachable)), "{gone:?}");
}

#[test]
fn with_all_ways_at_once_devices_synchronise_as_ever() {
    let ways = Discovery {
        routing: true,
        relayed: true,
        hole_punching: true,
        reachability: true,
        ..Discovery::default()
    };
    let (_relay, [(phone, phone_node), _desk], address) = over_relay(ways);
    phone_node.sync_once(&address, LONGEST).unwrap();
    assert!(phone.get("app.desk").unwrap().is_some());
}

#[cfg(feature = "memory-limits")]
#[test]
fn a_process_with_too_much_in_memory_makes_no_connections() {
    let desk_node = listening(&profile(1, "desk"));
    let address = desk_node.addresses().unwrap().remove(0);
    let builder = Node::builder().serve(profile(1, "phone"));
    let small = builder.clone().memory_max(1 << 10).spawn().unwrap();
    let refused = small.sync_once(&address, LONGEST);
    assert!(
        matches!(refused, Err(SyncError::Unreachable)),
        "{refused:?}"
    );
    let large = builder.memory_max(1 << 40).spawn().unwrap();
    large.sync_once(&address, LONGEST).unwrap();
}

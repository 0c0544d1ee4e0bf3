//! Peers that nobody named.

#[cfg(feature = "mdns")]
use std::io::Write as _;

use super::*;
use crate::host::{Disconnect, Fault};

/// Waits until something has happened.
pub(super) fn wait_until(events: &mut Events, mut is_it: impl FnMut(&NodeEvent) -> bool) {
    while let Some(event) = events.next_timeout(LONGEST) {
        if is_it(&event) {
            return;
        }
    }
    panic!("it did not happen");
}

#[test]
fn a_device_that_is_found_is_synchronised_with() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let desk_node = listening(&desk);
    let phone_node = Node::builder().serve(phone.clone()).spawn().unwrap();
    put(&phone, "app.phone", b"1");
    phone_node
        .found(&desk_node.addresses().unwrap()[0])
        .unwrap();
    wait_for(&desk, "app.phone");
    let unnamed = phone_node.found(&"/ip4/127.0.0.1/tcp/1".parse().unwrap());
    assert!(matches!(unnamed, Err(NodeError::Unnamed { .. })));
}

#[test]
fn a_stranger_that_is_found_is_left_alone_once_it_has_refused() {
    let desk_node = listening(&profile(1, "desk"));
    let stranger = Node::builder().serve(profile(2, "stranger")).spawn();
    let stranger = stranger.unwrap();
    let mut events = stranger.events().unwrap();
    let address = desk_node.addresses().unwrap().remove(0);
    stranger.found(&address).unwrap();
    wait_until(&mut events, |event| {
        matches!(event, NodeEvent::Found { .. })
    });
    let left = Disconnect::BackOff(Fault::Stranger);
    wait_until(
        &mut events,
        |event| matches!(event, NodeEvent::Closed { why: Some(why), .. } if *why == left),
    );
    let status = stranger.status().unwrap();
    let known = &status.known[0];
    assert_eq!(
        (known.peer, known.is_connected),
        (*desk_node.peer_id(), false)
    );
    assert!(known.free_in.is_some());
    // It is known, and being found again changes nothing.
    stranger.found(&address).unwrap();
    assert_eq!(stranger.status().unwrap().metrics.dials_total, 1);
    // Who asks for it by name has it tried all the same.
    let refused = stranger.sync_once(&address, LONGEST);
    assert!(matches!(refused, Err(SyncError::Refused)), "{refused:?}");
}

/// The two are in one process; their packets go over a network interface and back all the same.
#[cfg(feature = "mdns")]
#[test]
fn nodes_on_one_network_find_each_other() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let local = |profile: &Profile| {
        let builder = Node::builder().serve(profile.clone()).mdns(true);
        let builder = builder.listen("/ip4/0.0.0.0/tcp/0".parse().unwrap());
        builder.spawn().unwrap()
    };
    put(&phone, "app.phone", b"1");
    let nodes = [local(&phone), local(&desk)];
    let mut events = nodes.each_ref().map(|node| node.events().unwrap());
    let watch = desk.watch("");
    while desk.get("app.phone").unwrap().is_none() {
        if watch.next_timeout(Duration::from_secs(10)).is_none() {
            let said = events.iter_mut().filter_map(Events::try_next);
            let found = said.filter(|event| matches!(event, NodeEvent::Found { .. }));
            assert_eq!(
                found.count(),
                0,
                "they found each other, and nothing came of it"
            );
            writeln!(std::io::stderr(), "skipped: no multicast here").unwrap();
            return;
        }
    }
}

//! What is announced to devices without a session.

use super::found::wait_until;
use super::*;
use crate::node::command::Command;
use crate::node::keep::KnownPeer;

fn gossiping(profile: &Profile) -> NodeBuilder {
    Node::builder().serve(profile.clone()).gossip(true)
}

/// A connection on which nobody has asked for a session.
fn connect(from: &Node, to: &Node) {
    let peers = [to.addresses().unwrap().remove(0)].map(|address| KnownPeer::of(&address).unwrap());
    let (answers, _) = tokio::sync::mpsc::unbounded_channel();
    let connects = Command::Blocks(peers.to_vec(), Vec::new(), answers);
    block_on::block_on(from.handle().send(connects), None).unwrap();
}

#[test]
fn an_announcement_wakes_a_device_that_is_connected_and_has_no_session() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let builder = gossiping(&desk).listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let desk_node = builder.spawn().unwrap();
    let phone_node = gossiping(&phone).spawn().unwrap();
    let mut events = phone_node.events().unwrap();
    connect(&phone_node, &desk_node);
    put(&desk, "app.desk", b"1");
    wait_until(&mut events, |event| {
        matches!(event, NodeEvent::Opened { .. })
    });
    wait_for(&phone, "app.desk");
}

#[test]
fn without_gossip_nobody_is_woken_and_strangers_hear_nothing() {
    let (desk, stranger) = (profile(1, "desk"), profile(2, "stranger"));
    let builder = gossiping(&desk).listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let desk_node = builder.spawn().unwrap();
    let other = gossiping(&stranger).spawn().unwrap();
    connect(&other, &desk_node);
    put(&desk, "app.desk", b"1");
    let phone_node = Node::builder().serve(profile(1, "phone")).spawn().unwrap();
    connect(&phone_node, &desk_node);
    put(&desk, "app.desk", b"2");
    // Another device that does listen is served meanwhile.
    let tablet = profile(1, "tablet");
    let tablet_node = gossiping(&tablet).spawn().unwrap();
    connect(&tablet_node, &desk_node);
    wait_for(&tablet, "app.desk");
    for node in [&other, &phone_node] {
        assert_eq!(node.status().unwrap().metrics.streams_total, 0);
    }
}

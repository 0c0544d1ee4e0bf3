use super::super::*;
use super::net::{Net, fill, profile};
use crate::Misbehaviour;

#[test]
fn who_sends_no_message_is_banned_and_the_others_are_served() {
    let all = vec![
        vec![profile(1, "host")],
        vec![profile(1, "phone")],
        Vec::new(),
    ];
    fill(&all[1][0], 4, 50);
    let mut net = Net::new(&HostConfig::default(), all);
    let bad = net.connect(2, 0);
    net.handle(0, Event::Bytes(bad, &[255; 64]));
    net.connect(1, 0);
    net.run();
    assert!(matches!(
        net.closed(0)[..],
        [Disconnect::Ban(Misbehaviour::Frame(_))]
    ));
    let vectors = net.nodes[..2].iter();
    let mut vectors = vectors.map(|node| node.profiles[0].version_vector().unwrap());
    assert_eq!(vectors.next(), vectors.next());
}

#[test]
fn who_does_not_read_what_it_is_sent_costs_little_and_is_left_after_a_while() {
    let all = vec![vec![profile(1, "phone")], vec![profile(1, "host")]];
    fill(&all[1][0], 400, 4_000);
    let mut config = HostConfig::default();
    config.sync.run_timeout = core::time::Duration::from_secs(60);
    let mut net = Net::new(&config, all);
    net.connect(0, 1);
    net.clogged.insert(1);
    net.run();
    // Four parts of 64 KiB are under way, and most of a round is read.
    let queued = net.nodes[1].host.queued_bytes();
    assert!((256 << 10..2 << 20).contains(&queued), "{queued}");
    net.wait(29_000);
    assert_eq!(net.closed(1), []);
    net.wait(2_000);
    assert_eq!(net.closed(1), [Disconnect::BackOff(Fault::NotReading)]);
    assert_eq!(net.nodes[1].host.queued_bytes(), 0);
}

#[test]
fn rounds_are_read_for_few_peers_at_once_and_for_none_that_is_gone() {
    let phones = (0..9).map(|phone| {
        let phone = profile(1, &format!("phone {phone}"));
        fill(&phone, 2, 50);
        vec![phone]
    });
    let mut all = vec![vec![profile(1, "host")]];
    fill(&all[0][0], 3, 50);
    all.extend(phones);
    let config = HostConfig {
        gives_max: 2,
        ..HostConfig::default()
    };
    let mut net = Net::new(&config, all);
    let connections: Vec<ConnectionId> = (1..10).map(|phone| net.connect(phone, 0)).collect();
    net.run();
    let vector = net.nodes[0].profiles[0].version_vector().unwrap();
    assert_eq!(vector.iter().count(), 10);
    for node in &net.nodes {
        assert_eq!(node.profiles[0].version_vector().unwrap(), vector);
    }
    for connection in connections {
        net.disconnect(connection);
    }
    net.run();
    assert_eq!(net.nodes[0].host.queued_bytes(), 0);
}

#[test]
fn a_connection_more_than_there_may_be_is_closed_at_once() {
    let all = vec![vec![profile(1, "host")], Vec::new(), Vec::new()];
    let config = HostConfig {
        connections_max: 1,
        ..HostConfig::default()
    };
    let mut net = Net::new(&config, all);
    net.connect(1, 0);
    net.connect(2, 0);
    net.run();
    assert_eq!(net.closed(0), [Disconnect::BackOff(Fault::Full)]);
}

#[test]
fn what_is_left_of_a_profile_that_is_not_served_any_more_is_answered_to_nobody() {
    let all = vec![vec![profile(1, "phone")], vec![profile(1, "host")]];
    fill(&all[1][0], 4, 50);
    let mut net = Net::new(&HostConfig::default(), all);
    net.connect(0, 1);
    let id = *net.nodes[1].profiles[0].id();
    // Whatever is under way at that moment.
    for _ in 0..3 {
        net.handle(1, Event::Leave(id));
        net.run();
        assert_eq!(net.nodes[1].host.status().count(), 0);
        net.handle(1, Event::Serve(id));
        net.run();
    }
    assert_eq!(net.nodes[1].host.status().count(), 1);
    assert_eq!(net.closed(1), []);
}

use super::super::*;
use super::net::{Net, fill, profile};
use crate::wire::Refusal;

#[test]
fn a_host_of_two_profiles_keeps_the_devices_of_each_the_same() {
    let all = vec![
        vec![profile(1, "host"), profile(2, "host")],
        vec![profile(1, "phone")],
        vec![profile(2, "desk")],
    ];
    fill(&all[1][0], 5, 100);
    fill(&all[2][0], 3, 100);
    let mut net = Net::new(&HostConfig::default(), all);
    net.connect(1, 0);
    net.connect(0, 2);
    net.run();
    for (node, slot) in [(1, 0), (2, 1)] {
        let device = &net.nodes[node].profiles[0];
        let host = &net.nodes[0].profiles[slot];
        assert_eq!(
            device.version_vector().unwrap(),
            host.version_vector().unwrap()
        );
    }
    // The desk was asked for both, and knows of one.
    let seen = &net.nodes[0].seen;
    let refused = |output: &&Output| matches!(output, Output::Refused(_, _, refused) if refused.refusal == Refusal::NotAMember);
    assert_eq!(seen.iter().filter(refused).count(), 1);
    let status: Vec<PeerStatus> = net.nodes[0].host.status().collect();
    assert_eq!(status.len(), 2);
    for one in &status {
        let progress = one.progress.unwrap();
        assert_eq!((progress.want, progress.lag), (0, 0));
        assert!(progress.have >= 3);
        assert!(one.taken.new >= 3);
    }
    let metrics = net.nodes[0].metrics;
    assert_eq!((metrics.sessions_total, metrics.bans_total), (2, 0));
    assert!(metrics.commits_taken_total >= 8);
}

#[test]
fn however_slow_the_store_no_more_is_buffered_of_a_peer_than_its_budget_and_a_piece() {
    let all = vec![vec![profile(1, "phone")], vec![profile(1, "desk")]];
    fill(&all[1][0], 300, 900);
    let mut config = HostConfig {
        peer_bytes: 30_000,
        ..HostConfig::default()
    };
    config.sync.round_bytes = 20_000;
    let mut net = Net::new(&config, all);
    net.slow.insert(0);
    net.connect(0, 1);
    net.run();
    let [phone, desk] = &net.nodes[..] else {
        panic!()
    };
    assert_eq!(
        phone.profiles[0].version_vector().unwrap(),
        desk.profiles[0].version_vector().unwrap()
    );
    assert!(phone.metrics.pauses_total > 3, "{:?}", phone.metrics);
    assert!(
        phone.most_buffered <= 30_000 + 4_096,
        "{}",
        phone.most_buffered
    );
}

#[test]
fn a_round_longer_than_the_budget_still_comes() {
    let all = vec![vec![profile(1, "phone")], vec![profile(1, "desk")]];
    fill(&all[1][0], 10, 900);
    let config = HostConfig {
        peer_bytes: 1_000,
        total_bytes: 1_000,
        small_bytes: 100,
        ..HostConfig::default()
    };
    let mut net = Net::new(&config, all);
    net.connect(0, 1);
    net.run();
    let vectors = net.nodes.iter();
    let mut vectors = vectors.map(|node| node.profiles[0].version_vector().unwrap());
    assert_eq!(vectors.next(), vectors.next());
}

#[test]
fn if_both_ends_begin_to_serve_a_profile_at_once_one_session_of_it_is_kept() {
    let mut net = Net::new(&HostConfig::default(), vec![Vec::new(), Vec::new()]);
    net.connect(0, 1);
    net.run();
    for (node, device) in ["phone", "desk"].into_iter().enumerate() {
        let profile = profile(1, device);
        let id = *profile.id();
        net.nodes[node].profiles.push(profile);
        net.handle(node, Event::Serve(id));
    }
    net.run();
    for node in &net.nodes {
        assert_eq!(node.host.status().count(), 1);
    }
    let id = *net.nodes[0].profiles[0].id();
    net.handle(0, Event::Leave(id));
    net.run();
    for node in &net.nodes {
        assert_eq!(node.host.status().count(), 0);
        assert!(
            node.seen
                .iter()
                .any(|output| matches!(output, Output::Ended(_, of) if *of == id))
        );
    }
    assert_eq!(net.closed(0), []);
}

#[test]
fn who_serves_many_profiles_is_not_taken_for_one_that_guesses() {
    let many = (10..30).map(|wallet| profile(wallet, "host")).collect();
    let mut net = Net::new(&HostConfig::default(), vec![many, vec![profile(1, "desk")]]);
    net.connect(0, 1);
    net.run();
    assert_eq!(net.closed(1), []);
    assert_eq!(net.nodes[0].metrics.refusals_total, 7);
}

#[test]
fn more_sessions_than_are_opened_at_once_are_opened_one_after_the_other() {
    let many = |device| (10..30).map(|wallet| profile(wallet, device)).collect();
    let mut net = Net::new(&HostConfig::default(), vec![many("phone"), many("desk")]);
    net.connect(0, 1);
    net.run();
    assert_eq!(net.nodes[0].host.status().count(), 20);
}

#[test]
fn a_host_that_shuts_down_says_so_and_closes_everything() {
    let all = vec![vec![profile(1, "phone")], vec![profile(1, "desk")]];
    let mut net = Net::new(&HostConfig::default(), all);
    net.connect(0, 1);
    net.run();
    net.handle(0, Event::ShutDown);
    net.run();
    assert_eq!(net.closed(0), [Disconnect::Done]);
    assert_eq!(net.nodes[1].host.status().count(), 0);
    assert_eq!(net.closed(1), []);
}

mod catching_up;
mod engine;
mod hostile;
mod model;
mod settled;

use uxf_engine::profile::Delta;

use self::model::{Model, Net, log};
use super::*;
use crate::Peer;

fn small() -> SyncConfig {
    SyncConfig {
        round_bytes: 400,
        ..SyncConfig::default()
    }
}

fn equal(net: &Net<Model>) -> bool {
    let first = net.nodes[0].history.state();
    net.nodes.iter().all(|node| node.history.state() == first)
}

#[test]
fn two_replicas_that_keep_their_logs_have_the_same_after_one_round_trip() {
    let models = vec![Model::with(1, 30), Model::with(2, 20)];
    let mut net = Net::new(SyncConfig::default(), models);
    net.connect(0, 1);
    net.run(19);
    assert!(!equal(&net));
    net.run(20);
    assert!(equal(&net));
    net.run(1_000_000);
    for node in &net.nodes {
        assert_eq!(
            node.history.brought.get() + node.history.len() - 50,
            node.history.brought.get()
        );
    }
    assert_eq!(net.nodes[0].history.brought.get(), 20);
    assert_eq!(net.nodes[1].history.brought.get(), 30);
}

#[test]
fn nothing_comes_twice_however_many_peers_have_it() {
    let full = || {
        let model = Model::with(1, 40);
        for device in 2..6 {
            for _ in 0..30 {
                model.put(device, 0, 50);
            }
        }
        model
    };
    let models = vec![Model::with(9, 5), full(), full(), full(), full()];
    let mut net = Net::new(small(), models);
    for peer in 1..5 {
        net.connect(0, peer);
    }
    net.run(60_000);
    assert!(equal(&net));
    assert_eq!(net.nodes[0].history.brought.get(), 160);
    // What is new at one is passed on, and comes to each once.
    net.connect(1, 2);
    net.connect(3, 4);
    net.nodes[4].history.put(6, 0, 60);
    net.handle(4, Event::Changed);
    net.run(120_000);
    assert!(equal(&net));
    assert_eq!(net.nodes[0].history.brought.get(), 161);
    for peer in 1..4 {
        assert_eq!(net.nodes[peer].history.brought.get(), 6, "{peer}");
    }
}

#[test]
fn a_write_is_announced_and_fetched_without_anybody_asking_again_and_again() {
    let mut net = Net::new(small(), vec![Model::with(1, 3), Model::with(2, 3)]);
    net.connect(0, 1);
    net.run(50_000);
    let before = net.sent.clone();
    net.run(500_000);
    assert_eq!(net.sent, before);
    net.nodes[0].history.put(1, 0, 40);
    net.handle(0, Event::Changed);
    net.run(500_030);
    assert!(equal(&net));
}

#[test]
fn a_stream_that_breaks_after_any_byte_is_taken_up_where_it_broke() {
    let whole = {
        let mut net = Net::new(small(), vec![Model::with(1, 40), Model::default()]);
        net.connect(0, 1);
        net.run(10_000);
        net.sent[&(0, 1)]
    };
    for cut in 0..whole {
        let mut net = Net::new(small(), vec![Model::with(1, 40), Model::default()]);
        net.cuts.insert((0, 1), cut);
        net.connect(0, 1);
        net.run(1_000);
        net.disconnect(0, 1);
        let had = net.nodes[1].history.len();
        // Five commits a round; what is lost is at most the one that was cut.
        net.cuts.clear();
        net.connect(0, 1);
        net.run(2_000);
        assert!(equal(&net), "cut after {cut}");
        assert_eq!(net.nodes[1].history.brought.get(), 40, "cut after {cut}");
        let sent = net.sent[&(0, 1)];
        assert!(sent <= whole + 700, "cut after {cut}: {sent}, {had}");
    }
}

#[test]
fn what_came_whole_of_a_round_is_kept_when_the_stream_breaks_within_it() {
    let mut net = Net::new(
        SyncConfig::default(),
        vec![Model::default(), Model::default()],
    );
    for _ in 0..400 {
        net.nodes[0].history.put(1, 0, 1_000);
    }
    net.cuts.insert((0, 1), 300_000);
    net.connect(0, 1);
    net.run(1_000);
    net.disconnect(0, 1);
    let had = net.nodes[1].history.len();
    // Four parts of 64 KiB, of commits of a kilobyte.
    assert!((230..=290).contains(&had), "{had}");
    net.cuts.clear();
    net.connect(0, 1);
    net.run(2_000);
    assert!(equal(&net));
    assert_eq!(net.nodes[1].history.brought.get(), 400);
}

#[test]
fn what_one_peer_promised_and_did_not_give_is_fetched_from_another() {
    let models = vec![Model::default(), Model::with(1, 40), Model::with(1, 40)];
    let mut net = Net::new(small(), models);
    net.connect(0, 1);
    net.run(20);
    // It says nothing more, and the connection stays open.
    net.cuts.insert((1, 0), 0);
    net.connect(0, 2);
    net.run(29_000);
    assert!(net.nodes[0].history.len() < 40);
    net.run(40_000);
    assert_eq!(net.nodes[0].history.len(), 40);
    assert_eq!(net.reasons(0), [None]);
    assert_eq!(net.nodes[0].history.brought.get(), 40);
}

#[test]
fn a_peer_that_never_says_hello_holds_others_up_for_two_seconds() {
    let models = vec![Model::default(), Model::with(1, 40), Model::with(1, 40)];
    let mut net = Net::new(small(), models);
    net.cuts.insert((1, 0), 0);
    net.connect(0, 1);
    net.connect(0, 2);
    net.run(1_999);
    assert_eq!(net.nodes[0].history.len(), 0);
    net.run(3_000);
    assert_eq!(net.nodes[0].history.len(), 40);
}

#[test]
fn a_log_whose_beginning_is_gone_is_handed_to_reconciliation_and_the_others_come() {
    let model = Model::with(1, 10);
    model.put(2, 0, 40);
    model.kept_from.set(5);
    let other = Model::with(3, 4);
    let mut net = Net::new(small(), vec![model, other]);
    // Its own log begins at 1 as well, so it comes to nothing but reconciliation.
    net.nodes[0].history.kept_from.set(2);
    net.connect(0, 1);
    net.run(5_000);
    let reconciled = |net: &Net<Model>, log| {
        let found = net.nodes[1].seen.iter();
        found
            .filter(|seen| matches!(seen, Output::Reconcile(_, one, _) if *one == log))
            .count()
    };
    let both = |net: &Net<Model>| (reconciled(net, log(1)), reconciled(net, log(2)));
    assert_eq!(both(&net), (1, 1));
    assert_eq!(net.nodes[0].history.len(), 15);
    // It is tried again after a while, no sooner.
    net.run(70_000);
    assert_eq!(both(&net), (3, 3));
}

#[test]
fn a_device_with_two_histories_is_found_out_wherever_they_part_and_the_rest_is_kept_the_same() {
    for (shared, more, others) in [
        (5, 1, 1),
        (5, 3, 3),
        (0, 4, 4),
        (9, 1, 20),
        (9, 20, 1),
        (3, 0, 2),
    ] {
        let history = |fill, more| {
            let model = Model::with(1, shared);
            for _ in 0..more {
                model.put(1, fill, 40);
            }
            model.put(fill, 0, 40);
            model
        };
        let mut net = Net::new(small(), vec![history(7, more), history(8, others)]);
        net.connect(0, 1);
        // Nothing of it waits for a second try.
        net.run(1_000);
        let forked = |node: usize| net.nodes[node].history.forked.borrow().contains(&1);
        let is_fork = more > 0;
        assert_eq!(
            (forked(0), forked(1)),
            (is_fork, is_fork),
            "{shared} {more} {others}"
        );
        for node in &net.nodes {
            let state = node.history.state();
            assert!(
                state.contains_key(&7) && state.contains_key(&8),
                "{shared} {more} {others}"
            );
        }
        assert!(net.reasons(0).is_empty() && net.reasons(1).is_empty());
        // After that each asks once in thirty seconds whether anything has changed.
        let sent = net.sent.clone();
        net.run(900_000);
        let more: usize = net.sent.values().sum::<usize>() - sent.values().sum::<usize>();
        assert!(more < 21_000, "{more}");
    }
}

#[test]
fn statements_are_exchanged_where_they_differ_and_only_there() {
    let models = vec![Model::with(1, 3), Model::with(2, 3), Model::default()];
    let certificate = vec![7; 190];
    models[0]
        .statements
        .borrow_mut()
        .insert(certificate.clone());
    let mut net = Net::new(small(), models);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run(1_000);
    for node in &net.nodes {
        assert!(node.history.statements.borrow().contains(&certificate));
    }
    let before = net.sent[&(0, 1)];
    net.nodes[0].history.put(1, 0, 40);
    net.handle(0, Event::Changed);
    net.run(2_000);
    assert!(net.sent[&(0, 1)] - before < 350);
}

#[test]
fn a_failed_store_is_tried_again_and_does_not_hold_the_peer_up() {
    let mut net = Net::new(small(), vec![Model::with(1, 3), Model::with(2, 3)]);
    net.connect(0, 1);
    net.nodes[0].history.fails.set(true);
    net.run(1_000);
    let failed = net.nodes[0].seen.iter();
    assert!(
        failed
            .clone()
            .any(|seen| matches!(seen, Output::StoreFailed(_)))
    );
    net.nodes[0].history.fails.set(false);
    net.run(70_000);
    assert!(equal(&net));
}

#[test]
fn rounds_are_read_back_and_cut_ones_give_what_is_whole() {
    let delta = Delta {
        certificates: vec![vec![1; 100]],
        blocks: vec![vec![2; 60]],
        checkpoints: vec![
            uxf_engine::profile::CheckpointParts {
                segments: vec![vec![3; 9], vec![4; 9]],
                signed: vec![5; 50],
            },
            uxf_engine::profile::CheckpointParts {
                segments: Vec::new(),
                signed: vec![6; 50],
            },
        ],
        commits: vec![vec![7; 30], vec![8; 30]],
        ..Delta::default()
    };
    let bytes = encode_round(&delta);
    assert_eq!(read_round(&bytes), Ok(delta.clone()));
    let mut most = 0;
    for at in 0..bytes.len() {
        let salvaged = salvage_round(&bytes[..at]);
        assert!(salvaged.byte_len() >= most && salvaged.commits.len() < 2);
        most = salvaged.byte_len();
        let read = read_round(&bytes[..at]);
        assert!(read.is_err() || read == Ok(salvaged));
    }
    for (wrong, at) in [(0, 0), (8, 0), (0xff, 0)] {
        let mut changed = bytes.clone();
        changed[at] = wrong;
        assert!(read_round(&changed).is_err());
    }
    // A commit before a certificate, segments before a commit, a length beyond the cap.
    let record = |kind: u8, len: u32, there: usize| {
        [&[kind][..], &len.to_be_bytes(), &vec![1; there]].concat()
    };
    for wrong in [
        [record(7, 3, 3), record(1, 3, 3)].concat(),
        [record(5, 3, 3), record(7, 3, 3)].concat(),
        record(5, 3, 3),
        record(1, 198, 198),
        record(7, u32::MAX, 3),
        record(7, 0, 0),
    ] {
        assert!(read_round(&wrong).is_err());
    }
}

#[test]
fn more_peers_than_there_is_room_for_are_sent_away() {
    let config = SyncConfig {
        peers_max: 1,
        ..small()
    };
    let models = vec![Model::with(1, 3), Model::default(), Model::default()];
    let mut net = Net::new(config, models);
    net.connect(0, 1);
    net.handle(0, Event::Connected(Peer::new(2)));
    assert_eq!(net.reasons(0), [None]);
}

//! Logs that cannot be had as logs.

use std::sync::Arc;

use uxf_engine::oplog::ItemSum;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::profile::{LiveBound, Profile};
use uxf_engine::{Durability, Engine, EngineOptions, Entropy};

use super::super::*;
use super::net::{Net, fill, profile};

fn sum(profile: &Profile) -> ItemSum {
    let live = profile.live_operations().unwrap();
    live.sum(LiveBound::START, LiveBound::End).unwrap()
}

fn give(from: &Profile, to: &Profile) {
    let theirs = to.version_vector().unwrap();
    to.ingest(&from.delta_for(&theirs, 1 << 20).unwrap())
        .unwrap();
}

fn is_sound(profile: &Profile) {
    let report = profile.engine().check_integrity(&mut |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.problems);
}

/// Devices of one wallet on nodes of their own.
fn net(devices: &[&str]) -> Net {
    let all = devices.iter().map(|device| vec![profile(1, device)]);
    Net::new(&HostConfig::default(), all.collect())
}

fn of(net: &Net, node: usize) -> Profile {
    net.nodes[node].profiles[0].clone()
}

#[test]
fn what_counts_of_a_log_whose_beginning_nobody_gives_is_reconciled_and_the_others_hear_of_it() {
    let mut net = net(&["desk", "phone", "laptop"]);
    let [desk, phone, laptop] = [0, 1, 2].map(|node| of(&net, node));
    fill(&desk, 40, 300);
    desk.put("app.long", &vec![5; 30_000]).unwrap();
    phone.put("app.phone", b"phone").unwrap();
    let cut = desk.log_id();
    net.nodes[0].cut.insert(cut);
    // The laptop never meets the desk.
    let connection = net.connect(1, 0);
    net.connect(2, 1);
    net.run();
    net.wait(5_000);
    let all = sum(&desk);
    assert_eq!(all.count(), 42);
    assert_eq!([sum(&phone), sum(&laptop)], [all, all]);
    let long = laptop.get("app.long").unwrap().unwrap();
    assert_eq!(long, &vec![5; 30_000][..]);
    for profile in [&phone, &laptop] {
        assert!(profile.version_vector().unwrap().get(&cut).is_none());
        is_sound(profile);
    }
    let status = net.nodes[1].host.status();
    let mut status = status.filter(|one| one.connection == connection);
    let status = status.next().unwrap();
    assert_eq!(status.problem, Some(Problem::Cut { log: cut }));
    assert_eq!((status.reconciled.new, status.reconciled.sent), (41, 0));
    assert!(status.is_fresh && status.buffered_bytes == 0 && status.queued_bytes == 0);
    let metrics = net.nodes[1].metrics;
    assert_eq!(metrics.operations_new_total, 41);
    assert_eq!(metrics.operations_sent_total, 41);
    assert!(metrics.reconciliations_begun_total >= 2);
    assert_eq!(net.nodes[0].metrics.operations_sent_total, 41);
}

#[test]
fn a_log_that_moves_on_is_reconciled_again_and_one_that_does_not_ever_more_seldom() {
    let mut net = net(&["desk", "phone"]);
    let [desk, phone] = [0, 1].map(|node| of(&net, node));
    fill(&desk, 3, 100);
    net.nodes[0].cut.insert(desk.log_id());
    net.connect(1, 0);
    net.run();
    assert_eq!(sum(&phone), sum(&desk));
    let begun = |net: &Net| net.nodes[1].metrics.reconciliations_begun_total;
    assert_eq!(begun(&net), 1);
    for number in 0..3 {
        net.wait(40_000);
        desk.put("app.moves", &[number]).unwrap();
        net.handle(0, Event::Changed(*desk.id()));
        net.wait(40_000);
        assert_eq!(sum(&phone), sum(&desk), "{number}");
    }
    // An hour in which nothing happens: tried again, and rarely.
    let before = begun(&net);
    net.wait(3_600_000);
    let more = begun(&net) - before;
    assert!((2..14).contains(&more), "{more}");
    // What is new is not kept waiting because nothing was before.
    desk.put("app.moves", b"again").unwrap();
    net.handle(0, Event::Changed(*desk.id()));
    net.wait(40_000);
    assert_eq!(sum(&phone), sum(&desk));
    assert_eq!(net.closed(1), []);
}

#[test]
fn what_is_refused_as_a_log_because_some_of_it_is_missing_comes_alone() {
    let mut net = net(&["desk", "phone"]);
    let [desk, phone] = [0, 1].map(|node| of(&net, node));
    fill(&desk, 5, 100);
    net.nodes[0].has_gaps = true;
    net.connect(1, 0);
    net.run();
    assert_eq!(phone.version_vector().unwrap().get(&desk.log_id()), None);
    assert_eq!(sum(&phone), sum(&desk));
    let status: Vec<PeerStatus> = net.nodes[1].host.status().collect();
    let log = desk.log_id();
    assert_eq!(status[0].problem, Some(Problem::Stuck { log }));
    is_sound(&phone);
    // Once the rest can be had, it is had.
    net.nodes[0].has_gaps = false;
    net.wait(40_000);
    let vectors = [&desk, &phone].map(|profile| profile.version_vector().unwrap());
    assert_eq!(vectors[0], vectors[1]);
    assert_eq!(sum(&phone), sum(&desk));
    is_sound(&phone);
}

#[test]
fn who_comes_later_hears_of_what_came_alone_before() {
    let mut net = net(&["desk", "phone", "laptop"]);
    let [desk, phone, laptop] = [0, 1, 2].map(|node| of(&net, node));
    fill(&desk, 5, 100);
    net.nodes[0].cut.insert(desk.log_id());
    let connection = net.connect(1, 0);
    net.run();
    assert_eq!(sum(&phone), sum(&desk));
    net.disconnect(connection);
    // To the laptop's eyes the phone has no log that it lacks.
    net.connect(2, 1);
    net.run();
    assert_eq!(sum(&laptop), sum(&desk));
    // The phone knew that it had something to say; the laptop did when it had it.
    let before = net.nodes[1].metrics.reconciliations_begun_total;
    net.wait(600_000);
    assert_eq!(net.nodes[1].metrics.reconciliations_begun_total, before);
}

#[test]
fn what_a_device_wrote_before_it_was_revoked_comes_alone_where_its_checkpoint_goes_too_far() {
    let mut net = net(&["desk", "phone", "laptop"]);
    let [desk, phone, laptop] = [0, 1, 2].map(|node| of(&net, node));
    // Somebody else's device, which the phone knows as far as it was honest.
    let lost = profile(1, "lost");
    for key in 0..10 {
        lost.put(&format!("app.lost.{key}"), b"before").unwrap();
    }
    give(&lost, &phone);
    lost.put("app.lost.0", b"after").unwrap();
    lost.compact().unwrap();
    give(&lost, &desk);
    phone.revoke(lost.device()).unwrap();
    // The desk learns of it from the phone; the laptop has only the desk.
    give(&phone, &desk);
    net.connect(2, 0);
    net.run();
    net.wait(1_000);
    assert_eq!(laptop.version_vector().unwrap().get(&lost.log_id()), None);
    for key in 1..10 {
        let value = laptop.get(&format!("app.lost.{key}")).unwrap();
        assert_eq!(value.unwrap(), b"before", "{key}");
    }
    assert!(laptop.get("app.lost.0").unwrap().is_none());
    is_sound(&laptop);
    assert_eq!((net.closed(0), net.closed(2)), (vec![], vec![]));
}

#[derive(Debug)]
struct Same;

impl Entropy for Same {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        out.fill(7);
        Ok(())
    }
}

/// Two copies of one device.
fn twin() -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options.entropy(Arc::new(Same))).unwrap();
    let secret = WalletSecret::take(&mut [1; 32]);
    engine.profile(&secret, "twin").unwrap()
}

#[test]
fn a_device_of_two_histories_costs_few_reconciliations_and_nobody_is_blamed_for_it() {
    let mut net = net(&["desk", "phone"]);
    let [desk, phone] = [0, 1].map(|node| of(&net, node));
    let twins = [twin(), twin()];
    for (twin, to) in twins.iter().zip([&desk, &phone]) {
        for key in 0..5 {
            let value = to.device().to_string();
            twin.put(&format!("app.twin.{key}"), value.as_bytes())
                .unwrap();
        }
        give(twin, to);
    }
    assert_eq!(twins[0].log_id(), twins[1].log_id());
    fill(&desk, 3, 100);
    net.connect(1, 0);
    net.run();
    net.wait(3_600_000);
    for profile in [&desk, &phone] {
        assert_eq!(profile.forks().unwrap().len(), 1);
        assert_eq!(profile.get("app.2").unwrap().unwrap(), &[7; 100]);
        is_sound(profile);
    }
    let begun = [0, 1].map(|node| net.nodes[node].metrics.reconciliations_begun_total);
    assert!(begun.iter().sum::<u64>() > 0);
    assert!(begun.iter().all(|begun| *begun < 14), "{begun:?}");
    assert_eq!((net.closed(0), net.closed(1)), (vec![], vec![]));
    // What each has of the other history stays apart: neither is given.
    assert_ne!(sum(&desk), sum(&phone));
    assert_eq!(net.nodes[0].metrics.operations_new_total, 0);
}

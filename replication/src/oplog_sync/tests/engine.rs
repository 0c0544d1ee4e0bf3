//! Real profiles.

use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Durability, Engine, EngineOptions};

use super::super::*;
use super::model::Net;
use crate::wire::{Cut, Hello, Message, StatementsDigest};
use crate::{Peer, Timestamp};

fn profile(wallet: u8, device: &str) -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options).unwrap();
    let secret = WalletSecret::take(&mut [wallet; 32]);
    engine.profile(&secret, device).unwrap()
}

fn fill(profile: &Profile, name: &str, commits: usize, puts: usize) {
    for commit in 0..commits {
        let mut batch = profile.engine().begin();
        for put in 0..puts {
            let key = format!("app.{name}.{commit}.{put}");
            batch.put_value(profile, &key, &[7; 100]).unwrap();
        }
        let key = format!("app.{name}.{commit}.block");
        batch
            .put_value_in_block(profile, &key, &[9; 3_000])
            .unwrap();
        batch.commit().unwrap();
    }
}

#[test]
fn profiles_of_one_wallet_become_the_same_and_those_of_another_are_left_alone() {
    let names = ["phone", "laptop", "desk"];
    let profiles = names.map(|name| {
        let profile = profile(1, name);
        fill(&profile, name, 8, 20);
        profile
    });
    let config = SyncConfig {
        round_bytes: 10_000,
        ..SyncConfig::default()
    };
    let stranger = profile(2, "stranger");
    fill(&stranger, "stranger", 1, 1);
    let mut histories = profiles.to_vec();
    histories.push(stranger);
    let mut net = Net::new(config, histories);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run(5_000);
    let vector = profiles[0].version_vector().unwrap();
    assert_eq!(vector.iter().count(), 3);
    for profile in &profiles {
        assert_eq!(profile.version_vector().unwrap(), vector);
        for name in names {
            let key = format!("app.{name}.7.block");
            assert_eq!(profile.get(&key).unwrap().unwrap(), &[9; 3_000]);
        }
        let report = profile.engine().check_integrity(&mut |_| {}).unwrap();
        assert!(report.problems.is_empty());
    }
    // A machine that is given another profile's history by mistake takes none of it, and says whose fault it is.
    net.connect(2, 3);
    net.run(6_000);
    assert!(
        matches!(net.reasons(2).as_slice(), [Some(_)])
            || matches!(net.reasons(3).as_slice(), [Some(_)])
    );
    assert_eq!(profiles[2].version_vector().unwrap(), vector);
}

#[test]
fn what_goes_over_the_wire_is_what_is_in_the_commits_and_a_few_bytes() {
    let (one, other) = (profile(1, "phone"), profile(1, "laptop"));
    fill(&one, "phone", 50, 60);
    let delta = one
        .delta_for(&other.version_vector().unwrap(), 1 << 30)
        .unwrap();
    let payload = delta.byte_len();
    let mut net = Net::new(SyncConfig::default(), vec![one.clone(), other.clone()]);
    net.connect(0, 1);
    net.run(1_000);
    assert_eq!(
        other.version_vector().unwrap(),
        one.version_vector().unwrap()
    );
    let sent = net.sent[&(0, 1)];
    assert!(sent * 100 < payload * 102, "{sent} for {payload}");
}

#[test]
fn after_compaction_a_new_device_gets_the_checkpoint_instead_of_the_history() {
    let (one, other) = (profile(1, "phone"), profile(1, "laptop"));
    for turn in 0..20_u8 {
        let mut batch = one.engine().begin();
        for put in 0..50 {
            batch
                .put_value(&one, &format!("app.{put}"), &[turn; 60])
                .unwrap();
        }
        batch.commit().unwrap();
    }
    one.compact().unwrap();
    let mut net = Net::new(SyncConfig::default(), vec![one.clone(), other.clone()]);
    net.connect(0, 1);
    net.run(1_000);
    assert_eq!(other.get("app.49").unwrap().unwrap(), &[19; 60]);
    assert!(net.sent[&(0, 1)] < 20_000, "{}", net.sent[&(0, 1)]);
    assert!(net.reasons(0).is_empty() && net.reasons(1).is_empty());
}

#[test]
fn a_checkpoint_that_is_longer_than_a_round_is_cut_and_what_else_there_is_comes() {
    // Long values come in the same round as the entries.
    for (entries, blocks) in [(500, 0), (100, 30)] {
        let (one, desk) = (profile(1, "phone"), profile(1, "desk"));
        fill(&desk, "desk", 2, 3);
        let delta = desk.delta_for(&one.version_vector().unwrap(), usize::MAX);
        one.ingest(&delta.unwrap()).unwrap();
        // Twice, so that there is something to let go of.
        for put in (0..entries).chain(0..entries) {
            let key = format!("app.{put}");
            one.put(&key, &[7; 100]).unwrap();
        }
        for put in 0..blocks {
            let mut batch = one.engine().begin();
            let key = format!("app.block.{put}");
            batch.put_value_in_block(&one, &key, &[9; 3_000]).unwrap();
            batch.commit().unwrap();
        }
        one.compact().unwrap();
        let other = profile(1, "laptop");
        let config = SyncConfig {
            round_bytes: 20_000,
            round_bytes_max: 60_000,
            ..SyncConfig::default()
        };
        let mut net = Net::new(config, vec![one.clone(), other.clone()]);
        net.connect(0, 1);
        net.run(5_000);
        assert_eq!(
            (net.reasons(0), net.reasons(1)),
            (vec![], vec![]),
            "{blocks}"
        );
        let log = one.log_id();
        let is_cut =
            |seen: &Output| matches!(seen, Output::Reconcile(_, found, _) if *found == log);
        assert!(net.nodes[1].seen.iter().any(is_cut), "{blocks}");
        assert!(other.get("app.desk.1.block").unwrap().is_some());
        assert!(other.get("app.1").unwrap().is_none());
    }
}

#[test]
fn a_cut_names_the_operation_that_was_asked_for() {
    let [one, part, none] = ["phone", "laptop", "desk"].map(|name| profile(1, name));
    fill(&one, "first", 5, 1);
    let delta = one.delta_for(&VersionVector::default(), usize::MAX);
    part.ingest(&delta.unwrap()).unwrap();
    // Twice, so that there is something to let go of.
    for _ in 0..2 {
        fill(&one, "then", 30, 1);
    }
    one.compact().unwrap();
    let (log, peer, now) = (one.log_id(), Peer::new(1), Timestamp::default());
    for (there, again, asked) in [(&none, None, 1), (&part, None, 11), (&part, Some(4), 4)] {
        let mut sync = OplogSync::new(SyncConfig {
            round_bytes_max: 60_000,
            ..SyncConfig::default()
        });
        let hello = Message::Hello(Hello {
            run: 3,
            is_pull: true,
            statements: StatementsDigest::default(),
            skip: Vec::new(),
            again: again.map(|seq| (log, seq)).into_iter().collect(),
            vector: there.version_vector().unwrap(),
        });
        let mut cuts = Vec::new();
        for event in [Event::Connected(peer), Event::Message(peer, hello)] {
            sync.handle(event, now);
            while let Some(output) = sync.poll_output() {
                match output {
                    Output::Send(_, Message::Cut(cut)) => cuts.push(cut),
                    Output::Store(request) => sync.handle(Event::Store(request.run(&one)), now),
                    _ => {}
                }
            }
        }
        let (run, seq) = (3, asked);
        assert_eq!(cuts, [Cut { run, log, seq }]);
    }
}

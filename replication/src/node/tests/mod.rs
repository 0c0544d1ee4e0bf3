use core::time::Duration;

use cid::Cid;
use cid::multihash::Multihash;
use uxf_codec::ElementHash;
use uxf_engine::bundles::parse_cid;
use uxf_engine::oplog::{DeltaLimits, DeltaReader, DeltaRecordKind, VersionVector, block_hash};
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{Wallet, WalletImportOptions, WalletOptions};
use uxf_engine::{BlockKind, Durability, Engine, EngineOptions};

#[cfg(feature = "discovery")]
mod discovery;
mod found;
#[cfg(feature = "gossip")]
mod gossip;

use super::*;
use crate::bulk::{BulkError, BulkStore as _, FetchOptions, fetch_bundle};

const LONGEST: Duration = Duration::from_secs(60);

fn profile(wallet: u8, device: &str) -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options).unwrap();
    let secret = WalletSecret::take(&mut [wallet; 32]);
    engine.profile(&secret, device).unwrap()
}

fn put(profile: &Profile, key: &str, value: &[u8]) {
    let mut batch = profile.engine().begin();
    batch.put_value(profile, key, value).unwrap();
    batch.commit().unwrap();
}

fn listening(profile: &Profile) -> Node {
    let builder = Node::builder().serve(profile.clone());
    let builder = builder.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    builder.spawn().unwrap()
}

#[test]
fn two_nodes_on_loopback_have_the_same_after_one_sync() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    for number in 0..50 {
        put(&phone, &format!("app.phone.{number}"), &[1; 3_000]);
        put(&desk, &format!("app.desk.{number}"), &[2; 3_000]);
    }
    let desk_node = listening(&desk);
    let phone_node = Node::builder().serve(phone.clone()).spawn().unwrap();
    let addresses = desk_node.addresses().unwrap();
    let synced = phone_node.sync_once(&addresses[0], LONGEST).unwrap();
    assert_eq!((synced.profiles, synced.taken, synced.given), (1, 50, 50));
    assert_eq!(
        phone.version_vector().unwrap(),
        desk.version_vector().unwrap()
    );
    assert_eq!(desk.get("app.phone.49").unwrap().unwrap(), &[1; 3_000]);
    // What is written later goes over the same stream.
    put(&phone, "app.later", b"now");
    phone_node.sync_once(&addresses[0], LONGEST).unwrap();
    assert_eq!(desk.get("app.later").unwrap().unwrap(), b"now");
    let status = desk_node.status().unwrap();
    assert_eq!(status.peers.len(), 1);
    assert_eq!(status.peers[0].0, *phone_node.peer_id());
    phone_node.shut_down();
    desk_node.shut_down();
}

#[test]
fn a_stranger_is_refused_and_one_that_is_not_there_is_not_reached() {
    let node = listening(&profile(1, "desk"));
    let stranger = Node::builder()
        .serve(profile(2, "stranger"))
        .spawn()
        .unwrap();
    let addresses = node.addresses().unwrap();
    let refused = stranger.sync_once(&addresses[0], LONGEST);
    assert!(matches!(refused, Err(SyncError::Refused)), "{refused:?}");
    node.shut_down();
    let gone = Node::builder().serve(profile(1, "phone")).spawn().unwrap();
    let gone = gone.sync_once(&addresses[0], LONGEST);
    assert!(matches!(gone, Err(SyncError::Unreachable)), "{gone:?}");
    let unnamed = stranger.sync_once(&"/ip4/127.0.0.1/tcp/1".parse().unwrap(), LONGEST);
    assert!(matches!(
        unnamed,
        Err(SyncError::Node(NodeError::Unnamed { .. }))
    ));
}

/// Waits until a key is there, by watching the store.
fn wait_for(profile: &Profile, key: &str) {
    let watch = profile.watch("");
    while profile.get(key).unwrap().is_none() {
        assert!(watch.next_timeout(LONGEST).is_some(), "{key} did not come");
    }
}

#[test]
fn what_is_written_on_one_shows_on_the_other_while_they_are_connected() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let desk_node = listening(&desk);
    let address = desk_node.addresses().unwrap().remove(0);
    let builder = Node::builder().serve(phone.clone());
    let phone_node = builder.peer(address).spawn().unwrap();
    put(&phone, "app.phone", b"1");
    wait_for(&desk, "app.phone");
    put(&desk, "app.desk", b"2");
    wait_for(&phone, "app.desk");
    phone_node.shut_down();
    desk_node.shut_down();
}

#[test]
fn a_peer_that_is_kept_is_connected_with_again_when_it_comes_back() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let first = Node::builder()
        .serve(desk.clone())
        .identity([7; 32])
        .listen("/ip4/127.0.0.1/tcp/0".parse().unwrap())
        .spawn()
        .unwrap();
    let address = first.addresses().unwrap().remove(0);
    let short = crate::host::StandingConfig {
        wait_max: Duration::from_millis(200),
        ..Default::default()
    };
    let phone_node = Node::builder()
        .serve(phone.clone())
        .peer(address.clone())
        .standing(short)
        .spawn()
        .unwrap();
    put(&phone, "app.before", b"1");
    wait_for(&desk, "app.before");
    first.shut_down();
    put(&phone, "app.between", b"2");
    let mut bare = address;
    bare.pop();
    let builder = Node::builder().serve(desk.clone()).identity([7; 32]);
    let second = builder.listen(bare).spawn().unwrap();
    wait_for(&desk, "app.between");
    second.shut_down();
    phone_node.shut_down();
}

#[cfg(feature = "quic")]
#[test]
fn quic_carries_the_same() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    put(&phone, "app.phone", b"1");
    let builder = Node::builder().serve(desk.clone());
    let builder = builder.listen("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap());
    let desk_node = builder.spawn().unwrap();
    let phone_node = Node::builder().serve(phone).spawn().unwrap();
    let addresses = desk_node.addresses().unwrap();
    phone_node.sync_once(&addresses[0], LONGEST).unwrap();
    assert_eq!(desk.get("app.phone").unwrap().unwrap(), b"1");
}

fn wallet(profile: &Profile) -> Wallet {
    let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
    let engine = profile.engine();
    engine
        .wallet(profile, &address, WalletOptions::new())
        .unwrap()
}

#[test]
fn tokens_that_were_saved_on_either_device_are_on_both_after_one_sync() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let (on_phone, on_desk) = (wallet(&phone), wallet(&desk));
    for (wallet, file) in [(&on_phone, "genuine"), (&on_desk, "synthetic")] {
        let file = std::fs::read(format!("../samples/{file}-tokens.json")).unwrap();
        wallet.import(&file, &WalletImportOptions::new()).unwrap();
        assert_eq!(wallet.save().unwrap().bundles.len(), 1);
    }
    let builder = Node::builder().serve(desk.clone()).wallet(on_desk.clone());
    let builder = builder.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let desk_node = builder.spawn().unwrap();
    let builder = Node::builder().serve(phone).wallet(on_phone.clone());
    let phone_node = builder.spawn().unwrap();
    let mut events = phone_node.events().unwrap();
    let address = desk_node.addresses().unwrap().remove(0);
    let synced = phone_node.sync_once(&address, LONGEST).unwrap();
    assert_eq!((synced.bundles, synced.bundles_missing), (2, 0));
    let mut fetched = 0;
    while let Some(event) = events.try_next() {
        fetched += usize::from(matches!(event, NodeEvent::Fetched { .. }));
    }
    assert_eq!(fetched, 1);
    desk_node.shut_down();
    phone_node.shut_down();
    // What the other device fetched its wallet takes in by itself, or with its next sync.
    on_desk.sync().unwrap();
    let count = |wallet: &Wallet| wallet.status().unwrap().tokens();
    assert_eq!((count(&on_phone), count(&on_desk)), (47, 47));
}

#[test]
fn a_bundle_that_neither_side_has_holds_up_no_sync() {
    let (phone, desk) = (profile(1, "phone"), profile(1, "desk"));
    let third = profile(1, "third");
    let file = std::fs::read("../samples/genuine-tokens.json").unwrap();
    let wallet = wallet(&third);
    wallet.import(&file, &WalletImportOptions::new()).unwrap();
    wallet.save().unwrap();
    // A file carries the reference without the blocks.
    let mut delta = Vec::new();
    third
        .export_delta(&VersionVector::default(), &mut delta)
        .unwrap();
    desk.import_delta(std::io::Cursor::new(delta)).unwrap();
    let desk_node = listening(&desk);
    let phone_node = Node::builder().serve(phone).spawn().unwrap();
    let address = desk_node.addresses().unwrap().remove(0);
    let synced = phone_node.sync_once(&address, LONGEST).unwrap();
    assert_eq!((synced.bundles, synced.bundles_missing), (0, 1));
    assert_eq!(phone_node.status().unwrap().bundles_missing, 1);
}

/// The hash of a commit of a profile.
fn commit_of(profile: &Profile) -> ElementHash {
    let mut delta = Vec::new();
    let from = VersionVector::default();
    profile.export_delta(&from, &mut delta).unwrap();
    let mut reader = DeltaReader::new(delta.as_slice(), DeltaLimits::default()).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        if record.kind == DeltaRecordKind::Commit {
            return ElementHash::from_bytes(block_hash(record.bytes));
        }
    }
    panic!("no commit");
}

#[test]
fn bundles_are_fetched_whole_by_bitswap_and_oplogs_are_not_given() {
    let desk = profile(1, "desk");
    let file = std::fs::read("../samples/genuine-tokens.json").unwrap();
    let wallet = wallet(&desk);
    wallet.import(&file, &WalletImportOptions::new()).unwrap();
    let saved = wallet.save().unwrap();
    let root = parse_cid(saved.bundles[0].as_ref()).unwrap();
    let gives = Gives::BlocksOf(desk.engine().clone());
    let builder = Node::builder().bitswap(gives);
    let builder = builder.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    let host = builder.spawn().unwrap();
    let asker = Node::builder().bitswap(Gives::Nothing).spawn().unwrap();
    let blocks = asker
        .handle()
        .bitswap_blocks(&host.addresses().unwrap())
        .unwrap();
    let fetched = fetch_bundle(&root, &[&blocks], &FetchOptions::default()).unwrap();
    assert!(fetched.bundle.blocks().len() > 30);
    let commit = commit_of(&desk);
    let stored = desk.engine().snapshot().unwrap().get(&commit).unwrap();
    assert_eq!(stored.unwrap().kind(), BlockKind::Commit);
    let digest = Multihash::wrap(0x12, commit.as_bytes()).unwrap();
    let error = blocks.get_block(&Cid::new_v1(0x71, digest)).unwrap_err();
    assert!(matches!(error, BulkError::NotFound { .. }), "{error}");
    host.shut_down();
    // Nobody is there any more, and that is not waited for.
    assert!(blocks.get_block(&root).is_err());
}

#[test]
fn the_secret_of_an_identity_is_not_shown() {
    let builder = Node::builder().identity([0xab; 32]);
    assert!(!format!("{builder:?}").contains("171"), "{builder:?}");
}

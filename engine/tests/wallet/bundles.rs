use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{CarLimits, CarReader};
use uxf_codec::package::Package;
use uxf_engine::bundles::{BundleRef, UnixSeconds};
use uxf_engine::wallet::{SaveScope, WalletCounts};

use crate::{array, device, earlier, id, seen, token};

#[test]
fn a_save_names_what_no_bundle_has_and_nothing_twice() {
    let device = device("one");
    let (first, second) = (token(0, 1), token(1, 1));
    device.import(&array(&[&first, &second]));
    assert_eq!(device.wallet.status().unwrap().unsaved, 2);
    let saved = device.wallet.save().unwrap();
    assert_eq!((saved.bundles.len(), saved.tokens), (1, 2));
    assert!(device.wallet.save().unwrap().is_empty());
    device.import(&token(2, 1));
    assert_eq!(device.wallet.save().unwrap().tokens, 1);
    let status = device.wallet.status().unwrap();
    assert_eq!((status.tokens(), status.unsaved, status.bundles), (3, 0, 2));
    device.is_sound();
}

#[test]
fn a_spent_token_is_in_no_save() {
    let device = device("one");
    let (kept, spent) = (token(0, 1), token(1, 1));
    device.import(&array(&[&kept, &spent]));
    device.wallet.spend(&id(&spent)).unwrap();
    let saved = device.wallet.save_scope(SaveScope::Everything).unwrap();
    let package = Package::from_car(&device.car(&saved.bundles[0])).unwrap();
    let names: Vec<_> = package
        .manifest()
        .keys()
        .map(|id| id.as_str().to_owned())
        .collect();
    assert_eq!(names, [id(&kept)]);
}

/// Whether a sync came between or not.
#[test]
fn what_another_device_has_spent_is_in_no_save() {
    let (one, two) = (device("one"), device("two"));
    let (first, second) = (token(0, 1), token(1, 1));
    let cid = one.bundle(&[&first]);
    two.wallet.add_bundle_car(&cid, &one.car(&cid)).unwrap();
    two.import(&second);
    for n in 2..5 {
        one.bundle(&[&token(n, 0)]);
    }
    one.import(&second);
    for spent in [&first, &second] {
        two.wallet.spend(&id(spent)).unwrap();
    }
    two.tell(&one);
    assert_eq!(seen(&one).len(), 5, "nobody has synced");
    assert!(one.wallet.save().unwrap().is_empty());
    let saved = one.wallet.save_scope(SaveScope::Everything).unwrap();
    assert_eq!(saved.tokens, 3);
    one.is_sound();
}

#[test]
fn a_large_save_is_split_into_bundles_that_others_can_read() {
    let device = device("one");
    let mut json = Vec::new();
    uxf_testkit::Wallet::new(700).write_json(&mut json).unwrap();
    device.import(core::str::from_utf8(&json).unwrap());
    let saved = device.wallet.save().unwrap();
    assert!(saved.bundles.len() > 1);
    assert_eq!((saved.tokens, saved.too_large.len()), (700, 0));
    let mut tokens = 0;
    for cid in &saved.bundles {
        let package = Package::from_car(&device.car(cid)).unwrap();
        tokens += package.manifest().len();
    }
    assert_eq!(tokens, 700);
    device.is_sound();
}

#[test]
fn two_devices_that_exchange_references_and_bundles_both_have_the_union() {
    let (one, two) = (device("one"), device("two"));
    let shared = token(0, 2);
    let from_one = one.bundle(&[&shared, &token(1, 1)]);
    let from_two = two.bundle(&[&earlier(&shared, 1), &token(2, 1)]);
    one.tell(&two);
    two.tell(&one);
    assert_eq!(one.wallet.sync().unwrap().waiting[0].cid, from_two);
    one.wallet
        .add_bundle_car(&from_two, &two.car(&from_two))
        .unwrap();
    two.wallet
        .add_bundle_car(&from_one, &one.car(&from_one))
        .unwrap();
    assert!(one.wallet.sync().unwrap().is_complete());
    assert_eq!(seen(&one), seen(&two));
    assert_eq!(seen(&one).len(), 3);
    assert!(
        one.wallet.save().unwrap().is_empty(),
        "everything is in a bundle"
    );
    one.is_sound();
    two.is_sound();
}

#[test]
fn a_bundle_whose_blocks_arrived_is_taken_in_by_the_next_sync() {
    let (one, two) = (device("one"), device("two"));
    let cid = one.bundle(&[&token(0, 1)]);
    one.tell(&two);
    assert!(!two.wallet.sync().unwrap().is_complete());
    // The blocks come one by one, as from a peer, and nobody refers to them yet.
    let car = one.car(&cid);
    let mut reader = CarReader::new(&car[..], CarLimits::REFERENCE).unwrap();
    let guard = two.engine.begin_import();
    let mut batch = two.engine.begin();
    while let Some(block) = reader.next_block().unwrap() {
        if batch.put(block.bytes).is_err() {
            batch.put_opaque(block.bytes).unwrap();
        }
    }
    batch.commit().unwrap();
    let report = two.wallet.sync().unwrap();
    drop(guard);
    assert_eq!((report.taken, report.counts.added), (vec![cid], 1));
    assert_eq!(seen(&one), seen(&two));
    two.is_sound();
}

#[test]
fn a_bundle_that_cannot_be_read_keeps_no_other_out_and_is_told() {
    let (one, two) = (device("one"), device("two"));
    let good = one.bundle(&[&token(0, 1)]);
    let bad = one.bundle(&[&token(1, 1)]);
    let car = one.car(&bad);
    assert!(
        two.wallet.add_bundle_car(&good, &car).is_err(),
        "another bundle's bytes"
    );
    assert!(
        two.wallet
            .add_bundle_car(&bad, &car[..car.len() - 1])
            .is_err()
    );
    assert!(two.wallet.add_bundle_car("no cid", &car).is_err());
    assert!(two.tokens().is_empty());
    one.profile
        .put("tokens.bundle.nonsense", b"{}")
        .unwrap_err();
    two.wallet.add_bundle_car(&good, &one.car(&good)).unwrap();
    one.tell(&two);
    let report = two.wallet.sync().unwrap();
    assert_eq!(report.waiting.len(), 1);
    assert_eq!(report.waiting[0].cid, bad);
    assert_eq!(two.tokens().len(), 1);
    two.is_sound();
}

#[test]
fn a_bundle_taken_in_twice_changes_nothing() {
    let (one, two) = (device("one"), device("two"));
    let cid = one.bundle(&[&token(0, 1)]);
    let car = one.car(&cid);
    assert!(two.wallet.add_bundle_car(&cid, &car).unwrap().is_new);
    let again = two.wallet.add_bundle_car(&cid, &car).unwrap();
    assert_eq!((again.is_new, again.tokens), (false, 1));
    assert_eq!(again.counts, WalletCounts::default());
    two.is_sound();
}

/// Says in the profile that one bundle has all of another.
pub(crate) fn supersede(device: &crate::Device, cid: &str, by: &str) {
    let key = format!("tokens.bundle.{cid}");
    let text = device.profile.get(&key).unwrap().unwrap();
    let bundle = BundleRef::parse(core::str::from_utf8(text.as_bytes()).unwrap()).unwrap();
    let gone = bundle.superseded_by_bundle(by, UnixSeconds(4_000_000_000));
    device.profile.put(&key, gone.format().as_bytes()).unwrap();
}

#[test]
fn a_superseded_bundle_goes_when_its_successor_is_here_and_takes_nothing_with_it() {
    let (one, two) = (device("one"), device("two"));
    let newest = token(0, 2);
    let alone = token(1, 1);
    let old = one.bundle(&[&earlier(&newest, 1), &alone]);
    let new = {
        let other = device("other");
        let cid = other.bundle(&[&newest]);
        one.wallet.add_bundle_car(&cid, &other.car(&cid)).unwrap();
        cid
    };
    two.wallet.add_bundle_car(&old, &one.car(&old)).unwrap();
    supersede(&one, &old, &new);
    one.tell(&two);
    let report = two.wallet.sync().unwrap();
    assert!(report.released.is_empty(), "its successor is not here");
    two.wallet.add_bundle_car(&new, &one.car(&new)).unwrap();
    assert_eq!(two.wallet.sync().unwrap().released, [old]);
    assert_eq!(seen(&one), seen(&two));
    // What the successor lacks is kept, and is in the next save.
    let status = two.wallet.status().unwrap();
    assert_eq!((status.tokens(), status.unsaved, status.bundles), (2, 1, 1));
    two.is_sound();
}

#[test]
fn there_is_no_room_for_more_bundles_than_a_wallet_may_have() {
    let device = device("one");
    for n in 0..20 {
        device.bundle(&[&token(n, 0)]);
    }
    device.import(&token(20, 0));
    let full = device.wallet.save().unwrap_err();
    assert_eq!(full.code(), "LIMIT_EXCEEDED");
    assert_eq!(device.tokens().len(), 21, "nothing is lost by it");
    device.is_sound();
}

#[test]
fn a_bundle_under_the_id_of_its_archive_is_the_same_one() {
    let (one, two) = (device("one"), device("two"));
    let cid = one.bundle(&[&token(0, 1)]);
    let car = one.car(&cid);
    let digest = cid::multihash::Multihash::wrap(0x12, ElementHash::of(&car).as_bytes()).unwrap();
    let archive = cid::Cid::new_v1(0x55, digest).to_string();
    assert!(two.wallet.add_bundle_car(&archive, &car).unwrap().is_new);
    assert!(!two.wallet.add_bundle_car(&cid, &car).unwrap().is_new);
    assert_eq!(two.wallet.status().unwrap().bundles, 1);
    two.is_sound();
}

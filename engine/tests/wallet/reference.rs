//! What the reference's tests of bundles say, where no other file here says it; see `docs/SCENARIOS.md`.

use std::sync::Arc;

use uxf_engine::bundles::{BundleRef, UnixSeconds};
use uxf_engine::wallet::WalletOptions;
use uxf_engine::{Clock, Engine, EngineOptions};

use crate::{array, device, device_in, seen, token};

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn monotonic(&self) -> core::time::Duration {
        core::time::Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        1_750_000_000_000
    }
}

#[test]
fn saves_that_meet_name_every_token_once() {
    let device = device("one");
    let tokens: Vec<_> = (0..12).map(|n| token(n, 1)).collect();
    let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    device.import(&array(&tokens));
    let named: u64 = std::thread::scope(|scope| {
        let saves: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| device.wallet.save().unwrap().tokens))
            .collect();
        saves.into_iter().map(|save| save.join().unwrap()).sum()
    });
    assert_eq!(named, 12);
    let status = device.wallet.status().unwrap();
    assert_eq!(
        (status.tokens(), status.unsaved, status.bundles),
        (12, 0, 1)
    );
    device.is_sound();
}

/// Whoever has the file sees which bundles a wallet names, not what it says of them; and two devices that save the same
/// at the same time make one bundle.
#[test]
fn references_are_sealed_and_equal_bundles_have_equal_ids() {
    let directory = tempfile::tempdir().unwrap();
    let options = || EngineOptions::new().clock(Arc::new(Stopped));
    let in_file = Engine::open(directory.path(), options()).unwrap();
    let one = device_in(in_file, "one", WalletOptions::new());
    let in_memory = Engine::in_memory(options()).unwrap();
    let two = device_in(in_memory, "two", WalletOptions::new());
    let cid = one.bundle(&[&token(0, 1)]);
    assert_eq!(two.bundle(&[&token(0, 1)]), cid);
    let row = one.profile.get(&format!("tokens.bundle.{cid}")).unwrap();
    let row = row.unwrap().as_bytes().to_vec();
    let car = one.car(&cid);
    one.engine.close().unwrap();
    let file = std::fs::read_dir(directory.path()).unwrap();
    let stored: Vec<u8> = file
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    let has = |bytes: &[u8]| stored.windows(bytes.len()).any(|part| part == bytes);
    assert!(!has(&row) && !has(b"\"active\""));
    // The end of an archive is the end of some element, which is stored as it is.
    assert!(has(&car[car.len() - 24..]));
}

/// Nothing comes of the word of another that there is a bundle; taking it in verifies it.
#[test]
fn a_reference_that_is_not_verified_counts_once_its_bundle_was() {
    let (maker, one, two) = (device("maker"), device("one"), device("two"));
    let cid = maker.bundle(&[&token(0, 1)]);
    let heard_of = BundleRef::unverified(&cid, UnixSeconds(1));
    let put = one
        .profile
        .put(&heard_of.key(), heard_of.format().as_bytes());
    put.unwrap();
    one.tell(&two);
    let report = two.wallet.sync().unwrap();
    assert!(report.taken.is_empty() && two.tokens().is_empty());
    let car = maker.car(&cid);
    two.wallet.add_bundle_car(&cid, &car).unwrap();
    assert_eq!(two.tokens().len(), 1);
    two.tell(&one);
    let row = one.profile.get(&heard_of.key()).unwrap().unwrap();
    let row = BundleRef::parse(core::str::from_utf8(row.as_bytes()).unwrap()).unwrap();
    assert!(row.is_active());
    one.is_sound();
    two.is_sound();
}

#[test]
fn an_exchange_in_one_direction_changes_the_receiver_alone() {
    let (one, two) = (device("one"), device("two"));
    let from_one = one.bundle(&[&token(0, 1)]);
    two.bundle(&[&token(1, 1)]);
    let before = seen(&one);
    one.tell(&two);
    let car = one.car(&from_one);
    two.wallet.add_bundle_car(&from_one, &car).unwrap();
    assert!(two.wallet.sync().unwrap().is_complete());
    assert!(one.wallet.sync().unwrap().is_complete());
    assert_eq!(seen(&one), before);
    assert_eq!(seen(&two).len(), 2);
    one.is_sound();
    two.is_sound();
}

use uxf_engine::wallet::WalletOptions;
use uxf_engine::{Engine, EngineOptions};

use crate::{Device, device, device_in, forked, seen, token};

#[test]
fn a_wallet_says_the_same_after_it_was_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Engine::open(directory.path(), EngineOptions::new()).unwrap();
    let before = {
        let device = device_in(open(), "one", WalletOptions::new());
        device.bundle(&[&token(0, 1), &token(1, 2)]);
        device.import(&token(2, 1));
        (device.tokens(), device.wallet.status().unwrap())
    };
    let device = device_in(open(), "one", WalletOptions::new());
    assert_eq!((device.tokens(), device.wallet.status().unwrap()), before);
    device.is_sound();
}

#[test]
fn two_wallets_of_one_profile_share_nothing_but_elements() {
    let device = device("one");
    let other = uxf_engine::profile::keys::AddressId::parse("DIRECT_000000_ffffff").unwrap();
    let options = WalletOptions::new();
    let other = device
        .engine
        .wallet(&device.profile, &other, options)
        .unwrap();
    device.import(&token(0, 1));
    assert_eq!(other.tokens().unwrap().count(), 0);
    let another_store = crate::device("two");
    let refused = device.engine.wallet(
        &another_store.profile,
        device.wallet.address(),
        WalletOptions::new(),
    );
    assert!(refused.is_err());
}

/// Several threads import, save and take bundles in; each works on what it has read, so every one of them has to
/// begin again now and then.
#[test]
fn changes_that_meet_lose_nothing() {
    let device = device("one");
    let fork = {
        let maker = crate::device("maker");
        let cid = maker.bundle(&[&forked(&token(0, 1)), &forked(&token(1, 1))]);
        let car = maker.car(&cid);
        (cid, car)
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let device: &Device = &device;
            scope.spawn(move || {
                for n in 0..5 {
                    device.import(&token(n * 4 + thread, 1));
                }
            });
        }
        scope.spawn(|| device.wallet.add_bundle_car(&fork.0, &fork.1).unwrap());
        scope.spawn(|| device.wallet.save().unwrap());
    });
    device.wallet.save().unwrap();
    let status = device.wallet.status().unwrap();
    assert_eq!((status.tokens(), status.unsaved), (20, 0));
    let conflicts = seen(&device)
        .iter()
        .filter(|token| token.2 == "conflicting")
        .count();
    assert!(conflicts <= 2);
    device.is_sound();
}

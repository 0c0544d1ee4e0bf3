//! From the wallet of one device to that of another one.

use uxf_engine::bundles::parse_cid;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{WalletImportOptions, WalletOptions};
use uxf_engine::{Engine, EngineOptions};
use uxf_replication::bulk::{
    BulkLimits, BulkStore as _, Bundle, FetchOptions, LocalBlocks, check_durable, fetch_bundle,
};

use crate::samples::elsewhere;

#[test]
fn what_a_wallet_saved_on_one_device_a_wallet_on_another_one_takes_in_from_bulk_storage() {
    let wallet_on = |engine: &Engine, device| {
        let profile = engine
            .profile(&WalletSecret::take(&mut [7; 32]), device)
            .unwrap();
        let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
        engine
            .wallet(&profile, &address, WalletOptions::new())
            .unwrap()
    };
    let phone = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = wallet_on(&phone, "phone");
    let file = std::fs::read("../samples/genuine-tokens.json").unwrap();
    wallet.import(&file, &WalletImportOptions::new()).unwrap();
    let saved = wallet.save().unwrap();
    let cid = &saved.bundles[0];
    let root = parse_cid(cid).unwrap();

    // All of it lies in the phone's store, and the store elsewhere gives all of it back.
    let here = LocalBlocks::new(&phone);
    let car = fetch_bundle(&root, &[&here], &FetchOptions::new())
        .unwrap()
        .bundle
        .to_car()
        .unwrap();
    let bundle = Bundle::read(&root, &car, BulkLimits::REFERENCE).unwrap();
    let store = elsewhere();
    store.put_bundle(&bundle).unwrap();
    check_durable(&store, &bundle).unwrap();

    let laptop = Engine::in_memory(EngineOptions::new()).unwrap();
    let wallet = wallet_on(&laptop, "laptop");
    let here = LocalBlocks::new(&laptop);
    let fetched = fetch_bundle(&root, &[&here, &store], &FetchOptions::new()).unwrap();
    let taken = wallet
        .add_bundle_car(cid, &fetched.bundle.to_car().unwrap())
        .unwrap();
    assert_eq!((taken.is_new, taken.tokens), (true, 7));
    assert_eq!(wallet.status().unwrap().tokens(), 7);
    // Now it is there.
    fetch_bundle(&root, &[&here], &FetchOptions::new()).unwrap();
}

//! Blocks of a bundle that no link leads to: name-tags that only transactions name, newer instances.

use cid::Cid;
use uxf_replication::bulk::{
    BulkError, BulkLimits, BulkStore, Bundle, FetchOptions, KuboNode, check_stored, fetch_bundle,
};

use crate::node::Node;
use crate::samples::{Fault, Odd, Sample, car_of, cid_of, elsewhere};

/// A bundle with a block in its archive that nothing names.
fn with_loose_block(sample: &Sample) -> (Cid, Vec<u8>) {
    let bytes = b"named by nobody".to_vec();
    let cid = Cid::new_v1(0x55, *cid_of(&bytes).hash());
    let mut blocks = sample.blocks();
    blocks.push((cid, bytes));
    (cid, car_of(&sample.root, &blocks))
}

#[test]
fn what_no_link_leads_to_is_pinned_by_itself_and_missed_when_it_is_not() {
    let sample = Sample::new();
    let (loose, car) = with_loose_block(&sample);
    let bundle = Bundle::read(&sample.root, &car, BulkLimits::REFERENCE).unwrap();
    assert_eq!(bundle.tops(), [loose]);
    let node = Node::start();
    let kubo = KuboNode::new(&node.server.url(), None, BulkLimits::REFERENCE).unwrap();
    let objects = elsewhere();
    let stores: [&dyn BulkStore; 2] = [&kubo, &objects];
    for store in stores {
        store.put_bundle(&bundle).unwrap();
        check_stored(store, &bundle).unwrap();
        store.unpin(&loose).unwrap();
        let error = check_stored(store, &bundle).unwrap_err();
        assert!(matches!(error, BulkError::NotPinned { cid, .. } if *cid == loose));
    }
    assert_eq!(node.commands()[..2], ["dag/import", "pin/add"]);
    let fetch = |options: &FetchOptions| fetch_bundle(&sample.root, &stores, options).unwrap();
    assert_eq!(fetch(&FetchOptions::new()).bundle.block(&loose), None);
    let fetched = fetch(&FetchOptions::new().also([loose]));
    assert_eq!(fetched.bundle.block(&loose), Some(&b"named by nobody"[..]));
}

#[test]
fn name_tags_that_only_transactions_name_are_fetched_where_somebody_has_them() {
    let sample = Sample::of("../tests/vectors/uxf/tokens/edge-nametag-in-tx-only.json");
    let bundle = sample.bundle();
    let tag = *bundle.tops().first().unwrap();
    let store = elsewhere();
    store.put_bundle(&bundle).unwrap();
    let fetched = fetch_bundle(&sample.root, &[&store], &FetchOptions::new()).unwrap();
    assert_eq!(
        (fetched.bundle.blocks().len(), fetched.bundle.wished()),
        (bundle.blocks().len(), 0)
    );

    // Without it the bundle is what other implementations take for whole, and that is said.
    let lacking = Odd::new(store, Fault::Lacks(tag));
    let fetched = fetch_bundle(&sample.root, &[&lacking], &FetchOptions::new()).unwrap();
    assert_eq!(
        (fetched.bundle.block(&tag), fetched.bundle.wished()),
        (None, 1)
    );
}

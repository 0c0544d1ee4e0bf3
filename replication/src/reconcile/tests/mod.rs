mod bounds;
mod conversation;
mod engine;
mod stores;

use proptest::prelude::*;
use uxf_engine::oplog::identity::{DeviceId, Epoch, LogId};
use uxf_testkit::Rng;

use super::item::{bound_between, is_before};
use super::*;
use crate::wire::Bound;

fn item(key: &str, seq: u64) -> LiveItem {
    let log = LogId {
        device: DeviceId::unchecked([7; 32]),
        epoch: Epoch::from_u64(1),
    };
    let hash = blake3::hash(format!("{key} {seq}").as_bytes());
    LiveItem {
        key: key.to_owned(),
        operation: OperationId::new(&log, seq),
        hash: ItemHash(hash.into()),
    }
}

fn sum_of<'i>(items: impl Iterator<Item = &'i LiveItem>) -> ItemSum {
    items.fold(ItemSum::default(), |sum, item| {
        sum.plus(&ItemSum::of(&item.hash))
    })
}

fn sorted(items: &[LiveItem]) -> Vec<LiveItem> {
    let mut all: Vec<LiveItem> = Vec::new();
    for item in items {
        let place = |other: &LiveItem| (other.key.clone(), other.operation);
        all.retain(|other| place(other) != place(item));
        all.push(item.clone());
    }
    all.sort_by(|a, b| (a.key.as_bytes(), a.operation).cmp(&(b.key.as_bytes(), b.operation)));
    all
}

#[test]
fn the_tree_stays_flat_whatever_order_things_come_in() {
    let mut orders: Vec<Vec<u64>> = vec![(0..4_000).collect(), (0..4_000).rev().collect()];
    let mut rng = Rng::new(3);
    orders.push((0..4_000).map(|_| rng.below(1 << 40)).collect());
    for order in orders {
        let mut tree = SumTree::default();
        for number in &order {
            tree.insert(item(&format!("{number:013}"), 1));
        }
        assert_eq!(tree.len(), 4_000);
        assert!(tree.depth() <= 24, "{}", tree.depth());
        for number in order.iter().take(3_900) {
            tree.remove(&item(&format!("{number:013}"), 1));
        }
        assert_eq!(tree.len(), 100);
        assert!(tree.depth() <= 14, "{}", tree.depth());
        assert_eq!(tree.sum_before(&Bound::End).count(), 100);
    }
}

#[test]
fn a_bound_between_two_operations_is_short_and_stands_between_them() {
    let pairs = [
        (item("tokens.a", 1), item("tokens.b", 1)),
        (item("a", 1), item("ab", 1)),
        (item("a", 1), item("a", 2)),
        (item("a", 255), item("a", 256)),
        (item("a", 1), item("b", 1)),
        (item("ä", 1), item("ö", 1)),
    ];
    for (low, high) in pairs {
        let bound = bound_between(&low, &high);
        assert!(is_before(&low, &bound) && !is_before(&high, &bound));
        let Bound::Before { key, operation } = &bound else {
            panic!("no end");
        };
        assert!(key.len() <= high.key.len() && operation.len() <= 48);
        assert!(operation.is_empty() || low.key == high.key);
    }
    assert!(is_before(&item("a", 1), &Bound::End));
    assert!(!is_before(&item("", 0), &Bound::START));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_range_of_the_tree_has_the_sum_of_its_operations(
        steps in proptest::collection::vec((any::<bool>(), 0..40_u64, 0..3_u64), 1..200),
        bounds in proptest::collection::vec((0..40_u64, 0..3_u64), 1..8),
    ) {
        let (mut tree, mut model) = (SumTree::default(), Vec::new());
        for (inserts, key, seq) in steps {
            let item = item(&format!("k{key}"), seq);
            if inserts {
                tree.insert(item.clone());
                model.push(item);
            } else {
                tree.remove(&item);
                model.retain(|other| *other != item);
            }
        }
        let model = sorted(&model);
        prop_assert_eq!(tree.len(), model.len() as u64);
        for (rank, item) in (0..).zip(&model) {
            prop_assert_eq!(tree.nth(rank), Some(item));
        }
        prop_assert_eq!(tree.nth(model.len() as u64), None);
        for (key, seq) in bounds {
            let one = item(&format!("k{key}"), seq);
            let bound = Bound::Before {
                key: one.key.clone().into_bytes(),
                operation: one.operation.as_bytes().to_vec(),
            };
            let before = model.iter().filter(|item| is_before(item, &bound));
            prop_assert_eq!(tree.sum_before(&bound), sum_of(before));
        }
    }
}

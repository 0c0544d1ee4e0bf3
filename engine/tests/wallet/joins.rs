use uxf_engine::wallet::{ImportMode, TokenStatus, WalletCounts, WalletImportOptions};
use uxf_testkit::Rng;

use crate::bundles::supersede;
use crate::{Device, device, earlier, forked, history, id, seen, token, unproven};

/// Bundles of several states of one token, each made by a device of its own.
pub(crate) fn bundles(states: &[&str]) -> Vec<(String, Vec<u8>)> {
    let bundle = |state: &&str| {
        let maker = device("maker");
        let cid = maker.bundle(&[state]);
        let car = maker.car(&cid);
        (cid, car)
    };
    states.iter().map(bundle).collect()
}

/// Takes bundles in, in every order, and checks that all end with the same; what that is.
fn in_every_order(states: &[&str]) -> Vec<(String, String, &'static str, usize)> {
    let bundles = bundles(states);
    let mut outcomes = Vec::new();
    let mut order: Vec<usize> = (0..bundles.len()).collect();
    permute(&mut order, 0, &mut |order| {
        let device = device("reader");
        for at in order {
            let (cid, car) = &bundles[*at];
            assert!(device.wallet.add_bundle_car(cid, car).unwrap().is_new);
        }
        device.is_sound();
        outcomes.push(seen(&device));
    });
    outcomes.dedup();
    assert_eq!(outcomes.len(), 1, "the order matters: {outcomes:?}");
    outcomes.pop().unwrap()
}

fn permute(order: &mut [usize], from: usize, each: &mut impl FnMut(&[usize])) {
    if from == order.len() {
        each(order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        permute(order, from + 1, each);
        order.swap(from, at);
    }
}

#[test]
fn the_longest_history_counts_in_whatever_order_bundles_arrive() {
    let newest = token(0, 3);
    let states = [earlier(&newest, 1), earlier(&newest, 2), newest.clone()];
    let seen = in_every_order(&[&states[0], &states[1], &states[2]]);
    let alone = device("alone");
    alone.import(&newest);
    assert_eq!(seen, crate::seen(&alone));
    assert_eq!(seen[0].2, "valid");
}

#[test]
fn histories_that_contradict_each_other_are_a_conflict_with_both_heads() {
    let newest = token(0, 2);
    let other = forked(&newest);
    let before = earlier(&newest, history(&newest) - 1);
    let seen = in_every_order(&[&newest, &other, &before]);
    assert_eq!((seen[0].2, seen[0].3), ("conflicting", 2));
}

#[test]
fn a_proof_that_comes_later_is_no_conflict() {
    let proven = token(0, 2);
    let pending = unproven(&proven);
    let only_pending = device("pending");
    only_pending.import(&pending);
    assert_eq!(seen(&only_pending)[0].2, "pending");
    let seen = in_every_order(&[&pending, &proven]);
    assert_eq!((seen[0].2, seen[0].3), ("valid", 0));
}

#[test]
fn a_spent_token_comes_back_neither_as_it_was_before_nor_without_its_proof() {
    let newest = token(0, 2);
    let before = earlier(&newest, 1);
    let states = bundles(&[&newest, &before, &unproven(&newest)]);
    let device = device("spender");
    device.import(&newest);
    assert!(device.wallet.spend(&id(&newest)).unwrap());
    assert!(!device.wallet.spend(&id(&newest)).unwrap());
    for (cid, car) in &states {
        device.wallet.add_bundle_car(cid, car).unwrap();
        assert!(device.tokens().is_empty(), "{cid}");
    }
    let entry = device.wallet.get(&id(&newest)).unwrap().unwrap();
    assert_eq!(entry.status, TokenStatus::Spent);
    device.is_sound();
}

#[test]
fn a_token_that_was_spent_and_came_back_is_shown() {
    let back = token(0, 3);
    let sent = earlier(&back, 1);
    let device = device("spender");
    device.import(&sent);
    device.wallet.spend(&id(&sent)).unwrap();
    assert!(device.tokens().is_empty());
    device.import(&back);
    assert_eq!(seen(&device).len(), 1);
    device.is_sound();
}

#[test]
fn what_one_device_spends_the_other_shows_no_longer() {
    let (one, two) = (device("one"), device("two"));
    let token = token(0, 1);
    let cid = one.bundle(&[&token]);
    one.tell(&two);
    two.wallet.add_bundle_car(&cid, &one.car(&cid)).unwrap();
    assert_eq!(seen(&one), seen(&two));
    one.wallet.spend(&id(&token)).unwrap();
    one.tell(&two);
    assert_eq!(two.wallet.sync().unwrap().counts.removed, 1);
    assert!(two.tokens().is_empty());
    assert_eq!(two.wallet.sync().unwrap().counts, WalletCounts::default());
    two.is_sound();
}

/// The other device never hears of the state that was spent: nobody saves it.
#[test]
fn what_led_to_a_spent_state_is_shown_on_no_device() {
    let newest = token(0, 3);
    for (at, spent_at) in [(0, 1), (1, 2), (0, 3)] {
        let (one, two) = (device("one"), device("two"));
        if spent_at < history(&newest) {
            one.import(&earlier(&newest, spent_at));
        } else {
            one.import(&newest);
        }
        one.wallet.spend(&id(&newest)).unwrap();
        two.import(&earlier(&newest, at));
        one.tell(&two);
        assert_eq!(two.wallet.sync().unwrap().counts.removed, 1, "{at}");
        let three = device("three");
        let cid = three.bundle(&[&newest]);
        let car = three.car(&cid);
        two.wallet.add_bundle_car(&cid, &car).unwrap();
        let is_later = spent_at < history(&newest);
        assert_eq!(seen(&two).len(), usize::from(is_later), "what came back");
        two.is_sound();
    }
}

/// Such a token has no state hash but that of the genesis, in which it was spent.
#[test]
fn a_token_that_comes_back_without_a_proof_is_shown_until_it_is_spent_again() {
    let back = earlier(&token(0, 2), 1);
    let device = device("spender");
    device.import(&earlier(&back, 0));
    device.wallet.spend(&id(&back)).unwrap();
    let states = bundles(&[&unproven(&back), &back]);
    device.import(&unproven(&back));
    assert_eq!(seen(&device)[0].2, "pending");
    let (cid, car) = &states[0];
    device.wallet.add_bundle_car(cid, car).unwrap();
    assert_eq!(seen(&device)[0].2, "pending");
    assert!(device.wallet.spend(&id(&back)).unwrap());
    device.import(&unproven(&back));
    assert!(device.tokens().is_empty());
    assert!(device.tokens().is_empty());
    let (cid, car) = &states[1];
    device.wallet.add_bundle_car(cid, car).unwrap();
    assert!(device.tokens().is_empty(), "it came back with its proof");
    device.is_sound();
}

#[test]
fn what_an_import_replaced_stays_away_and_what_comes_later_counts() {
    let newest = token(0, 3);
    let (chosen, replaced) = (earlier(&newest, 1), earlier(&newest, 2));
    let states = bundles(&[&replaced, &newest]);
    let device = device("one");
    device.import(&replaced);
    let lenient = WalletImportOptions::new().mode(ImportMode::Lenient);
    device.wallet.import(chosen.as_bytes(), &lenient).unwrap();
    let transfers = |device: &Device| {
        let json = device.wallet.inventory().assemble(&id(&newest)).unwrap();
        history(core::str::from_utf8(&json).unwrap())
    };
    assert_eq!(transfers(&device), 1);
    let (cid, car) = &states[0];
    device.wallet.add_bundle_car(cid, car).unwrap();
    assert_eq!(transfers(&device), 1, "it was set aside");
    let (cid, car) = &states[1];
    device.wallet.add_bundle_car(cid, car).unwrap();
    assert_eq!(transfers(&device), history(&newest));
    device.is_sound();
}

/// What a reader of the random test does next.
#[derive(Clone, Copy, Debug)]
enum Event {
    Take(usize),
    HearAndSync,
}

fn shuffle<T>(rng: &mut Rng, list: &mut [T]) {
    for at in (1..list.len()).rev() {
        list.swap(at, rng.index(at + 1));
    }
}

/// Bundles of one state each of some of three tokens, made by devices that know nothing of each other.
fn random_bundles(rng: &mut Rng) -> Vec<(String, Vec<u8>)> {
    let (first, second, third) = (token(0, 3), token(1, 2), token(2, 0));
    let states = [
        vec![
            earlier(&first, 1),
            earlier(&first, 2),
            unproven(&first),
            forked(&first),
            first.clone(),
        ],
        vec![earlier(&second, 1), unproven(&second), second.clone()],
        vec![third.clone()],
    ];
    let mut pick = |from: &[String]| from.get(rng.index(from.len() + 1)).cloned();
    let bundle = |number: usize| {
        let tokens: Vec<_> = states.iter().filter_map(|one| pick(one)).collect();
        let mut tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
        let filler = token(3 + number, 0);
        tokens.push(&filler);
        let maker = device("maker");
        let cid = maker.bundle(&tokens);
        let car = maker.car(&cid);
        (cid, car)
    };
    (0..6).map(bundle).collect()
}

/// A device that has all bundles; of some it then says that a merged one has all of them, and it may spend a token.
fn home(rng: &mut Rng, bundles: &mut Vec<(String, Vec<u8>)>) -> Device {
    let home = device("home");
    for (cid, car) in bundles.iter() {
        home.wallet.add_bundle_car(cid, car).unwrap();
    }
    if rng.below(3) > 0 {
        let scope = uxf_engine::wallet::SaveScope::Everything;
        let saved = home.wallet.save_scope(scope).unwrap();
        if let [merged] = saved.bundles.as_slice() {
            for (cid, _) in bundles.iter() {
                if rng.below(2) == 0 {
                    supersede(&home, cid, merged);
                }
            }
        }
        for cid in saved.bundles {
            let car = home.car(&cid);
            bundles.push((cid, car));
        }
    }
    if rng.below(3) == 0 {
        home.wallet.spend(&id(&token(1, 2))).unwrap();
    }
    home.wallet.sync().unwrap();
    home
}

#[test]
fn whatever_the_order_of_bundles_deltas_and_releases_all_devices_end_with_the_same() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let mut bundles = random_bundles(&mut rng);
        let home = home(&mut rng, &mut bundles);
        for reader in 0..3 {
            let device = device("reader");
            let mut events: Vec<_> = (0..bundles.len()).map(Event::Take).collect();
            events.extend((0..3).map(|_| Event::HearAndSync));
            events.extend((0..3).map(Event::Take));
            shuffle(&mut rng, &mut events);
            for event in &events {
                match *event {
                    Event::Take(at) => {
                        let (cid, car) = &bundles[at];
                        device.wallet.add_bundle_car(cid, car).unwrap();
                    }
                    Event::HearAndSync => {
                        home.tell(&device);
                        device.wallet.sync().unwrap();
                    }
                }
            }
            home.tell(&device);
            let report = device.wallet.sync().unwrap();
            assert!(report.is_complete(), "seed {seed} {events:?}");
            device.is_sound();
            let what = format!("seed {seed}, reader {reader}: {events:?}");
            assert_eq!(seen(&device), seen(&home), "{what}");
        }
        home.is_sound();
    }
}

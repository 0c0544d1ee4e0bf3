//! Spent states: as many as there are, each at a cost of its own.

use serde_json::json;
use uxf_engine::profile::merge::SpentSet;

use crate::{Device, array, device, earlier, history, id, seen, token};

/// A token file of a wallet that has sent so many tokens away.
fn sent_file(tokens: usize, salt: &str) -> String {
    let mut file = serde_json::Map::new();
    for n in 0..tokens {
        let token_id = format!("{salt}{n:060x}");
        let token = json!({
            "genesis": { "data": { "tokenId": token_id } },
            "state": {},
            "transactions": [{ "newStateHash": format!("0000{salt}{n:060x}") }],
        });
        file.insert(format!("archived-{token_id}"), token);
    }
    serde_json::Value::Object(file).to_string()
}

#[test]
fn ten_thousand_spent_states_keep_no_token_from_being_spent() {
    let device = device("one");
    let (kept, gone) = (token(0, 1), token(1, 1));
    device.import(&array(&[&kept, &gone]));
    for part in ["aaaa", "bbbb", "cccc", "dddd", "eeee"] {
        device.import(&sent_file(2_000, part));
    }
    assert!(device.wallet.spend(&id(&gone)).unwrap());
    assert_eq!(seen(&device).len(), 1);
    let again = device.import(&gone);
    assert_eq!(again.verdicts[0].code.as_str(), "tombstoned");
    let again = device.import(&earlier(&gone, 0));
    assert_eq!(again.verdicts[0].code.as_str(), "tombstoned");
    device.is_sound();
}

#[test]
fn two_devices_that_have_sent_thousands_join_what_they_have_spent() {
    let (one, two) = (device("one"), device("two"));
    let newest = token(0, 1);
    for device in [&one, &two] {
        device.import(&newest);
    }
    one.import(&sent_file(700, "aaaa"));
    two.import(&sent_file(700, "bbbb"));
    one.wallet.spend(&id(&newest)).unwrap();
    one.tell(&two);
    two.tell(&one);
    for device in [&one, &two] {
        device.wallet.sync().unwrap();
        assert!(seen(device).is_empty());
        for salt in ["aaaa", "bbbb"] {
            let again = device.import(&sent_file(700, salt));
            let is_spent = |code: &str| code == "tombstoned" || code == "malformed";
            assert!(again.verdicts.iter().all(|one| is_spent(one.code.as_str())));
        }
    }
    assert_eq!(
        one.wallet.views().unwrap().tombstones,
        two.wallet.views().unwrap().tombstones
    );
}

/// Bytes that another device lacks of this one after something was done on it.
fn written_by(device: &Device, work: impl FnOnce()) -> usize {
    let before = device.profile.version_vector().unwrap();
    work();
    let delta = device.profile.delta_for(&before, 1 << 24).unwrap();
    delta.commits.iter().map(Vec::len).sum()
}

#[test]
fn what_a_spend_writes_does_not_grow_with_what_was_spent() {
    let device = device("one");
    let tokens = uxf_testkit::Wallet::new(400).filter(|json| history(json) == 1);
    let tokens: Vec<_> = tokens.take(2).collect();
    device.import(&array(&[&tokens[0], &tokens[1]]));
    let spend = |n: usize| {
        let spend = || assert!(device.wallet.spend(&id(&tokens[n])).unwrap());
        written_by(&device, spend)
    };
    let first = spend(0);
    device.import(&sent_file(2_000, "aaaa"));
    let second = spend(1);
    assert!(
        second.abs_diff(first) < 64,
        "{first} and then {second} bytes"
    );
}

#[test]
fn the_list_that_the_reference_keeps_counts_beside_the_entries() {
    let (one, two) = (device("one"), device("two"));
    let (listed, noted, later) = (token(0, 1), token(1, 1), token(2, 1));
    for device in [&one, &two] {
        device.import(&array(&[&listed, &noted, &later]));
    }
    let state = |device: &Device, token: &str| {
        device.wallet.spend(&id(token)).unwrap();
        let spent = device.wallet.spent_states().unwrap();
        let states = spent.iter().filter(|(token_id, ..)| *token_id == id(token));
        let states = states.map(|(token_id, state_hash, time)| {
            json!({ "tokenId": token_id, "stateHash": state_hash, "timestamp": time })
        });
        serde_json::Value::from(states.collect::<Vec<_>>()).to_string()
    };
    // A third device knows how the states are called.
    let third = device("three");
    third.import(&array(&[&listed, &later]));
    let key = "DIRECT_0d5508_b1bbbf.tombstones";
    one.profile
        .put(key, state(&third, &listed).as_bytes())
        .unwrap();
    one.wallet.spend(&id(&noted)).unwrap();
    assert_eq!(one.wallet.sync().unwrap().counts.removed, 1);
    assert_eq!(one.import(&listed).verdicts[0].code.as_str(), "tombstoned");
    one.tell(&two);
    assert_eq!(two.wallet.sync().unwrap().counts.removed, 2);
    // Another part of the list comes when everything was compared once.
    one.profile
        .put(key, state(&third, &later).as_bytes())
        .unwrap();
    one.tell(&two);
    for device in [&one, &two] {
        assert_eq!(device.wallet.sync().unwrap().counts.removed, 1);
        assert!(seen(device).is_empty());
    }
    let (joined, other) = (
        one.wallet.spent_states().unwrap(),
        two.wallet.spent_states().unwrap(),
    );
    assert_eq!(joined, other);
    for token in [&listed, &noted, &later] {
        assert!(joined.iter().any(|(token_id, ..)| token_id == id(token)));
    }
    assert_eq!(SpentSet::parse(&joined.format()), Ok(joined));
}

#[test]
fn a_list_of_spent_states_can_be_taken_over_whole_and_the_earliest_times_count() {
    let (one, two) = (device("one"), device("two"));
    let gone = token(0, 1);
    one.import(&gone);
    one.wallet.spend(&id(&gone)).unwrap();
    let mut list = one.wallet.spent_states().unwrap();
    for n in 0..3_000 {
        list.add(&format!("{n:064x}"), &format!("{n:068x}"), 1_000 + n);
    }
    two.import(&gone);
    assert_eq!(two.wallet.note_spent(&list).unwrap().removed, 1);
    assert_eq!(two.wallet.spent_states().unwrap(), list);
    let again = written_by(&two, || {
        assert_eq!(two.wallet.note_spent(&list).unwrap().removed, 0);
    });
    assert_eq!(again, 0);
    let mut earlier = list.clone();
    earlier.add(&format!("{:064x}", 5), &format!("{:068x}", 5), 3);
    two.wallet.note_spent(&earlier).unwrap();
    assert_eq!(two.wallet.spent_states().unwrap(), earlier);
    two.wallet.note_spent(&list).unwrap();
    assert_eq!(
        two.wallet.spent_states().unwrap(),
        earlier,
        "nothing is taken back"
    );
}

#[test]
fn entries_that_came_while_nobody_looked_are_all_found_at_the_next_sync() {
    let (one, two) = (device("one"), device("two"));
    let tokens: Vec<_> = (0..3).map(|n| token(n, 1)).collect();
    for device in [&one, &two] {
        device.import(&array(&[&tokens[0], &tokens[1], &tokens[2]]));
    }
    two.wallet.sync().unwrap();
    one.wallet.spend(&id(&tokens[0])).unwrap();
    one.tell(&two);
    assert_eq!(two.wallet.sync().unwrap().counts.removed, 1);
    // More than wait for one who does not take them.
    one.wallet.spend(&id(&tokens[1])).unwrap();
    for salt in ["aaaa", "bbbb", "cccc"] {
        one.import(&sent_file(2_000, salt));
    }
    one.wallet.spend(&id(&tokens[2])).unwrap();
    one.tell(&two);
    assert_eq!(two.wallet.sync().unwrap().counts.removed, 2);
    assert_eq!(two.wallet.sync().unwrap().counts.removed, 0);
    assert!(seen(&two).is_empty());
}

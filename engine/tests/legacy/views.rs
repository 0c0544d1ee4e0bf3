use serde_json::{Value, json};
use uxf_engine::profile::Profile;
use uxf_engine::wallet::{InvoiceState, Wallet, WalletImportOptions};
use uxf_engine::{Engine, EngineOptions};

use crate::{ADDRESS, open, token, wallet_of};

fn in_memory() -> (Profile, Wallet) {
    let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    let mut secret = [7; 32];
    let secret = uxf_engine::profile::sealed::WalletSecret::take(&mut secret);
    let profile = engine.profile(&secret, "device").unwrap();
    let wallet = wallet_of(&profile, ADDRESS);
    (profile, wallet)
}

fn import(wallet: &Wallet, json: &str) {
    let options = WalletImportOptions::new();
    wallet.import(json.as_bytes(), &options).unwrap();
}

/// Ids and amounts of a token's coins.
fn coins(json: &str) -> Vec<(String, u128)> {
    let token: Value = serde_json::from_str(json).unwrap();
    let coins = token["genesis"]["data"]["coinData"].as_array();
    let pairs = coins.into_iter().flatten();
    pairs
        .map(|pair| {
            let text = |n: usize| pair[n].as_str().unwrap().to_owned();
            (text(0), text(1).parse().unwrap())
        })
        .collect()
}

#[test]
fn balances_are_the_sums_of_what_the_tokens_hold() {
    let (_profile, wallet) = in_memory();
    let mut expected = std::collections::BTreeMap::<_, u128>::new();
    for n in 0..20 {
        let (_, json) = token(n);
        import(&wallet, &json);
        for (coin, amount) in coins(&json) {
            *expected.entry(coin).or_default() += amount;
        }
    }
    let views = wallet.views().unwrap();
    let found = views.balances.iter().map(|balance| {
        let sum = |text: &str| text.parse::<u128>().unwrap();
        let all = sum(&balance.confirmed) + sum(&balance.pending) + sum(&balance.conflicting);
        (balance.coin_id.clone(), all)
    });
    assert_eq!(
        found.collect::<std::collections::BTreeMap<_, _>>(),
        expected
    );
    assert!(!expected.is_empty());
    assert_eq!(views.unreadable, 0);
}

#[test]
fn what_was_sent_leaves_the_balance_and_is_listed() {
    let (_profile, wallet) = in_memory();
    let (id, json) = token(0);
    import(&wallet, &json);
    import(&wallet, &token(1).1);
    let before = wallet.views().unwrap();
    assert!(before.sent.is_empty() && before.tombstones.is_empty());
    assert!(wallet.spend(&id).unwrap());
    let after = wallet.views().unwrap();
    assert_eq!(after.sent[0].token_id, id);
    assert!(after.tombstones.iter().any(|state| state.token_id == id));
    let sent = after.history.iter().filter(|entry| entry.kind == "SENT");
    assert_eq!(sent.count(), 1);
    let tokens = |views: &uxf_engine::wallet::WalletViews| -> u64 {
        views.balances.iter().map(|balance| balance.tokens).sum()
    };
    assert_eq!(tokens(&before), tokens(&after) + coins(&json).len() as u64);
}

#[test]
fn views_are_made_once_however_many_ask_and_again_when_something_changed() {
    let (profile, wallet) = in_memory();
    import(&wallet, &token(0).1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| wallet.clone().views().unwrap());
        }
    });
    assert_eq!(wallet.views_made(), 1);
    wallet.save().unwrap();
    wallet.views().unwrap();
    assert_eq!(
        wallet.views_made(),
        1,
        "a save changes nothing they are made from"
    );
    let names = json!({ ADDRESS: { "0": "bob", "1": "eve" } }).to_string();
    profile.put("addresses.nametags", names.as_bytes()).unwrap();
    assert_eq!(wallet.views().unwrap().nametags, ["bob", "eve"]);
    let gone = format!("{ADDRESS}.invalidatedNametags");
    profile.put(&gone, br#"["eve"]"#).unwrap();
    assert_eq!(wallet.views().unwrap().nametags, ["bob"]);
    assert_eq!(wallet.views_made(), 3);
}

#[test]
fn views_are_kept_in_one_row_of_this_device_and_read_after_opening() {
    let place = tempfile::tempdir().unwrap();
    let key = format!("deriver.{ADDRESS}.all");
    let before = {
        let (engine, profile) = open(place.path());
        let wallet = wallet_of(&profile, ADDRESS);
        import(&wallet, &token(0).1);
        let views = wallet.views().unwrap();
        engine.close().unwrap();
        views
    };
    let (_engine, profile) = open(place.path());
    let wallet = wallet_of(&profile, ADDRESS);
    assert_eq!(wallet.views().unwrap(), before);
    assert_eq!(wallet.views_made(), 0);
    let snapshot = profile.engine().snapshot().unwrap();
    let view = snapshot.profile(&profile);
    assert!(
        view.keys("deriver.").unwrap().next().is_none(),
        "never replicated"
    );
    // A damaged row is made again, whatever is wrong with it.
    profile.put(&key, b"no views").unwrap();
    let wallet = wallet_of(&profile, ADDRESS);
    assert_eq!(wallet.views().unwrap(), before);
    assert_eq!(wallet.views_made(), 1);
}

#[test]
fn the_times_of_what_was_derived_stay_when_it_is_derived_again() {
    let (profile, wallet) = in_memory();
    let (id, json) = token(0);
    import(&wallet, &json);
    wallet.spend(&id).unwrap();
    let first = wallet.views().unwrap();
    import(&wallet, &token(1).1);
    let second = wallet.views().unwrap();
    assert_eq!(first.sent, second.sent);
    assert_eq!(first.tombstones, second.tombstones);
    let recorded = json!([{
        "dedupKey": "d", "id": "h", "type": "SENT", "amount": "5", "coinId": "c", "symbol": "C",
        "timestamp": 9, "tokenId": id,
    }]);
    let key = format!("{ADDRESS}.transactionHistory");
    profile.put(&key, recorded.to_string().as_bytes()).unwrap();
    let third = wallet.views().unwrap();
    let sent = third.history.iter().filter(|entry| entry.kind == "SENT");
    let sent = sent.collect::<Vec<_>>();
    assert_eq!(
        (sent.len(), sent[0].is_derived),
        (1, false),
        "recorded, not derived"
    );
}

#[test]
fn invoices_say_where_they_stand() {
    let (profile, wallet) = in_memory();
    let key = |name: &str| format!("{ADDRESS}.accounting.{name}");
    profile
        .put(&key("invLedgerIndex"), br#"{"i1":{},"i2":{},"i3":{}}"#)
        .unwrap();
    profile.put(&key("closedInvoices"), br#"["i2"]"#).unwrap();
    profile
        .put(&key("cancelledInvoices"), br#"["i3","i4"]"#)
        .unwrap();
    let views = wallet.views().unwrap();
    let states: Vec<_> = views.invoices.iter().map(|invoice| invoice.state).collect();
    let cancelled = InvoiceState::Cancelled;
    assert_eq!(
        states,
        [
            InvoiceState::Open,
            InvoiceState::Closed,
            cancelled,
            cancelled
        ]
    );
}

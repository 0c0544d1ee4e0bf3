use uxf_codec::carriage::car::CarProfile;
use uxf_codec::package::{Package, Timestamp};
use uxf_engine::wallet::{
    ImportMode, VerdictCode, WalletCounts, WalletImportOptions, WalletImportReport,
};

use crate::{array, device, earlier, forked, history, id, seen, token};

fn codes(report: &WalletImportReport) -> Vec<&'static str> {
    report
        .verdicts
        .iter()
        .map(|verdict| verdict.code.as_str())
        .collect()
}

#[test]
fn every_token_gets_a_verdict_and_one_bad_token_stops_no_other() {
    let device = device("one");
    let (first, second) = (token(0, 2), token(1, 1));
    let no_hex = second.replacen(r#""salt":""#, r#""salt":"zz"#, 1);
    let report = device.import(&array(&["null", &first, &no_hex, &first, &second]));
    let expected = ["malformed", "added", "malformed", "duplicate", "added"];
    assert_eq!(codes(&report), expected);
    assert_eq!(report.counts.added, 2);
    let again = device.import(&array(&[&second, &first]));
    assert_eq!(codes(&again), ["duplicate", "duplicate"]);
    assert_eq!(again.counts, WalletCounts::default());
    device.is_sound();
}

#[test]
fn a_strict_import_replaces_nothing_and_a_lenient_one_takes_what_comes() {
    let device = device("one");
    let newest = token(0, 2);
    let older = earlier(&newest, 1);
    device.import(&newest);
    let held = seen(&device);
    assert_eq!(codes(&device.import(&older)), ["genesis-exists"]);
    assert_eq!(seen(&device), held);
    let lenient = WalletImportOptions::new().mode(ImportMode::Lenient);
    let report = device.wallet.import(older.as_bytes(), &lenient).unwrap();
    assert_eq!(codes(&report), ["state-replaced"]);
    assert_ne!(seen(&device), held);
    let json = device.wallet.inventory().assemble(&id(&older)).unwrap();
    assert_eq!(history(core::str::from_utf8(&json).unwrap()), 1);
    device.is_sound();
}

#[test]
fn a_state_that_was_spent_is_not_imported_again() {
    let device = device("one");
    let token = token(0, 2);
    device.import(&token);
    device.wallet.spend(&id(&token)).unwrap();
    let lenient = WalletImportOptions::new().mode(ImportMode::Lenient);
    for options in [WalletImportOptions::new(), lenient] {
        let report = device.wallet.import(token.as_bytes(), &options).unwrap();
        assert_eq!(codes(&report), ["tombstoned"]);
    }
    assert!(device.tokens().is_empty());
}

#[test]
fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let device = device("one");
    let dry = WalletImportOptions::new().dry_run(true);
    let newest = token(0, 2);
    let input = array(&[
        &newest,
        &newest,
        &earlier(&newest, 1),
        &forked(&token(1, 1)),
    ]);
    let report = device.wallet.import(input.as_bytes(), &dry).unwrap();
    assert!(device.tokens().is_empty());
    assert_eq!(report.counts, WalletCounts::default());
    assert_eq!(
        codes(&report),
        codes(&device.import(&input)),
        "as it then is"
    );
}

#[test]
fn a_token_is_the_same_one_as_json_as_a_package_and_as_an_archive() {
    let (first, second) = (token(0, 2), token(1, 0));
    let mut package = Package::default();
    let now = Timestamp::from_secs(1_750_000_000);
    for token in [&first, &second] {
        package.ingest(token.as_bytes(), now).unwrap();
    }
    let forms = [
        array(&[&first, &second]).into_bytes(),
        package.to_json().unwrap().into_bytes(),
        package.to_car(CarProfile::Exact).unwrap(),
    ];
    for (number, one) in forms.iter().enumerate() {
        let device = device("one");
        let options = WalletImportOptions::new();
        let report = device.wallet.import(one, &options).unwrap();
        assert_eq!(codes(&report), ["added", "added"], "form {number}");
        for other in &forms {
            let again = device.wallet.import(other, &options).unwrap();
            assert_eq!(codes(&again), ["duplicate", "duplicate"], "form {number}");
        }
        device.is_sound();
    }
}

#[test]
fn the_sent_tokens_of_a_token_file_do_not_come_back() {
    let device = device("one");
    let (held, sent) = (token(0, 1), token(1, 2));
    let (held_id, sent_id) = (id(&held), id(&sent));
    let file = format!(
        r#"{{"_meta":{{}},"_{held_id}":{held},"archived-{sent_id}":{sent},"_forked_x":{{}},"_bad":1}}"#
    );
    let report = device.import(&file);
    assert_eq!(codes(&report), ["added", "tombstoned"]);
    assert_eq!((report.forks_skipped, report.not_offered), (1, 1));
    assert_eq!(
        device.import(&sent).tally.of_code(VerdictCode::Tombstoned),
        1
    );
    assert_eq!(seen(&device).len(), 1);
    device.is_sound();
}

#[test]
fn more_tokens_than_one_commit_takes_are_all_imported() {
    let device = device("one");
    let mut json = Vec::new();
    uxf_testkit::Wallet::new(1_500)
        .write_json(&mut json)
        .unwrap();
    let report = device.import(core::str::from_utf8(&json).unwrap());
    assert_eq!(report.counts.added, 1_500);
    assert_eq!(report.tally.of_code(VerdictCode::Added), 1_500);
    device.is_sound();
}

/// Neighbours share certificates, which are put with the first of them that is taken.
#[test]
fn many_tokens_at_once_get_the_verdicts_that_each_gets_alone() {
    let mut tokens: Vec<String> = uxf_testkit::Wallet::new(100).collect();
    let twice = tokens[40].clone();
    tokens.insert(70, twice);
    for place in [0, 31, 32, 50] {
        // A state hash that is too long to be one; the token can be taken apart nevertheless.
        let mut odd: serde_json::Value = serde_json::from_str(&tokens[place]).unwrap();
        odd["_integrity"] = serde_json::json!({ "currentStateHash": "a".repeat(300) });
        odd["transactions"] = serde_json::json!([]);
        tokens[place] = odd.to_string();
    }
    let alone = device("alone");
    let expected: Vec<_> = tokens
        .iter()
        .flat_map(|token| alone.import(token).verdicts)
        .collect();
    let together = device("together");
    let all: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let report = together.import(&array(&all));
    assert_eq!(report.verdicts, expected);
    assert_eq!(report.tally.of_code(VerdictCode::Malformed), 4);
    assert_eq!(report.tally.of_code(VerdictCode::Duplicate), 1);
    assert_eq!(seen(&together), seen(&alone));
    assert_eq!(
        together.engine.stats().unwrap().elements,
        alone.engine.stats().unwrap().elements,
        "nothing was put of what was refused"
    );
    together.is_sound();
}

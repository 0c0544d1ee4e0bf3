use serde_json::Value;
use uxf_codec::Error;
use uxf_codec::instance_chain::ChainIndex;
use uxf_codec::package::{Envelope, Package};
use uxf_codec::verify::{Finding, Issue, IssueCode, VerifyProfile, WalkOptions, Walker, verify};

use crate::support::{NOW, check_report, names, package_of, read, read_json, token};

fn cases() -> Vec<(String, Package, Value)> {
    let index = read_json("invalid/index.json");
    let cases = index["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|case| case["op"] == "fromJson+verify");
    cases
        .map(|case| {
            let package = Package::from_json(&read(case["file"].as_str().unwrap())).unwrap();
            (
                case["name"].as_str().unwrap().to_owned(),
                package,
                case["expect"].clone(),
            )
        })
        .collect()
}

#[test]
fn broken_packages_are_found_broken_as_by_the_reference() {
    assert!(cases().len() > 10);
    for (name, package, expect) in cases() {
        check_report(
            &name,
            &expect["verify"],
            &verify(&package, VerifyProfile::Exact),
        );
    }
}

#[test]
fn the_complete_profile_finds_all_that_the_exact_one_does_and_what_cannot_be_assembled() {
    for (name, package, expect) in cases() {
        let exact = verify(&package, VerifyProfile::Exact);
        let complete = verify(&package, VerifyProfile::Complete);
        for issue in &exact.errors {
            assert!(complete.errors.contains(issue), "{name}: {issue}");
        }
        assert_eq!(complete.stats, exact.stats, "{name}");
        if expect["assembleOriginal"]["code"] == "TYPE_MISMATCH" {
            assert!(exact.is_valid(), "{name}");
            let codes: Vec<_> = complete.errors.iter().map(Issue::code).collect();
            assert_eq!(codes, [IssueCode::TypeMismatch], "{name}");
        }
    }
}

#[test]
fn recorded_kinds_are_compared_by_the_complete_profile_alone() {
    let name = "verify-chain-kind-label-wrong-not-checked";
    let (_, package, _) = cases().into_iter().find(|case| case.0 == name).unwrap();
    assert!(verify(&package, VerifyProfile::Exact).is_valid());
    let report = verify(&package, VerifyProfile::Complete);
    assert!(matches!(
        report.errors[0].finding,
        Finding::ChainKind { .. }
    ));
}

#[test]
fn name_tags_of_transactions_are_looked_at_by_the_complete_profile_alone() {
    let mut package = package_of(&["edge-nametag-in-tx-only"]);
    let exact = verify(&package, VerifyProfile::Exact);
    assert_eq!(exact.stats.orphaned_elements, 4);
    let complete = verify(&package, VerifyProfile::Complete);
    assert!(complete.is_valid() && complete.warnings.is_empty());
    assert_eq!(complete.stats.elements_checked, package.pool().len());

    package.gc(uxf_codec::package::GcProfile::Exact);
    assert!(verify(&package, VerifyProfile::Exact).is_valid());
    let complete = verify(&package, VerifyProfile::Complete);
    assert_eq!(complete.errors[0].code(), IssueCode::MissingElement);
    assert_eq!(complete.errors.len(), 1);
}

#[test]
fn every_token_of_the_vectors_verifies_completely_and_walks_alike_one_by_one() -> Result<(), Error>
{
    let mut package = Package::new(Envelope::new(NOW));
    for name in names("tokens", ".json") {
        package.ingest(&token(&name), NOW)?;
    }
    let report = verify(&package, VerifyProfile::Complete);
    assert_eq!(report.errors, []);
    let mut walker = Walker::new(WalkOptions {
        profile: VerifyProfile::Complete,
        check_hashes: true,
    });
    let mut issues = Vec::new();
    for (id, root) in package.manifest() {
        walker.walk_token(package.pool(), &ChainIndex::new(), id, root, &mut issues)?;
    }
    assert_eq!(issues, []);
    assert_eq!(walker.elements_checked(), report.stats.elements_checked);
    Ok(())
}

#[test]
fn a_shared_fault_is_found_for_every_token_that_leads_to_it() -> Result<(), Error> {
    let package = package_of(&["rand-00", "rand-04", "edge-nametag-in-tx-only", "mock-a"]);
    let whole: Value = serde_json::from_str(&package.to_json()?).unwrap();
    let options = WalkOptions::default();
    let mut found_twice = 0;
    for (absent, _) in package.pool().iter() {
        let mut json = whole.clone();
        let elements = json["elements"].as_object_mut().unwrap();
        elements.remove(&absent.to_string()).unwrap();
        let broken = Package::from_json(json.to_string().as_bytes())?;
        let mut shared = Walker::new(options);
        for (id, root) in broken.manifest() {
            let (mut in_shared, mut alone) = (Vec::new(), Vec::new());
            shared.walk_token(broken.pool(), broken.chains(), id, root, &mut in_shared)?;
            let mut own = Walker::new(options);
            own.walk_token(broken.pool(), broken.chains(), id, root, &mut alone)?;
            assert_eq!(in_shared, alone);
            found_twice += usize::from(!alone.is_empty());
        }
        found_twice -= 1;
    }
    assert!(found_twice > 0, "the tokens share something");
    Ok(())
}

#[test]
fn expected_reports_of_tokens_agree() {
    for name in names("expect", ".json") {
        let expect = read_json(&format!("expect/{name}.json"));
        let package = package_of(&[&name]);
        check_report(
            &name,
            &expect["verify"],
            &verify(&package, VerifyProfile::Exact),
        );
    }
}

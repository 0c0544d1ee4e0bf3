//! Graphs that nobody makes by accident.

use uxf_codec::diff::{Delta, diff};
use uxf_codec::instance_chain::ChainIndex;
use uxf_codec::limits::{VERIFY_DEPTH_MAX, VERIFY_ISSUES_MAX};
use uxf_codec::package::{GcProfile, Package, TokenId};
use uxf_codec::verify::{Finding, VerifyProfile, WalkOptions, Walker, verify};
use uxf_codec::{
    Child, Element, ElementHash, ElementSink as _, ElementType, Header, MemoryForm, NewElement,
};

const BOTH: [VerifyProfile; 2] = [VerifyProfile::Complete, VerifyProfile::Exact];

fn id() -> TokenId {
    TokenId::new(&"ab".repeat(32)).unwrap()
}

/// Adds a token-root with some roots as its name-tags.
fn put_root(delta: &mut Delta, nametags: Vec<ElementHash>) -> ElementHash {
    let element = Element {
        header: Header::default(),
        element_type: ElementType::TokenRoot,
        content: vec![(
            "tokenId".into(),
            uxf_codec::canonical::Value::Text(id().to_string()),
        )],
        children: vec![("nametags".into(), Child::Many(nametags))],
    };
    let bytes = element.encode().unwrap();
    let hash = ElementHash::of(&bytes);
    let element = NewElement {
        hash,
        element_type: ElementType::TokenRoot,
        bytes: &bytes,
        links: &[],
        form: MemoryForm::CANONICAL,
    };
    delta.added_elements.put(element).unwrap();
    hash
}

/// A package of one token whose root stands on others, one below the other.
fn tower(height: usize, links_down: usize) -> Package {
    let mut delta = diff(&Package::default(), &Package::default());
    let mut top = put_root(&mut delta, Vec::new());
    for _ in 0..height {
        top = put_root(&mut delta, vec![top; links_down]);
    }
    delta.added_tokens.insert(id(), top);
    let mut package = Package::default();
    package.apply(&delta).unwrap();
    package
}

#[test]
fn what_is_deeper_than_the_limit_is_an_issue_and_not_the_end_of_the_stack() {
    for profile in BOTH {
        let just_right = verify(&tower(VERIFY_DEPTH_MAX, 1), profile);
        assert_eq!(just_right.errors, []);
        let too_deep = verify(&tower(10 * VERIFY_DEPTH_MAX, 1), profile);
        assert_eq!(too_deep.errors.len(), 1);
        assert_eq!(too_deep.errors[0].finding, Finding::TooDeep);
    }
}

#[test]
fn collecting_goes_as_deep_as_it_must() {
    for profile in [GcProfile::Safe, GcProfile::Exact] {
        let mut package = tower(50_000, 1);
        assert_eq!(package.gc(profile), 0);
        assert!(package.remove(id().as_str(), package.envelope().updated_at));
        assert_eq!(package.gc(profile), 50_001);
    }
}

#[test]
fn paths_that_double_at_every_step_are_walked_once() {
    for profile in BOTH {
        let report = verify(&tower(200, 2), profile);
        assert_eq!(report.errors, []);
        assert_eq!(report.stats.elements_checked, 201);
    }
}

#[test]
fn a_shared_part_that_is_too_deep_for_one_token_is_not_for_another() {
    let package = tower(VERIFY_DEPTH_MAX, 1);
    let top = package.root(id().as_str()).unwrap();
    let mut delta = diff(&package, &package);
    let above = put_root(&mut delta, vec![top]);
    let mut package = package;
    package.apply(&delta).unwrap();
    let mut walker = Walker::new(WalkOptions::default());
    for (root, expected) in [(top, 0), (above, 1), (top, 0)] {
        let mut issues = Vec::new();
        let chains = ChainIndex::new();
        let walked = walker.walk_token(package.pool(), &chains, &id(), &root, &mut issues);
        walked.unwrap();
        assert_eq!(issues.len(), expected);
    }
}

#[test]
fn more_faults_than_anyone_reads_are_cut_short() {
    let mut delta = diff(&Package::default(), &Package::default());
    let absent = |at: u64| ElementHash::of(&at.to_be_bytes());
    let mut parts = Vec::new();
    for part in 0..20 {
        let many = (0..900).map(|at| absent(part * 1_000 + at)).collect();
        parts.push(put_root(&mut delta, many));
    }
    let root = put_root(&mut delta, parts);
    delta.added_tokens.insert(id(), root);
    let mut package = Package::default();
    package.apply(&delta).unwrap();
    for profile in BOTH {
        let report = verify(&package, profile);
        assert_eq!(report.errors.len(), VERIFY_ISSUES_MAX);
        assert!(report.is_cut_short && !report.is_valid());
    }
}

#[test]
fn a_walk_that_checks_hashes_finds_a_false_element_once() {
    let package = tower(3, 2);
    let mut delta = diff(&package, &package);
    let false_hash = ElementHash::of(b"false");
    let root = put_root(&mut delta, vec![false_hash, false_hash]);
    let (_, element) = package.pool().iter().next().unwrap();
    let mut pool = delta.added_elements.clone();
    let element = NewElement {
        hash: false_hash,
        element_type: ElementType::TokenRoot,
        bytes: element.bytes(),
        links: &[],
        form: element.form(),
    };
    pool.put(element).unwrap();
    let mut walker = Walker::new(WalkOptions {
        profile: VerifyProfile::Complete,
        check_hashes: true,
    });
    let mut issues = Vec::new();
    let chains = ChainIndex::new();
    let walked = walker.walk_token(&pool, &chains, &id(), &root, &mut issues);
    walked.unwrap();
    assert_eq!(issues.len(), 1);
    assert!(matches!(issues[0].finding, Finding::HashMismatch { .. }));
}

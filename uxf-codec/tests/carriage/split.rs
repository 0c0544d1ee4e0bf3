use std::collections::BTreeSet;
use std::io::Read as _;

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{CarLimits, CarProfile, plan_cars, write_car};
use uxf_codec::package::{Envelope, Manifest, Package, Timestamp};

use crate::support::{read, read_json, sha256, vectors};

fn bench_wallet() -> Package {
    let file = std::fs::File::open(vectors().join("bench-wallet-1000.json.gz")).unwrap();
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut text)
        .unwrap();
    let now = Timestamp::from_secs(1_750_000_000);
    let mut package = Package::new(Envelope::new(now));
    let mut tape = uxf_codec::json::Tape::new();
    for token in tape.parse(&text).unwrap().items() {
        package.ingest(token.raw().as_bytes(), now).unwrap();
    }
    package
}

fn hashes(package: &Package) -> BTreeSet<ElementHash> {
    package.pool().iter().map(|(hash, _)| *hash).collect()
}

#[test]
fn the_bench_wallet_has_the_archive_and_the_text_of_the_reference() {
    let expect = read_json("bench-wallet-1000.expect.json");
    let package = bench_wallet();
    let car = package.to_car(CarProfile::Exact).unwrap();
    assert_eq!(car.len() as u64, expect["carBytes"].as_u64().unwrap());
    assert_eq!(sha256(&car), expect["carSha256"]);
    assert_eq!(
        sha256(package.to_json().unwrap().as_bytes()),
        expect["uxfJsonSha256"]
    );
    assert!(
        Package::from_car(&car).is_err(),
        "it passes the caps for importing"
    );
}

#[test]
fn a_wallet_beyond_the_caps_becomes_several_archives_that_together_hold_it() {
    let package = bench_wallet();
    let cars = package.to_cars(CarProfile::Exact).unwrap();
    assert_eq!(cars.len(), 2);
    let mut tokens = Vec::new();
    let mut elements = BTreeSet::new();
    for car in &cars {
        let part = Package::from_car(car).unwrap();
        assert_eq!(part.envelope(), package.envelope());
        for (token_id, root) in part.manifest() {
            assert_eq!(package.manifest().get(token_id), Some(root));
            tokens.push(token_id.clone());
        }
        elements.extend(hashes(&part));
    }
    assert_eq!(tokens.len(), package.manifest().len(), "no token twice");
    assert_eq!(elements, hashes(&package));
}

#[test]
fn a_plan_fills_every_archive_up_to_its_caps_and_not_beyond() {
    let package = Package::from_car(&read("packages/random.car")).unwrap();
    let contents = package.car_contents();
    for blocks_max in [30, 60, 100, 200, 1_000] {
        for bytes_max in [5_000, 20_000, 100_000] {
            for profile in [CarProfile::Exact, CarProfile::Complete] {
                let limits = CarLimits {
                    blocks_max,
                    bytes_max,
                    block_bytes_max: 2_000,
                };
                let plan = plan_cars(&contents, profile, &limits).unwrap();
                let mut tokens = plan.too_large.len();
                for manifest in &plan.parts {
                    let mut car = Vec::new();
                    let part = uxf_codec::carriage::car::CarContents {
                        manifest,
                        ..contents
                    };
                    let summary = write_car(&part, profile, &mut car).unwrap();
                    assert!(summary.blocks <= blocks_max && summary.bytes <= bytes_max);
                    assert_eq!(summary.bytes, car.len() as u64);
                    assert!(Package::read_car(car.as_slice(), limits).is_ok());
                    tokens += manifest.len();
                }
                assert_eq!(tokens, package.manifest().len());
                for token in &plan.too_large {
                    assert!(token.found > token.limit, "{token:?}");
                }
            }
        }
    }
}

#[test]
fn a_manifest_block_holds_612_tokens_and_the_613th_opens_another_archive() {
    let mut package = Package::default();
    let token = String::from_utf8(read("tokens/mock-a.json")).unwrap();
    let id = "aa00000000000000000000000000000000000000000000000000000000000001";
    assert!(token.contains(id));
    for number in 0..613 {
        let token = token.replace(id, &format!("{number:064x}"));
        package
            .ingest(token.as_bytes(), Timestamp::from_secs(0))
            .unwrap();
    }
    let contents = package.car_contents();
    let plan = plan_cars(&contents, CarProfile::Exact, &CarLimits::REFERENCE).unwrap();
    let sizes: Vec<_> = plan.parts.iter().map(Manifest::len).collect();
    assert_eq!(sizes, [612, 1]);
}

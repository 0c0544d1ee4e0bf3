//! Packages in memory: archives, UXF JSON, verification, merging. Each group has its own floors.
#![expect(
    clippy::expect_used,
    reason = "the corpus is made here and is valid; a bench that cannot run has to stop"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest as _, Sha256};
use uxf_benches::{Corpus, element_bytes, package_of};
use uxf_codec::carriage::car::{CarLimits, CarProfile, PackageReader};
use uxf_codec::package::{MergeOptions, Package, Timestamp};
use uxf_codec::token::StateIndex;
use uxf_codec::verify::{VerifyProfile, verify};

const TOKENS: u64 = 1_000;

/// The wallet has more blocks, and a larger manifest, than the reference takes in one archive.
const LIMITS: CarLimits = CarLimits {
    blocks_max: 1 << 20,
    block_bytes_max: 1 << 20,
    ..CarLimits::REFERENCE
};

fn package() -> Package {
    Corpus::new(TOKENS).package().expect("the wallet is valid")
}

fn car(criterion: &mut Criterion) {
    let package = package();
    let car = package.to_car(CarProfile::Complete).expect("exports");
    let read = Package::read_car(car.as_slice(), LIMITS).expect("reads back");
    assert_eq!(read.manifest(), package.manifest());
    let mut group = criterion.benchmark_group("car");
    group.throughput(Throughput::Bytes(car.len() as u64));
    for (name, profile) in [
        ("write-exact", CarProfile::Exact),
        ("write-complete", CarProfile::Complete),
    ] {
        let mut out = Vec::with_capacity(car.len());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(package.write_car(profile, &mut out)).expect("exports");
            });
        });
    }
    group.bench_function("read-package", |bencher| {
        bencher.iter(|| Package::read_car(black_box(car.as_slice()), LIMITS).expect("reads"));
    });
    group.bench_function("read-stream", |bencher| {
        bencher.iter(|| {
            let mut reader = PackageReader::new(black_box(car.as_slice()), LIMITS).expect("a CAR");
            while let Some(element) = reader.next_element().expect("verified") {
                black_box(element.hash());
            }
            reader.finish().expect("a whole package")
        });
    });
    floors(&mut group, &car);
    group.finish();
}

fn uxf_json(criterion: &mut Criterion) {
    let package = package();
    let json = package.to_json().expect("exports");
    let read = Package::from_json(json.as_bytes()).expect("reads back");
    assert_eq!(read.manifest(), package.manifest());
    let mut group = criterion.benchmark_group("uxf-json");
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("write", |bencher| {
        bencher.iter(|| package.to_json().expect("exports"));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| Package::from_json(black_box(json.as_bytes())).expect("reads"));
    });
    group.bench_function("floor-serde_json-value", |bencher| {
        bencher.iter(|| serde_json::from_str::<serde_json::Value>(&json).expect("JSON"));
    });
    floors(&mut group, json.as_bytes());
    group.finish();
}

fn verification(criterion: &mut Criterion) {
    let package = package();
    let report = verify(&package, VerifyProfile::Complete);
    assert!(report.is_valid(), "{:?}", report.errors.first());
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::ElementsAndBytes {
        elements: TOKENS,
        bytes: element_bytes(&package),
    });
    group.bench_function("complete", |bencher| {
        bencher.iter(|| verify(black_box(&package), VerifyProfile::Complete));
    });
    group.bench_function("floor-sha256", |bencher| {
        bencher.iter(|| {
            for (_, element) in package.pool().iter() {
                black_box(Sha256::digest(element.bytes()));
            }
        });
    });
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    let corpus = Corpus::new(TOKENS);
    let third = corpus.tokens.len() / 3;
    let (first, last) = (
        corpus.tokens.get(..2 * third).expect("two thirds"),
        corpus.tokens.get(third..).expect("two thirds"),
    );
    let target = package_of(first).expect("the wallet is valid");
    let same = package_of(last).expect("the wallet is valid");
    let older = one_transaction_back(&same);
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::ElementsAndBytes {
        elements: last.len() as u64,
        bytes: element_bytes(&same),
    });
    for (name, source) in [("overlapping", &same), ("joining", &older)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || target.clone(),
                |mut target| {
                    let now = Timestamp::from_secs(1);
                    let outcome = target.merge(source, &MergeOptions::default(), now);
                    let outcome = outcome.expect("merges");
                    assert!(outcome.skipped.is_empty());
                    assert_eq!(outcome.joined.is_empty(), name == "overlapping");
                    target
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.bench_function("floor-clone", |bencher| {
        bencher.iter(|| black_box(&same).clone());
    });
    group.finish();
}

/// The same tokens as another wallet knew them before their last transaction, so that a merge has to join them.
fn one_transaction_back(package: &Package) -> Package {
    let tokens: Vec<Vec<u8>> = package
        .manifest()
        .keys()
        .map(|id| {
            let transactions = package.transaction_count(id.as_str()).expect("counts");
            let state = StateIndex::At(transactions.saturating_sub(1));
            package.assemble_at(id.as_str(), state).expect("assembles")
        })
        .collect();
    package_of(&tokens).expect("an older state is valid")
}

/// What nothing that reads, writes or checks these bytes can be faster than.
fn floors(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    bytes: &[u8],
) {
    group.bench_function("floor-sha256", |bencher| {
        bencher.iter(|| Sha256::digest(black_box(bytes)));
    });
    let mut copy = vec![0; bytes.len()];
    group.bench_function("floor-memcpy", |bencher| {
        bencher.iter(|| {
            copy.copy_from_slice(black_box(bytes));
            black_box(&mut copy);
        });
    });
}

criterion_group!(benches, car, uxf_json, verification, merge);
criterion_main!(benches);

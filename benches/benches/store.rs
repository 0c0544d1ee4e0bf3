//! Tokens into a store on disk and out of it. `TMPDIR` decides which disk.
#![expect(
    clippy::expect_used,
    reason = "the corpus is made here and is valid; a bench that cannot run has to stop"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use uxf_benches::Corpus;
use uxf_codec::package::Package;
use uxf_codec::token::{AssembleOptions, Assembler};
use uxf_engine::{Engine, EngineOptions, ImportOptions, ImportReport, Inventory, Progress};

const SIZES: [u64; 2] = [1_000, 10_000];

fn throughput(corpus: &Corpus) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: corpus.len(),
        bytes: corpus.json_bytes(),
    }
}

/// An empty store on disk. What is dropped last is the directory.
fn empty_store() -> (Inventory, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let engine = Engine::open(directory.path(), EngineOptions::new()).expect("opens");
    (engine.inventory("main").expect("an inventory"), directory)
}

/// A durable import on all cores.
fn import(inventory: &Inventory, json: &[u8]) -> ImportReport {
    let report = inventory.import(json, &ImportOptions::new(), Progress::silent());
    let report = report.expect("imports");
    assert!(report.rejected.is_empty(), "{:?}", report.rejected.first());
    report
}

fn ingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingest-durable");
    group.sample_size(10);
    for size in SIZES {
        let corpus = Corpus::new(size);
        let json = corpus.json_array();
        group.throughput(throughput(&corpus));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter_batched(
                empty_store,
                |store| {
                    assert_eq!(import(&store.0, &json).added, size);
                    store
                },
                BatchSize::PerIteration,
            );
        });
        let package = corpus.package().expect("the wallet is valid");
        group.bench_function(BenchmarkId::new("floor-write-and-sync", size), |bencher| {
            bencher.iter_batched(
                || tempfile::tempdir().expect("a temporary directory"),
                |directory| {
                    write_and_sync(&package, &directory);
                    directory
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Puts the distinct elements one after another into one file, with nothing to find them by.
fn write_and_sync(package: &Package, directory: &TempDir) {
    let mut bytes = Vec::new();
    for (_, element) in package.pool().iter() {
        bytes.extend_from_slice(element.bytes());
    }
    let mut file = File::create(directory.path().join("elements")).expect("creates");
    file.write_all(&bytes).expect("writes");
    file.sync_all().expect("syncs");
}

fn reingest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reingest-durable");
    group.sample_size(10);
    for size in SIZES {
        let corpus = Corpus::new(size);
        let json = corpus.json_array();
        let (inventory, _directory) = empty_store();
        import(&inventory, &json);
        group.throughput(throughput(&corpus));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| assert_eq!(import(&inventory, &json).unchanged, size));
        });
    }
    group.finish();
}

fn assemble(criterion: &mut Criterion) {
    let corpus = Corpus::new(1_000);
    let package = corpus.package().expect("the wallet is valid");
    let (inventory, _directory) = empty_store();
    import(&inventory, &corpus.json_array());
    let snapshot = inventory.engine().snapshot().expect("a snapshot");
    let mut group = criterion.benchmark_group("assemble");
    group.throughput(throughput(&corpus));
    let mut assembler = Assembler::new();
    let mut out = Vec::new();
    for (hashes, check_hashes) in [("checked", true), ("unchecked", false)] {
        let options = AssembleOptions {
            check_hashes,
            ..AssembleOptions::default()
        };
        group.bench_function(BenchmarkId::new("pool", hashes), |bencher| {
            bencher.iter(|| {
                for root in package.manifest().values() {
                    out.clear();
                    let assembled = assembler.assemble(package.pool(), root, &options, &mut out);
                    assembled.expect("assembles");
                    black_box(&out);
                }
            });
        });
        group.bench_function(BenchmarkId::new("engine", hashes), |bencher| {
            bencher.iter(|| {
                for id in package.manifest().keys() {
                    let assembled = snapshot.assemble(&inventory, id.as_str(), &options);
                    black_box(assembled.expect("assembles"));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, ingest, reingest, assemble);
criterion_main!(benches);

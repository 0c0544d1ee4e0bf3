//! Tokens to elements, in memory.
#![expect(
    clippy::expect_used,
    reason = "the corpus is made here and is valid; a bench that cannot run has to stop"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ipld_core::ipld::Ipld;
use sha2::{Digest as _, Sha256};
use uxf_benches::Corpus;
use uxf_codec::ElementBatch;
use uxf_codec::token::Deconstructor;

const SIZES: [u64; 2] = [1_000, 10_000];

fn throughput(corpus: &Corpus) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: corpus.len(),
        bytes: corpus.json_bytes(),
    }
}

/// All elements of a corpus, one after another with repeats.
fn elements(corpus: &Corpus) -> ElementBatch {
    let mut batch = ElementBatch::new();
    let mut deconstructor = Deconstructor::new();
    for token in &corpus.tokens {
        deconstructor
            .deconstruct(token.as_bytes(), &mut batch)
            .expect("the synthetic wallet is valid");
    }
    batch
}

fn deconstruct(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deconstruct");
    for size in SIZES {
        let corpus = Corpus::new(size);
        group.throughput(throughput(&corpus));
        let mut deconstructor = Deconstructor::new();
        let mut batch = ElementBatch::new();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                for token in &corpus.tokens {
                    batch.clear();
                    black_box(deconstructor.deconstruct(token.as_bytes(), &mut batch))
                        .expect("the synthetic wallet is valid");
                }
            });
        });
    }
    group.finish();
}

fn floor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floor");
    let corpus = Corpus::new(1_000);
    let elements = elements(&corpus);
    let trees: Vec<Ipld> = elements
        .iter()
        .map(|element| serde_ipld_dagcbor::from_slice(element.bytes).expect("canonical"))
        .collect();
    group.throughput(throughput(&corpus));
    group.bench_function("sha256-of-elements", |bencher| {
        bencher.iter(|| {
            for element in elements.iter() {
                black_box(Sha256::digest(element.bytes));
            }
        });
    });
    group.bench_function("sha256-of-json", |bencher| {
        bencher.iter(|| {
            for token in &corpus.tokens {
                black_box(Sha256::digest(token));
            }
        });
    });
    let json = corpus.json_array();
    let mut copy = vec![0; json.len()];
    group.bench_function("memcpy-of-json", |bencher| {
        bencher.iter(|| {
            copy.copy_from_slice(black_box(&json));
            black_box(&mut copy);
        });
    });
    group.bench_function("serde_json-value", |bencher| {
        bencher.iter(|| {
            for token in &corpus.tokens {
                let value: serde_json::Value = serde_json::from_str(token).expect("JSON");
                black_box(value);
            }
        });
    });
    group.bench_function("serde_ipld_dagcbor-encode", |bencher| {
        bencher.iter(|| {
            for tree in &trees {
                black_box(serde_ipld_dagcbor::to_vec(tree).expect("encodes"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, deconstruct, floor);
criterion_main!(benches);

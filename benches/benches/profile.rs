//! Values into a profile and out of it, in memory: how fast disks are is another question.
#![expect(
    clippy::expect_used,
    reason = "the workload is made here and is valid; a bench that cannot run has to stop"
)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
use uxf_engine::oplog::{
    Commit, CommitBuilder, CommitStart, HybridTime, OpKind, Operation, SealedCommit, VersionVector,
    verify_batch,
};
use uxf_engine::profile::envelope::EntryKind;
use uxf_engine::profile::sealed::{
    Aad, Place, ProfileId, SealedValue, Sealer, SealingKey, WalletSecret,
};
use uxf_engine::profile::{Delta, Profile};
use uxf_engine::{Durability, Engine, EngineOptions, SystemEntropy};
use uxf_testkit::Rng;

const PUTS: usize = 10_000;
const KEYS: usize = 1_000;
/// Puts a commit.
const COMMIT: usize = 100;

/// Puts of 64 to 256 random bytes over few keys.
fn puts() -> Vec<(String, Vec<u8>)> {
    let mut rng = Rng::new(1);
    let put = |_| {
        let key = format!("app.user.{:05}", rng.index(KEYS));
        let mut value = vec![0; 64 + rng.index(193)];
        rng.fill(&mut value);
        (key, value)
    };
    (0..PUTS).map(put).collect()
}

fn throughput(puts: &[(String, Vec<u8>)]) -> Throughput {
    let bytes = puts.iter().map(|(key, value)| key.len() + value.len());
    Throughput::ElementsAndBytes {
        elements: puts.len() as u64,
        bytes: bytes.sum::<usize>() as u64,
    }
}

fn secret() -> WalletSecret {
    WalletSecret::take(&mut [7; 32])
}

/// A device of the wallet without a value.
fn device() -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options).expect("opens");
    engine.profile(&secret(), "device").expect("a profile")
}

fn commit_all(profile: &Profile, puts: &[(String, Vec<u8>)]) {
    for puts in puts.chunks(COMMIT) {
        let mut batch = profile.engine().begin();
        for (key, value) in puts {
            let put = batch.put_value(profile, key, value);
            put.expect("takes a value");
        }
        batch.commit().expect("commits");
    }
}

/// All that a device has, for one that has nothing.
fn delta(profile: &Profile) -> Delta {
    let delta = profile.delta_for(&VersionVector::default(), usize::MAX);
    delta.expect("a delta")
}

/// What sealing and opening needs, with no store.
struct Sealing {
    id: ProfileId,
    sealer: Sealer,
}

impl Sealing {
    fn new() -> Self {
        Self {
            id: ProfileId::of(&secret()).expect("a private key"),
            sealer: Sealer::new(&SealingKey::derive(&secret()), 0),
        }
    }

    fn aad<'a>(&'a self, key: &'a str) -> Aad<'a> {
        Aad {
            profile: &self.id,
            key,
            place: Place::Row,
        }
    }

    fn seal(&self, key: &str, value: &[u8]) -> SealedValue {
        let sealed = self.sealer.seal(&self.aad(key), value, &SystemEntropy);
        sealed.expect("seals")
    }

    /// A commit of a log of its own, kept by nobody.
    fn commit(&self, device: &DeviceKey, puts: &[(String, Vec<u8>)]) -> SealedCommit {
        let start = CommitStart {
            profile: self.id,
            log: LogId {
                device: device.id(),
                epoch: Epoch::from_u64(1),
            },
            first_seq: 1,
            prev: None,
            heads: Vec::new(),
            time: HybridTime::from_u64(1),
        };
        let mut builder = CommitBuilder::new(start).expect("a start");
        for (key, value) in puts {
            let sealed = self.seal(key, value);
            let operation = Operation {
                kind: OpKind::Put,
                entry: EntryKind::CacheIndex,
                key,
                value: sealed.as_bytes(),
            };
            builder.push(operation).expect("an operation");
        }
        builder.finish(device).expect("signs")
    }
}

fn put(criterion: &mut Criterion) {
    let puts = puts();
    let mut group = criterion.benchmark_group("profile-put");
    group.sample_size(20).throughput(throughput(&puts));
    group.bench_function(BenchmarkId::from_parameter(PUTS), |bencher| {
        bencher.iter_batched(
            device,
            |profile| {
                commit_all(&profile, &puts);
                profile
            },
            BatchSize::PerIteration,
        );
    });
    let sealing = Sealing::new();
    let device = DeviceKey::take(&mut [9; 32]);
    group.bench_function(BenchmarkId::new("floor-seal-and-sign", PUTS), |bencher| {
        bencher.iter(|| {
            for puts in puts.chunks(COMMIT) {
                black_box(sealing.commit(&device, puts));
            }
        });
    });
    group.finish();
}

fn ingest(criterion: &mut Criterion) {
    let puts = puts();
    let writer = device();
    commit_all(&writer, &puts);
    let delta = delta(&writer);
    let mut group = criterion.benchmark_group("profile-ingest");
    group.sample_size(20).throughput(throughput(&puts));
    group.bench_function(BenchmarkId::from_parameter(PUTS), |bencher| {
        bencher.iter_batched(
            device,
            |profile| {
                let taken = profile.ingest(&delta).expect("takes it in");
                assert_eq!(taken.applied, (PUTS / COMMIT) as u64);
                profile
            },
            BatchSize::PerIteration,
        );
    });
    let floor = BenchmarkId::new("floor-decode-and-verify", PUTS);
    group.bench_function(floor, |bencher| {
        bencher.iter(|| {
            let commits = delta.commits.iter();
            let commits: Vec<_> = commits
                .map(|bytes| Commit::decode(bytes).expect("a commit"))
                .collect();
            verify_batch(&commits).expect("good signatures");
        });
    });
    group.finish();
}

fn get(criterion: &mut Criterion) {
    let puts = puts();
    let profile = device();
    commit_all(&profile, &puts);
    let mut group = criterion.benchmark_group("profile-get");
    group.throughput(throughput(&puts));
    let snapshot = profile.engine().snapshot().expect("a snapshot");
    let view = snapshot.profile(&profile);
    group.bench_function("in-a-snapshot", |bencher| {
        bencher.iter(|| {
            for (key, _) in &puts {
                let value = view.get(key).expect("reads");
                black_box(value.expect("a value"));
            }
        });
    });
    group.bench_function("each-alone", |bencher| {
        bencher.iter(|| {
            for (key, _) in &puts {
                let value = profile.get(key).expect("reads");
                black_box(value.expect("a value"));
            }
        });
    });
    let sealing = Sealing::new();
    let sealed = puts.iter();
    let sealed: Vec<_> = sealed
        .map(|(key, value)| sealing.seal(key, value))
        .collect();
    group.bench_function("floor-open", |bencher| {
        bencher.iter(|| {
            for ((key, _), sealed) in puts.iter().zip(&sealed) {
                let opened = sealing.sealer.open(&sealing.aad(key), sealed.as_bytes());
                black_box(opened.expect("opens"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, put, ingest, get);
criterion_main!(benches);

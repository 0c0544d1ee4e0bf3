//! Two devices that come to the same state through the machines of replication, in memory and without a network: how many
//! bytes a network carries, and how fast, is another question.
#![expect(
    clippy::expect_used,
    reason = "the workload is made here and is valid; a bench that cannot run has to stop"
)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::profile::{LiveBound, LiveItem, Profile};
use uxf_engine::{Durability, Engine, EngineOptions};
use uxf_replication::oplog_sync::{self, OplogSync, SyncConfig};
use uxf_replication::reconcile::{
    self, LiveOperation, LiveSet, ProfileRanges, RangeSource as _, ReconcileConfig, Reconciler,
};
use uxf_replication::{Peer, Timestamp};

const KEYS: usize = 100_000;
const DIFFERING: usize = 10;
/// Puts a commit.
const COMMIT: usize = 100;
/// Commits that an empty device takes.
const COMMITS: usize = 100;

const NOW: fn() -> Timestamp = Timestamp::default;

fn device(name: &str) -> Profile {
    let options = EngineOptions::new().durability(Durability::Buffered);
    let engine = Engine::in_memory(options).expect("opens");
    let secret = WalletSecret::take(&mut [7; 32]);
    engine.profile(&secret, name).expect("a profile")
}

fn put(profile: &Profile, keys: impl Iterator<Item = usize>) {
    let mut batch = profile.engine().begin();
    for key in keys {
        let key = format!("app.{key:08}");
        batch.put_value(profile, &key, &[7; 64]).expect("puts");
    }
    batch.commit().expect("commits");
}

fn fill(profile: &Profile, commits: usize) {
    for commit in 0..commits {
        put(profile, commit * COMMIT..(commit + 1) * COMMIT);
    }
}

/// What one device lacks of the logs, asked for and taken in with nothing between.
fn give(from: &Profile, to: &Profile) {
    let theirs = to.version_vector().expect("a vector");
    let delta = from.delta_for(&theirs, usize::MAX).expect("a delta");
    to.ingest(&delta).expect("takes it in");
}

/// A source as each request is to see it.
trait Side {
    fn run(&self, request: reconcile::StoreRequest) -> reconcile::StoreReply;
}

impl Side for Profile {
    fn run(&self, request: reconcile::StoreRequest) -> reconcile::StoreReply {
        request.run_on(self)
    }
}

impl Side for LiveSet {
    fn run(&self, request: reconcile::StoreRequest) -> reconcile::StoreReply {
        request.run(self)
    }
}

/// Lets two sides reconcile; says how many operations were new to one of them.
fn reconcile_all(sides: [&dyn Side; 2]) -> u64 {
    use reconcile::{Event, Output};
    let mut machines = [(); 2].map(|()| Reconciler::new(ReconcileConfig::default()));
    let peers = [Peer::new(1), Peer::new(0)];
    for (machine, peer) in machines.iter_mut().zip(peers) {
        machine.handle(Event::Connected(peer), NOW());
    }
    let mut events = VecDeque::from([(0, Event::Begin(Peer::new(1)))]);
    let mut new = 0;
    while let Some((at, event)) = events.pop_front() {
        let (Some(machine), Some(side)) = (machines.get_mut(at), sides.get(at)) else {
            continue;
        };
        machine.handle(event, NOW());
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send(peer, message) => {
                    let from = Peer::new(at as u64);
                    events.push_back((1 - at, Event::Message(from, message)));
                    events.push_back((at, Event::Sent(peer)));
                }
                Output::Store(request) => events.push_back((at, Event::Store(side.run(request)))),
                Output::Done(_, sum) => new += sum.new,
                Output::StoreFailed(..) | Output::Disconnect(..) => return u64::MAX,
            }
        }
    }
    new
}

/// All that counts of a profile, in memory.
fn live_set(profile: &Profile) -> LiveSet {
    let live = profile.live_operations().expect("what counts");
    let items = live.items(LiveBound::START, LiveBound::End, usize::MAX);
    let items = items.expect("what counts");
    let set = LiveSet::new(*profile.id());
    take(&set, profile, &items.iter().collect::<Vec<_>>());
    set
}

fn take(set: &LiveSet, profile: &Profile, items: &[&LiveItem]) {
    let ranges = ProfileRanges::new(profile).expect("what counts");
    let proven = ranges.prove(items).expect("proofs");
    let verified = proven.into_iter().flatten().map(|one| {
        let verified = LiveOperation::verify(one.proof, profile.id());
        verified.expect("a proof that holds")
    });
    set.apply(verified.collect(), Vec::new()).expect("takes it");
}

/// Writes what differs, for which no time is counted, and has something done about it.
fn each_difference(rounds: u64, desk: &Profile, mut work: impl FnMut(&[usize])) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..rounds {
        let seed = desk.version_vector().expect("a vector");
        let written = seed.get(&desk.log_id()).map_or(0, |one| one.next_seq);
        // Some of the keys that there are, each time others.
        let written = usize::try_from(written).unwrap_or_default();
        let keys: Vec<usize> = (0..DIFFERING)
            .map(|number| (written * 7 + number * 9_973) % KEYS)
            .collect();
        put(desk, keys.iter().copied());
        #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
        let start = Instant::now();
        work(&keys);
        spent += start.elapsed();
    }
    spent
}

fn reconciling(c: &mut Criterion) {
    let mut group = c.benchmark_group("reconcile");
    group.throughput(Throughput::Elements(DIFFERING as u64));
    let (desk, phone) = (device("desk"), device("phone"));
    fill(&desk, KEYS / COMMIT);
    give(&desk, &phone);
    give(&phone, &desk);
    group.bench_function(BenchmarkId::new("engine", KEYS), |bench| {
        bench.iter_custom(|rounds| {
            each_difference(rounds, &desk, |_| {
                assert_eq!(reconcile_all([&phone, &desk]), DIFFERING as u64);
            })
        });
    });
    // The same as the log has it, where the log can be had.
    group.bench_function(BenchmarkId::new("floor-log", KEYS), |bench| {
        give(&desk, &phone);
        bench.iter_custom(|rounds| each_difference(rounds, &desk, |_| give(&desk, &phone)));
    });
    let (ours, theirs) = (live_set(&desk), live_set(&desk));
    group.bench_function(BenchmarkId::new("live-set", KEYS), |bench| {
        bench.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                each_difference(1, &desk, |keys| {
                    let live = desk.live_operations().expect("what counts");
                    let items = keys.iter().flat_map(|key| {
                        let key = format!("app.{key:08}");
                        let key = LiveBound::Before {
                            key: key.as_bytes(),
                            operation: &[],
                        };
                        live.items(key, LiveBound::End, 1).expect("the key")
                    });
                    let items: Vec<LiveItem> = items.collect();
                    take(&theirs, &desk, &items.iter().collect::<Vec<_>>());
                });
                #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
                let start = Instant::now();
                assert_eq!(reconcile_all([&ours, &theirs]), DIFFERING as u64);
                spent += start.elapsed();
            }
            spent
        });
    });
    group.finish();
}

/// Lets an empty device take all that another one has.
fn sync_all(profiles: [&Profile; 2]) {
    use oplog_sync::{Event, Output};
    let mut machines = [(); 2].map(|()| OplogSync::new(SyncConfig::default()));
    let mut events = VecDeque::new();
    for at in 0..2 {
        events.push_back((at, Event::Connected(Peer::new(1 - at as u64))));
    }
    while let Some((at, event)) = events.pop_front() {
        let (Some(machine), Some(profile)) = (machines.get_mut(at), profiles.get(at)) else {
            continue;
        };
        machine.handle(event, NOW());
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send(peer, message) => {
                    let from = Peer::new(at as u64);
                    events.push_back((1 - at, Event::Message(from, message)));
                    events.push_back((at, Event::Sent(peer)));
                }
                Output::Store(request) => {
                    events.push_back((at, Event::Store(request.run(*profile))));
                }
                _ => {}
            }
        }
    }
}

fn syncing(c: &mut Criterion) {
    let mut group = c.benchmark_group("oplog-sync");
    let desk = device("desk");
    fill(&desk, COMMITS);
    let delta = desk.delta_for(&VersionVector::default(), usize::MAX);
    let bytes = delta.expect("a delta").byte_len() as u64;
    group.throughput(Throughput::ElementsAndBytes {
        elements: (COMMITS * COMMIT) as u64,
        bytes,
    });
    let is_there = |phone: &Profile| {
        let have = phone.version_vector().expect("a vector");
        assert!(have.get(&desk.log_id()).is_some());
    };
    group.bench_function("machines", |bench| {
        bench.iter_batched_ref(
            || device("phone"),
            |phone| {
                sync_all([&desk, phone]);
                is_there(phone);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("floor-delta", |bench| {
        bench.iter_batched_ref(
            || device("phone"),
            |phone| {
                give(&desk, phone);
                is_there(phone);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = reconciling, syncing
}
criterion_main!(benches);

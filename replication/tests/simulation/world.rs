//! What happens to the devices, and how it is judged.

use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::BundleBlocks;
use uxf_codec::package::{Envelope, Package, Timestamp};
use uxf_engine::Durability;
use uxf_engine::oplog::identity::LogId;
use uxf_replication::host::Request;
use uxf_replication::session::Side;
use uxf_testkit::network::{Delivery, Network, NetworkCounts, NetworkOptions};
use uxf_testkit::{Rng, Wallet};

use super::replica::{BUNDLES, Effects, Replica, text};

const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
const YEAR: u64 = 365 * 24 * 60 * MINUTE;

/// What runs came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) seeds: u64,
    pub(crate) replicas: u64,
    pub(crate) writes: u64,
    pub(crate) bundles: u64,
    pub(crate) synced: u64,
    pub(crate) pauses: u64,
    pub(crate) crashes: u64,
    pub(crate) partitions: u64,
    pub(crate) skews: u64,
    pub(crate) cuts: u64,
    pub(crate) reconciled: u64,
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
    pub(crate) steps: u64,
    pub(crate) compactions: u64,
    pub(crate) caught_up: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.replicas += other.replicas;
        self.writes += other.writes;
        self.bundles += other.bundles;
        self.synced += other.synced;
        self.pauses += other.pauses;
        self.crashes += other.crashes;
        self.partitions += other.partitions;
        self.skews += other.skews;
        self.cuts += other.cuts;
        self.reconciled += other.reconciled;
        self.pieces += other.pieces;
        self.bytes += other.bytes;
        self.steps += other.steps;
        self.compactions += other.compactions;
        self.caught_up += other.caught_up;
    }
}

/// Something that is under way in a replica.
struct Waiting {
    replica: usize,
    opened: u64,
    later: Later,
}

enum Later {
    /// A request to the store.
    Request(Box<Request>),
    /// Bytes for a stream.
    Written(u64, usize),
}

struct World {
    rng: Rng,
    network: Network,
    replicas: Vec<Replica>,
    /// How far the clock of each is off.
    skews: Vec<u64>,
    waiting: BTreeMap<(u64, u64), Waiting>,
    asked: u64,
    /// How far each log is acknowledged.
    acked: BTreeMap<LogId, u64>,
    bundles: Vec<(u8, ElementHash)>,
    /// Whether there are stores that cut logs off, that of the first replica among them.
    cuts: bool,
    trace: blake3::Hasher,
    counts: Counts,
}

/// Lives through the history of a seed: what it came to, and the hash of all that happened.
///
/// # Errors
/// What does not hold.
pub(crate) fn live(seed: u64) -> Result<(Counts, [u8; 32]), String> {
    let mut world = World::new(seed)?;
    let steps = 15 + world.rng.below(40);
    for step in 0..steps {
        world
            .step()
            .map_err(|reason| format!("step {step}: {reason}"))?;
    }
    if world.cuts {
        world.meet_at_the_hub()?;
    }
    world.settle()?;
    world.judge()?;
    let NetworkCounts {
        pieces,
        bytes,
        broken,
        ..
    } = world.network.counts();
    let synced = world.replicas.iter().map(|replica| replica.synced).sum();
    let caught_up = world.replicas.iter().map(|replica| replica.caught_up).sum();
    let reconciled = world.replicas.iter();
    let reconciled = reconciled.map(|replica| replica.reconciled).sum();
    let pauses = world.replicas.iter().map(|replica| replica.pauses).sum();
    let counts = Counts {
        pauses,
        caught_up,
        seeds: 1,
        replicas: world.replicas.len() as u64,
        synced,
        reconciled,
        pieces,
        bytes,
        cuts: broken,
        ..world.counts
    };
    Ok((counts, world.trace.finalize().into()))
}

impl World {
    fn new(seed: u64) -> Result<Self, String> {
        let mut rng = Rng::new(seed);
        let count = 3 + rng.below(3) + if rng.percent(20) { rng.below(4) } else { 0 };
        let least = rng.below(30);
        let options = NetworkOptions {
            delay_ms: (least, least + rng.below(300)),
            piece_bytes: 1 + rng.index(3_000),
            lost_percent: 20,
            doubled_percent: 20,
        };
        let cuts = seed % 4 == 3;
        let (mut replicas, mut skews) = (Vec::new(), Vec::new());
        for number in 0..count {
            // The first is a host of two wallets; the others have one of them, most the same.
            let wallets: &[u8] = match number {
                0 => &[1, 2],
                1 | 2 => &[1],
                _ if rng.percent(30) => &[2],
                _ => &[1],
            };
            let skew = rng.below(5 * MINUTE);
            let own = cuts && (number == 0 || rng.percent(30));
            let seed = rng.next_u64();
            replicas.push(Replica::new(wallets, NOW + skew, (own, cuts), seed)?);
            skews.push(NOW + skew);
        }
        Ok(Self {
            network: Network::new(rng.next_u64(), options),
            rng,
            replicas,
            skews,
            waiting: BTreeMap::new(),
            asked: 0,
            acked: BTreeMap::new(),
            bundles: Vec::new(),
            cuts,
            trace: blake3::Hasher::new(),
            counts: Counts::default(),
        })
    }

    fn note(&mut self, what: &str, numbers: &[u64], bytes: &[u8]) {
        self.counts.steps += 1;
        self.trace.update(what.as_bytes());
        self.trace.update(&self.network.now().to_be_bytes());
        for number in numbers {
            self.trace.update(&number.to_be_bytes());
        }
        self.trace.update(bytes);
    }

    fn step(&mut self) -> Result<(), String> {
        let at = self.rng.index(self.replicas.len());
        match self.rng.below(100) {
            0..40 => self.write(at)?,
            40..45 => self.publish(at)?,
            45..65 => self.connect_some()?,
            65..73 => {
                let streams: Vec<u64> = self.network.streams().map(|(one, ..)| one).collect();
                if let Some(stream) = self.rng.pick(&streams).copied() {
                    self.network.cut(stream);
                }
            }
            73..78 => {
                let apart = (0..self.replicas.len()).filter(|_| self.rng.percent(40));
                let apart: BTreeSet<usize> = apart.collect();
                self.network.part(apart);
                self.counts.partitions += 1;
            }
            78..84 => self.network.heal(),
            84..90 => self.crash(at)?,
            94..98 => self.compact(at)?,
            90..94 => {
                let off = match self.rng.below(3) {
                    0 => NOW - self.rng.below(10 * YEAR),
                    1 => NOW + self.rng.below(10 * YEAR),
                    _ => NOW + self.rng.below(5 * MINUTE),
                };
                if let Some(skew) = self.skews.get_mut(at) {
                    *skew = off;
                }
                self.counts.skews += 1;
            }
            _ => {}
        }
        let time = match self.rng.below(4) {
            0 => 0,
            1 => self.rng.below(200),
            2 => self.rng.below(3_000),
            _ => self.rng.below(40_000),
        };
        self.run(self.network.now() + time)
    }

    fn replica(&mut self, at: usize) -> Result<&mut Replica, String> {
        let now = self.network.now();
        let skew = self.skews.get(at).copied().unwrap_or_default();
        let replica = self.replicas.get_mut(at).ok_or("no such replica")?;
        replica.now = now;
        replica.set_clock(skew + now);
        Ok(replica)
    }

    /// Has the effects of something happen.
    fn apply(&mut self, at: usize, effects: Effects) -> Result<(), String> {
        for (connection, bytes) in effects.bytes {
            self.note("send", &[at as u64, connection], &bytes);
            self.network.send(connection, at, &bytes);
        }
        let requests = effects.requests.into_iter();
        let requests = requests.map(|request| Later::Request(Box::new(request)));
        let written = effects.written.into_iter();
        let written = written.map(|(connection, bytes)| Later::Written(connection, bytes));
        for later in requests.chain(written) {
            self.asked += 1;
            let done = self.network.now() + self.rng.below(20);
            let opened = self.replica(at)?.opened;
            let waiting = Waiting {
                replica: at,
                opened,
                later,
            };
            self.waiting.insert((done, self.asked), waiting);
        }
        for connection in effects.closes {
            self.network.cut(connection);
        }
        Ok(())
    }

    fn act(
        &mut self,
        at: usize,
        act: impl FnOnce(&mut Replica, &mut Effects) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut effects = Effects::default();
        let replica = self.replica(at)?;
        act(replica, &mut effects).map_err(|reason| format!("replica {at}: {reason}"))?;
        self.apply(at, effects)
    }

    /// Lets everything come that comes until a time.
    fn run(&mut self, until: u64) -> Result<(), String> {
        loop {
            let request = self.waiting.first_key_value().map(|((at, _), _)| *at);
            let timeouts = self.replicas.iter().enumerate();
            let timeouts = timeouts.filter_map(|(at, one)| Some((one.next_timeout()?, at)));
            let timeout = timeouts.min();
            let delivery = self.network.next_at();
            let now = self.network.now();
            let next = [request, timeout.map(|(at, _)| at), delivery];
            let next = next.into_iter().flatten().min().map(|at| at.max(now));
            let Some(next) = next.filter(|next| *next <= until) else {
                while self.network.next(until).is_some() {}
                return Ok(());
            };
            if delivery.is_some_and(|at| at <= next) {
                if let Some((_, delivery)) = self.network.next(next) {
                    self.deliver(delivery)?;
                }
                continue;
            }
            // Time passes without a delivery.
            if self.network.next(next).is_some() {
                return Err("a delivery came out of the blue".to_owned());
            }
            if request.is_some_and(|at| at <= next) {
                self.answer()?;
            } else if let Some((_, at)) = timeout {
                self.note("timeout", &[at as u64], &[]);
                self.act(at, Replica::timed_out)?;
            }
        }
    }

    fn answer(&mut self) -> Result<(), String> {
        let Some((_, waiting)) = self.waiting.pop_first() else {
            return Ok(());
        };
        let Waiting {
            replica,
            opened,
            later,
        } = waiting;
        // What was asked for before a crash is not answered.
        if self.replica(replica)?.opened != opened {
            return Ok(());
        }
        match later {
            Later::Request(request) => {
                let profile = *request.profile().as_bytes();
                self.note("store", &[replica as u64], &profile);
                self.act(replica, |one, effects| one.replied(*request, effects))?;
            }
            Later::Written(connection, bytes) => {
                self.note("written", &[replica as u64, connection, bytes as u64], &[]);
                return self.act(replica, |one, effects| {
                    one.written(connection, bytes, effects)
                });
            }
        }
        self.check_shown(replica)
    }

    fn deliver(&mut self, delivery: Delivery) -> Result<(), String> {
        match delivery {
            Delivery::Bytes {
                connection,
                to,
                bytes,
            } => {
                self.note("bytes", &[to as u64, connection], &bytes);
                self.act(to, |one, effects| one.received(connection, &bytes, effects))
            }
            Delivery::Broken { connection, to } => {
                self.note("broken", &[to as u64, connection], &[]);
                self.act(to, |one, effects| one.broken(connection, effects))
            }
            Delivery::Datagram { .. } => Ok(()),
        }
    }

    /// What shows a bundle has all of it, at every moment.
    fn check_shown(&mut self, at: usize) -> Result<(), String> {
        for (_, root) in self.bundles.clone() {
            self.replica(at)?.check_bundle(&root)?;
        }
        Ok(())
    }

    fn connect_some(&mut self) -> Result<(), String> {
        let one = self.rng.index(self.replicas.len());
        let other = self.rng.index(self.replicas.len());
        self.connect(one, other)
    }

    fn connect(&mut self, one: usize, other: usize) -> Result<(), String> {
        let ends = |(_, a, b)| (a, b) == (one, other) || (b, a) == (one, other);
        if one == other || self.network.streams().any(ends) {
            return Ok(());
        }
        if let Some(connection) = self.network.connect(one, other) {
            self.note("connect", &[one as u64, other as u64], &[]);
            self.act(other, |end, effects| {
                end.connected(connection, Side::Listener, effects)
            })?;
            self.act(one, |end, effects| {
                end.connected(connection, Side::Dialer, effects)
            })?;
        }
        Ok(())
    }

    fn write(&mut self, at: usize) -> Result<(), String> {
        let durability = if self.rng.percent(70) {
            Durability::Durable
        } else {
            Durability::Buffered
        };
        let number = self.rng.next_u64();
        let mut keys = Vec::new();
        for _ in 0..=self.rng.below(12) {
            keys.push((
                self.rng.below(20),
                self.rng.index(300),
                self.rng.percent(10),
            ));
        }
        let slots = self.replica(at)?.slots.len();
        let slot = self.rng.index(slots);
        let profile = self.replica(at)?.slots[slot].profile.clone();
        let mut batch = profile.engine().begin();
        for (key, len, deletes) in keys {
            let key = format!("app.{key}");
            let value = [&number.to_be_bytes()[..], &vec![7; len]].concat();
            if deletes {
                batch.delete_value(&profile, &key)
            } else if len % 9 == 0 {
                batch.put_value_in_block(&profile, &key, &value)
            } else {
                batch.put_value(&profile, &key, &value)
            }
            .map_err(text)?;
        }
        batch.durability(durability).commit().map_err(text)?;
        self.written(at, slot, durability)
    }

    fn written(&mut self, at: usize, slot: usize, durability: Durability) -> Result<(), String> {
        self.counts.writes += 1;
        let profile = &self.replica(at)?.slots[slot].profile;
        let log = profile.log_id();
        let reached = profile.version_vector().map_err(text)?.get(&log);
        if let Some(reached) = reached.filter(|_| durability == Durability::Durable) {
            self.acked.insert(log, reached.next_seq);
        }
        self.note("write", &[at as u64, slot as u64], &[]);
        self.act(at, |one, effects| one.changed(slot, effects))
    }

    /// Lets go of what no longer counts of what a device wrote.
    fn compact(&mut self, at: usize) -> Result<(), String> {
        let slots = self.replica(at)?.slots.len();
        let slot = self.rng.index(slots);
        self.replica(at)?.slots[slot]
            .profile
            .compact()
            .map_err(text)?;
        self.counts.compactions += 1;
        self.note("compact", &[at as u64, slot as u64], &[]);
        Ok(())
    }

    /// Stores a bundle and tells the other devices of it in the same commit.
    fn publish(&mut self, at: usize) -> Result<(), String> {
        let time = Timestamp::from_secs(1_700_000_000);
        let mut package = Package::new(Envelope::new(time));
        // Some tokens are in several bundles.
        let seed = self.rng.below(3).to_string();
        for token in Wallet::with_seed(&seed, 1 + self.rng.below(6)) {
            package.ingest(token.as_bytes(), time).map_err(text)?;
        }
        let blocks = BundleBlocks::new(package.envelope(), package.manifest());
        let slots = self.replica(at)?.slots.len();
        let slot = self.rng.index(slots);
        let number = self.counts.bundles;
        let one = &mut self.replica(at)?.slots[slot];
        let mut batch = one.profile.engine().begin();
        for (hash, element) in package.pool().iter() {
            batch.put(element.bytes()).map_err(text)?;
            batch.pin(hash).map_err(text)?;
        }
        for block in [&blocks.envelope, &blocks.manifest] {
            let hash = batch.put_opaque(block).map_err(text)?;
            batch.pin(&hash).map_err(text)?;
        }
        let key = format!("{BUNDLES}{number}");
        let root = blocks.root;
        batch
            .put_value(&one.profile, &key, root.as_bytes())
            .map_err(text)?;
        batch.commit().map_err(text)?;
        one.wanted.insert(root);
        one.fetched.insert(root);
        let wallet = one.wallet;
        self.counts.bundles += 1;
        self.bundles.push((wallet, root));
        self.written(at, slot, Durability::Durable)
    }

    fn crash(&mut self, at: usize) -> Result<(), String> {
        self.counts.crashes += 1;
        let streams = self.network.streams();
        let streams = streams.filter(|(_, one, other)| *one == at || *other == at);
        let streams: Vec<u64> = streams.map(|(stream, ..)| stream).collect();
        for stream in streams {
            self.network.cut(stream);
        }
        self.replica(at)?;
        let replica = self.replicas.swap_remove(at).crash()?;
        let end = self.replicas.len();
        self.replicas.push(replica);
        self.replicas.swap(at, end);
        for slot in 0..self.replica(at)?.slots.len() {
            self.act(at, |one, effects| {
                one.want_bundles(slot, effects)?;
                one.changed(slot, effects)
            })?;
            let profile = &self.replica(at)?.slots[slot].profile;
            let log = profile.log_id();
            let reached = profile.version_vector().map_err(text)?.get(&log);
            let next = reached.map_or(1, |reached| reached.next_seq);
            let acked = self.acked.get(&log).copied().unwrap_or(1);
            if next < acked {
                return Err(format!(
                    "a crash took what was acknowledged: {next} < {acked}"
                ));
            }
        }
        Ok(())
    }

    /// All clocks become right, all nodes meet, and there is time enough for every second try.
    fn settle(&mut self) -> Result<(), String> {
        self.network.heal();
        for skew in &mut self.skews {
            *skew = NOW + 30 * YEAR;
        }
        self.meet(|_, _| true)
    }

    /// All clocks become right, and each meets only the first, which has all logs from those who wrote them and cannot give them
    /// on as logs: what counts is the same everywhere all the same.
    fn meet_at_the_hub(&mut self) -> Result<(), String> {
        self.network.part(BTreeSet::new());
        self.network.heal();
        for skew in &mut self.skews {
            *skew = NOW + 30 * YEAR;
        }
        let streams: Vec<u64> = self.network.streams().map(|(one, ..)| one).collect();
        for stream in streams {
            self.network.cut(stream);
        }
        self.meet(|_, other| other == 0)?;
        for wallet in [1, 2] {
            let mut states = Vec::new();
            for (at, replica) in self.replicas.iter().enumerate() {
                for slot in replica.slots.iter().filter(|slot| slot.wallet == wallet) {
                    states.push((at, state_hash(&slot.profile)?));
                }
            }
            if let Some((at, _)) = states.iter().find(|(_, state)| *state != states[0].1) {
                return Err(format!(
                    "what counts at replica {at} is not what the first has"
                ));
            }
        }
        Ok(())
    }

    /// Those meet who may, and there is time enough for every second try.
    fn meet(&mut self, may: fn(usize, usize) -> bool) -> Result<(), String> {
        for _ in 0..3 {
            for one in 0..self.replicas.len() {
                for other in (0..one).filter(|other| may(one, *other)) {
                    self.connect(one, other)?;
                }
                for slot in 0..self.replica(one)?.slots.len() {
                    self.act(one, |end, effects| end.changed(slot, effects))?;
                }
            }
            self.run(self.network.now() + 2 * MINUTE)?;
            for at in 0..self.replicas.len() {
                // What was parked is due, and applied with the next commit, whatever that is of.
                let mut batch = self.replica(at)?.engine().begin();
                batch.put_opaque(b"something").map_err(text)?;
                batch.commit().map_err(text)?;
                for slot in 0..self.replica(at)?.slots.len() {
                    self.act(at, |one, effects| {
                        one.want_bundles(slot, effects)?;
                        one.changed(slot, effects)
                    })?;
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self) -> Result<(), String> {
        for wallet in [1, 2] {
            let mut states = Vec::new();
            for at in 0..self.replicas.len() {
                let replica = self.replica(at)?;
                for (number, slot) in replica.slots.iter().enumerate() {
                    if slot.wallet != wallet {
                        continue;
                    }
                    let vector = slot.profile.version_vector().map_err(text)?;
                    if !slot.profile.parked().map_err(text)?.is_empty() {
                        return Err(format!("replica {at}: something is parked still"));
                    }
                    if replica.is_busy(number) {
                        return Err(format!("replica {at}: something is not done with"));
                    }
                    states.push((at, vector, state_hash(&slot.profile)?));
                }
            }
            for (at, vector, hash) in &states {
                if (vector, hash) != (&states[0].1, &states[0].2) {
                    return Err(format!("replica {at} differs from {}", states[0].0));
                }
                for (log, next) in &self.acked {
                    let reached = vector.get(log);
                    if reached.is_some_and(|reached| reached.next_seq < *next) {
                        return Err(format!("replica {at} lacks what was acknowledged"));
                    }
                }
            }
            for (_, root) in self.bundles.clone().iter().filter(|(of, _)| *of == wallet) {
                for at in 0..self.replicas.len() {
                    let replica = self.replica(at)?;
                    if replica.serves(wallet) && !replica.check_bundle(root)? {
                        return Err(format!("replica {at} lacks a bundle"));
                    }
                }
            }
        }
        for at in 0..self.replicas.len() {
            let report = self
                .replica(at)?
                .engine()
                .check_integrity(&mut |_| {})
                .map_err(text)?;
            if let Some(problem) = report.problems.first() {
                return Err(format!("replica {at}: {problem}"));
            }
        }
        self.all_acked()
    }

    /// Every acknowledged operation is in some state that was judged.
    fn all_acked(&mut self) -> Result<(), String> {
        for (log, next) in self.acked.clone() {
            let mut is_there = false;
            for at in 0..self.replicas.len() {
                for slot in &self.replica(at)?.slots {
                    let reached = slot.profile.version_vector().map_err(text)?.get(&log);
                    is_there |= reached.is_some_and(|reached| reached.next_seq >= next);
                }
            }
            if !is_there {
                return Err("an acknowledged operation is nowhere".to_owned());
            }
        }
        Ok(())
    }
}

/// BLAKE3 over keys and values in the order of the keys.
fn state_hash(profile: &uxf_engine::profile::Profile) -> Result<[u8; 32], String> {
    let snapshot = profile.engine().snapshot().map_err(text)?;
    let mut hasher = blake3::Hasher::new();
    for row in snapshot.profile(profile).prefix("").map_err(text)? {
        let (key, value) = row.map_err(text)?;
        for part in [key.as_bytes(), value.as_bytes()] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.update(format!("{:?} {:?}", value.written_by(), value.time()).as_bytes());
    }
    Ok(hasher.finalize().into())
}

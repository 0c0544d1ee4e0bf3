//! One machine: an engine on a disk in memory, the profiles it serves, and the host that speaks for them.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{read_envelope, read_manifest};
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::{ProfileId, WalletSecret};
use uxf_engine::{Clock, Engine, EngineOptions, Entropy, Import, RepairPolicy};
use uxf_replication::Timestamp;
use uxf_replication::block_exchange::{ExchangeConfig, Role};
use uxf_replication::host::{
    ConnectionId, Disconnect, Event, Host, HostConfig, NewConnection, Output, Request,
};
use uxf_replication::oplog_sync::SyncConfig;
use uxf_replication::reconcile::{AnswerLimits, ReconcileConfig};
use uxf_replication::session::{ConnectionBinding, Side};
use uxf_replication::wire::FRAME_BYTES_MAX;
use uxf_testkit::Rng;
use uxf_testkit::disk::MemoryDisk;

use super::cut::CutHistory;

/// Keys under which bundles are published.
pub(crate) const BUNDLES: &str = "app.bundle.";

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[derive(Debug)]
pub(crate) struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct SeededEntropy(u64, AtomicU64);

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        let call = self.1.fetch_add(1, Ordering::SeqCst);
        Rng::for_item(self.0, call).fill(out);
        Ok(())
    }
}

/// A profile that a machine serves.
pub(crate) struct Slot {
    pub(crate) wallet: u8,
    pub(crate) profile: Profile,
    /// While something is being fetched.
    import: Option<Import>,
    pub(crate) wanted: BTreeSet<ElementHash>,
    pub(crate) fetched: BTreeSet<ElementHash>,
}

/// What comes of handling something.
#[derive(Default)]
pub(crate) struct Effects {
    /// Bytes over streams.
    pub(crate) bytes: Vec<(u64, Vec<u8>)>,
    pub(crate) requests: Vec<Request>,
    /// Of streams, how many bytes leave in a while.
    pub(crate) written: Vec<(u64, usize)>,
    /// Streams that are to be closed.
    pub(crate) closes: Vec<u64>,
}

pub(crate) struct Replica {
    disk: MemoryDisk,
    pub(crate) clock: Arc<SetClock>,
    seed: u64,
    /// How often it was switched on: what was asked for before is nobody's answer after.
    pub(crate) opened: u64,
    pub(crate) slots: Vec<Slot>,
    pub(crate) host: Host,
    config: HostConfig,
    /// What came over streams that are not read for now.
    unread: BTreeMap<u64, VecDeque<Vec<u8>>>,
    pub(crate) synced: u64,
    /// Checkpoints that were put together.
    pub(crate) caught_up: u64,
    pub(crate) pauses: u64,
    /// Whether its store does not keep the beginnings of logs that others wrote, and what came alone because of that.
    pub(crate) cuts: bool,
    /// Whether any store does.
    pub(crate) sees_cuts: bool,
    pub(crate) reconciled: u64,
    pub(crate) now: u64,
}

impl Replica {
    pub(crate) fn new(
        wallets: &[u8],
        millis: u64,
        (cuts, sees_cuts): (bool, bool),
        seed: u64,
    ) -> Result<Self, String> {
        let (disk, clock) = (MemoryDisk::new(Vec::new()), AtomicU64::new(millis));
        let clock = Arc::new(SetClock(clock));
        let config = config(seed);
        let slots = open(&disk, &clock, seed, wallets)?;
        let mut replica = Self {
            disk,
            clock,
            seed,
            opened: 1,
            slots,
            host: Host::new(config),
            config,
            unread: BTreeMap::new(),
            synced: 0,
            caught_up: 0,
            pauses: 0,
            cuts,
            sees_cuts,
            reconciled: 0,
            now: 0,
        };
        replica.serve();
        Ok(replica)
    }

    /// Pulls the plug and switches it on again. Its streams are for the network to break.
    pub(crate) fn crash(self) -> Result<Self, String> {
        let wallets: Vec<u8> = self.slots.iter().map(|slot| slot.wallet).collect();
        let disk = MemoryDisk::new(self.disk.image());
        let Self {
            slots,
            clock,
            seed,
            config,
            ..
        } = self;
        drop(slots);
        let opened = self.opened + 1;
        let slots = open(&disk, &clock, seed ^ (opened << 48), &wallets)?;
        let mut replica = Self {
            disk,
            clock,
            seed,
            opened,
            slots,
            host: Host::new(config),
            config,
            unread: BTreeMap::new(),
            synced: self.synced,
            caught_up: self.caught_up,
            pauses: self.pauses,
            cuts: self.cuts,
            sees_cuts: self.sees_cuts,
            reconciled: self.reconciled,
            now: self.now,
        };
        replica.serve();
        Ok(replica)
    }

    fn serve(&mut self) {
        let now = self.at();
        for slot in &self.slots {
            self.host.handle(Event::Serve(*slot.profile.id()), now);
        }
    }

    pub(crate) fn set_clock(&self, millis: u64) {
        self.clock.0.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.slots[0].profile.engine()
    }

    pub(crate) fn serves(&self, wallet: u8) -> bool {
        self.slots.iter().any(|slot| slot.wallet == wallet)
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    pub(crate) fn connected(
        &mut self,
        connection: u64,
        side: Side,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let binding = ConnectionBinding::of(&connection.to_be_bytes(), b"simulated");
        let mut seed = [0; 32];
        Rng::for_item(self.seed ^ self.opened, connection).fill(&mut seed);
        let new = NewConnection {
            side,
            binding,
            seed,
        };
        self.handle(Event::Connected(ConnectionId(connection), new), effects)
    }

    pub(crate) fn received(
        &mut self,
        connection: u64,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<(), String> {
        if let Some(unread) = self.unread.get_mut(&connection) {
            unread.push_back(bytes.to_vec());
            return Ok(());
        }
        self.handle(Event::Bytes(ConnectionId(connection), bytes), effects)
    }

    pub(crate) fn broken(&mut self, connection: u64, effects: &mut Effects) -> Result<(), String> {
        self.unread.remove(&connection);
        self.handle(Event::Disconnected(ConnectionId(connection)), effects)
    }

    pub(crate) fn replied(
        &mut self,
        request: Request,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let slot = self.slot_of(request.profile())?;
        let profile = &self.slots[slot].profile;
        let reply = if self.cuts {
            request.run_with(profile, &CutHistory(profile))
        } else {
            request.run(profile)
        };
        self.handle(Event::Reply(reply), effects)
    }

    pub(crate) fn written(
        &mut self,
        connection: u64,
        bytes: usize,
        effects: &mut Effects,
    ) -> Result<(), String> {
        self.handle(Event::Written(ConnectionId(connection), bytes), effects)
    }

    pub(crate) fn changed(&mut self, slot: usize, effects: &mut Effects) -> Result<(), String> {
        let profile = *self.slots[slot].profile.id();
        self.handle(Event::Changed(profile), effects)
    }

    pub(crate) fn timed_out(&mut self, effects: &mut Effects) -> Result<(), String> {
        self.handle(Event::Timeout, effects)
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        self.host.next_timeout().map(Timestamp::as_millis)
    }

    /// Whether something came in that is not done with.
    pub(crate) fn is_busy(&self, slot: usize) -> bool {
        let profile = self.slots[slot].profile.id();
        self.host.buffered_bytes() > 0 || self.host.roots(profile).next().is_some()
    }

    fn slot_of(&self, profile: &ProfileId) -> Result<usize, String> {
        let slot = self
            .slots
            .iter()
            .position(|slot| slot.profile.id() == profile);
        slot.ok_or_else(|| "a profile that is not served".to_owned())
    }

    /// Lets something happen to the host and does what it says, until it says nothing more.
    fn handle(&mut self, event: Event<'_>, effects: &mut Effects) -> Result<(), String> {
        self.tell(event)?;
        while let Some(output) = self.host.poll_output() {
            self.act(output, effects)?;
        }
        Ok(())
    }

    fn tell(&mut self, event: Event<'_>) -> Result<(), String> {
        let from = match &event {
            Event::Bytes(connection, bytes) => Some((*connection, bytes.len())),
            _ => None,
        };
        let now = self.at();
        self.host.handle(event, now);
        // A whole round of each peer may be beyond the budget if it could not be foreseen how long it is.
        let Some((connection, piece)) = from else {
            return Ok(());
        };
        let held = self.host.buffered_bytes_of(connection);
        let limit = self.config.peer_bytes.max(ROUND_BYTES) + piece + FRAME_BYTES_MAX;
        if held > limit {
            return Err(format!("{held} bytes are buffered of one peer"));
        }
        Ok(())
    }

    fn act(&mut self, output: Output, effects: &mut Effects) -> Result<(), String> {
        match output {
            Output::Bytes(connection, bytes) => {
                let len = bytes.len();
                effects.bytes.push((connection.0, bytes));
                effects.written.push((connection.0, len));
                Ok(())
            }
            Output::Run(request) => {
                self.caught_up += u64::from(request.kind() == "adopt a checkpoint");
                effects.requests.push(request);
                Ok(())
            }
            Output::Pause(connection) => {
                self.pauses += 1;
                self.unread.entry(connection.0).or_default();
                Ok(())
            }
            Output::Resume(connection) => {
                for bytes in self.unread.remove(&connection.0).unwrap_or_default() {
                    // It may be paused again by the first of them.
                    self.received(connection.0, &bytes, effects)?;
                }
                Ok(())
            }
            Output::Close(connection, why) => {
                if let Disconnect::Ban(reason) = why {
                    return Err(format!("an honest peer was blamed: {reason}"));
                }
                self.unread.remove(&connection.0);
                effects.closes.push(connection.0);
                Ok(())
            }
            Output::Pulled(_, profile, _) => {
                self.synced += 1;
                let slot = self.slot_of(&profile)?;
                self.want_bundles(slot, effects)
            }
            Output::Reconciled(_, profile, sum) => {
                self.reconciled += sum.new;
                let slot = self.slot_of(&profile)?;
                self.want_bundles(slot, effects)
            }
            Output::Fetched(profile, root) => {
                self.check_bundle(&root)?;
                let slot = self.slot_of(&profile)?;
                let is_last = self.host.roots(&profile).next().is_none();
                let slot = &mut self.slots[slot];
                slot.fetched.insert(root);
                if is_last {
                    slot.import = None;
                }
                let held = self.host.held_bytes(&profile);
                if held > ExchangeConfig::default().held_bytes_max {
                    return Err(format!("{held} bytes of blocks wait for others"));
                }
                Ok(())
            }
            Output::Cut(_, _, log) if !self.sees_cuts => {
                Err(format!("{log:?} cannot be had although all is kept"))
            }
            Output::Forked(_, log) => Err(format!("{log:?} forked")),
            Output::FetchFailed(_, _, error) => Err(text(error)),
            Output::HistoryFailed(_, error) => Err(text(error)),
            Output::ReconcileFailed(_, error) => Err(text(error)),
            Output::BlocksFailed(_, error) => Err(text(error)),
            Output::ProofFailed(_, error) => Err(text(error)),
            _ => Ok(()),
        }
    }

    /// Looks for bundles in the profile that were not fetched yet.
    pub(crate) fn want_bundles(
        &mut self,
        slot: usize,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let one = &mut self.slots[slot];
        let profile = *one.profile.id();
        let snapshot = one.profile.engine().snapshot().map_err(text)?;
        let mut roots = Vec::new();
        for row in snapshot
            .profile(&one.profile)
            .prefix(BUNDLES)
            .map_err(text)?
        {
            let (_, value) = row.map_err(text)?;
            let bytes = <[u8; 32]>::try_from(value.as_bytes()).map_err(text)?;
            let root = ElementHash::from_bytes(bytes);
            if one.wanted.insert(root) {
                one.import
                    .get_or_insert_with(|| one.profile.engine().begin_import());
                roots.push(root);
            }
        }
        for root in roots {
            let fetch = Event::Fetch(profile, root, Role::Envelope);
            self.handle(fetch, effects)?;
        }
        Ok(())
    }

    /// What shows a bundle must have all of it.
    pub(crate) fn check_bundle(&self, root: &ElementHash) -> Result<bool, String> {
        let snapshot = self.engine().snapshot().map_err(text)?;
        let read = |hash: &ElementHash| snapshot.get(hash).map_err(text);
        let Some(envelope) = read(root)? else {
            return Ok(false);
        };
        let missing = || "a bundle shows and is not whole".to_owned();
        let (_, manifest) = read_envelope(envelope.as_ref()).map_err(text)?;
        let manifest = read(&manifest)?.ok_or_else(missing)?;
        let roots = read_manifest(manifest.as_ref()).map_err(text)?;
        let mut all: Vec<ElementHash> = roots.values().copied().collect();
        let (mut seen, mut links) = (BTreeSet::new(), Vec::new());
        while let Some(hash) = all.pop() {
            if seen.insert(hash) {
                let element = read(&hash)?.ok_or_else(missing)?;
                let view = uxf_codec::canonical::ElementView::parse(element.as_ref());
                view.map_err(text)?.distinct_links(&mut links);
                all.extend(&links);
            }
        }
        Ok(true)
    }
}

/// Longest round: that of a commit, for these come after no more than 4,300 bytes of others.
const ROUND_BYTES: usize = 16_000;

fn config(seed: u64) -> HostConfig {
    let mut rng = Rng::for_item(seed, 1);
    let sync = SyncConfig {
        round_bytes: 300 + rng.index(4_000),
        window: 1 + u32::try_from(rng.below(2)).unwrap(),
        // Checkpoints are small: all of them are caught up with, some or none.
        whole_checkpoint_bytes: match seed % 4 {
            0 | 1 => 0,
            2 => 2_000,
            _ => 1 << 20,
        },
        ..SyncConfig::default()
    };
    let exchange = ExchangeConfig {
        request_blocks: 1 + rng.index(20),
        store_bytes: 1 + rng.index(20_000),
        held_bytes: 4_000 + rng.index(40_000),
        ..ExchangeConfig::default()
    };
    let reconcile = ReconcileConfig {
        answer: AnswerLimits {
            leaf: 1 + rng.index(40),
            operations_bytes: 500 + rng.index(6_000),
        },
        ..ReconcileConfig::default()
    };
    HostConfig {
        // Below a round, so that the turn goes round; never below what is read of anybody.
        peer_bytes: 500 + rng.index(6_000),
        total_bytes: 2_000 + rng.index(20_000),
        small_bytes: rng.index(600),
        queued_bytes_low: rng.index(5_000),
        given_bytes: rng.index(20_000),
        gives_max: 1 + rng.index(3),
        sync,
        reconcile,
        exchange,
        ..HostConfig::default()
    }
}

fn open(
    disk: &MemoryDisk,
    clock: &Arc<SetClock>,
    seed: u64,
    wallets: &[u8],
) -> Result<Vec<Slot>, String> {
    let mut rng = Rng::new(seed);
    let options = EngineOptions::new()
        .cache_bytes(1 << 20)
        .index_bytes(1 << 20)
        .checkpoint_elements(64 + rng.index(400))
        .idle_work(false)
        .repair(RepairPolicy::Never)
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .entropy(Arc::new(SeededEntropy(rng.next_u64(), AtomicU64::new(0))));
    let engine = Engine::open_with_backend(disk.clone(), options).map_err(text)?;
    let slots = wallets.iter().map(|wallet| {
        let secret = WalletSecret::take(&mut [*wallet; 32]);
        let mut slot = Slot {
            wallet: *wallet,
            profile: engine.profile(&secret, "device").map_err(text)?,
            import: None,
            wanted: BTreeSet::new(),
            fetched: BTreeSet::new(),
        };
        // What was being fetched when it was switched off.
        slot.import = Some(slot.profile.engine().begin_import());
        Ok(slot)
    });
    slots.collect()
}

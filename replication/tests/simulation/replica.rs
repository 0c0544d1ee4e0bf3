//! One machine: an engine on a disk in memory, the profiles it serves, and its end of every stream.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{read_envelope, read_manifest};
use uxf_engine::oplog::identity::MembershipProof;
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::{ProfileId, WalletSecret};
use uxf_engine::{Clock, Engine, EngineOptions, Entropy, Import, RepairPolicy};
use uxf_replication::block_exchange::{self, BlockExchange, ExchangeConfig, Role};
use uxf_replication::oplog_sync::{self, OplogSync, SyncConfig};
use uxf_replication::session::{self, ConnectionBinding, Sessions, SessionsConfig, Side};
use uxf_replication::wire::{FRAME_BYTES_MAX, MessageKind, SessionId};
use uxf_replication::{Misbehaviour, Peer, Timestamp};
use uxf_testkit::Rng;
use uxf_testkit::disk::MemoryDisk;

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
    pub(crate) sync: OplogSync,
    pub(crate) exchange: BlockExchange,
    /// While something is being fetched.
    import: Option<Import>,
    pub(crate) wanted: BTreeSet<ElementHash>,
    pub(crate) fetched: BTreeSet<ElementHash>,
}

/// One end of a stream.
struct End {
    sessions: Sessions,
    /// Which slot each open session is of.
    open: BTreeMap<SessionId, usize>,
}

/// What a store is asked for.
pub(crate) enum Request {
    Sync(oplog_sync::StoreRequest),
    Blocks(block_exchange::StoreRequest),
}

/// What comes of handling something.
#[derive(Default)]
pub(crate) struct Effects {
    /// Bytes over streams.
    pub(crate) bytes: Vec<(u64, Vec<u8>)>,
    /// Requests of slots.
    pub(crate) requests: Vec<(usize, Request)>,
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
    ends: BTreeMap<u64, End>,
    pub(crate) synced: u64,
    pub(crate) now: u64,
}

impl Replica {
    pub(crate) fn new(wallets: &[u8], millis: u64, seed: u64) -> Result<Self, String> {
        let (disk, clock) = (MemoryDisk::new(Vec::new()), AtomicU64::new(millis));
        let clock = Arc::new(SetClock(clock));
        let slots = open(&disk, &clock, seed, wallets)?;
        Ok(Self {
            disk,
            clock,
            seed,
            opened: 1,
            slots,
            ends: BTreeMap::new(),
            synced: 0,
            now: 0,
        })
    }

    /// Pulls the plug and switches it on again. Its streams are for the network to break.
    pub(crate) fn crash(self) -> Result<Self, String> {
        let wallets: Vec<u8> = self.slots.iter().map(|slot| slot.wallet).collect();
        let disk = MemoryDisk::new(self.disk.image());
        let Self {
            slots, clock, seed, ..
        } = self;
        drop(slots);
        let opened = self.opened + 1;
        let slots = open(&disk, &clock, seed ^ (opened << 48), &wallets)?;
        Ok(Self {
            disk,
            clock,
            seed,
            opened,
            slots,
            ends: BTreeMap::new(),
            synced: self.synced,
            now: self.now,
        })
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
        let mut sessions = Sessions::new(SessionsConfig::default(), side, binding, seed);
        sessions.serve(self.slots.iter().map(|slot| *slot.profile.id()).collect());
        if side == Side::Dialer {
            for slot in &self.slots {
                sessions.handle(session::Event::Open(*slot.profile.id()), self.at());
            }
        }
        let open = BTreeMap::new();
        self.ends.insert(connection, End { sessions, open });
        self.pump(connection, effects)
    }

    pub(crate) fn received(
        &mut self,
        connection: u64,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<(), String> {
        let now = self.at();
        if let Some(end) = self.ends.get_mut(&connection) {
            end.sessions.handle(session::Event::Bytes(bytes), now);
        }
        self.pump(connection, effects)
    }

    pub(crate) fn broken(&mut self, connection: u64, effects: &mut Effects) -> Result<(), String> {
        if let Some(end) = self.ends.remove(&connection) {
            for (session, slot) in end.open {
                self.closed(connection, session, slot, effects)?;
            }
        }
        Ok(())
    }

    fn closed(
        &mut self,
        connection: u64,
        session: SessionId,
        slot: usize,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let (peer, now) = (peer(connection, session), self.at());
        let one = &mut self.slots[slot];
        one.sync.handle(oplog_sync::Event::Disconnected(peer), now);
        one.exchange
            .handle(block_exchange::Event::Disconnected(peer), now);
        self.drain(slot, effects)
    }

    /// Carries what the sessions of a stream have to say.
    fn pump(&mut self, connection: u64, effects: &mut Effects) -> Result<(), String> {
        let now = self.at();
        while let Some(end) = self.ends.get_mut(&connection) {
            if end.sessions.buffered_bytes() > FRAME_BYTES_MAX {
                return Err("a stream buffers more than a frame".to_owned());
            }
            let Some(output) = end.sessions.poll_output() else {
                return Ok(());
            };
            match output {
                session::Output::Bytes(bytes) => effects.bytes.push((connection, bytes)),
                session::Output::Prove(session, profile, binding) => {
                    let proof = self.slot_of(&profile).map(|slot| {
                        let proof = self.slots[slot].profile.prove_membership(&binding);
                        proof.map(Box::new).map_err(text)
                    });
                    let proof = proof.transpose()?;
                    self.tell(connection, session::Event::Proven(session, proof));
                }
                session::Output::Check(session, profile, binding, proof) => {
                    let device = self.check(&profile, &binding, &proof);
                    self.tell(connection, session::Event::Checked(session, device));
                }
                session::Output::Opened(session, profile, _) => {
                    let slot = self.slot_of(&profile).ok_or("a session of no profile")?;
                    if let Some(end) = self.ends.get_mut(&connection) {
                        end.open.insert(session, slot);
                    }
                    let peer = peer(connection, session);
                    let one = &mut self.slots[slot];
                    one.sync.handle(oplog_sync::Event::Connected(peer), now);
                    one.exchange
                        .handle(block_exchange::Event::Connected(peer), now);
                    self.drain(slot, effects)?;
                }
                session::Output::Message(session, message) => {
                    let Some(slot) = end.open.get(&session).copied() else {
                        continue;
                    };
                    let (peer, one) = (peer(connection, session), &mut self.slots[slot]);
                    if message.kind() >= MessageKind::Want {
                        one.exchange
                            .handle(block_exchange::Event::Message(peer, message), now);
                    } else {
                        one.sync
                            .handle(oplog_sync::Event::Message(peer, message), now);
                    }
                    self.drain(slot, effects)?;
                }
                session::Output::Refused(..) => {}
                session::Output::Closed(session, _) => {
                    if let Some(slot) = end.open.remove(&session) {
                        self.closed(connection, session, slot, effects)?;
                    }
                }
                session::Output::Disconnect(None) => effects.closes.push(connection),
                session::Output::Disconnect(Some(reason)) => return Err(blamed(&reason)),
            }
        }
        Ok(())
    }

    fn tell(&mut self, connection: u64, event: session::Event<'_>) {
        let now = self.at();
        if let Some(end) = self.ends.get_mut(&connection) {
            end.sessions.handle(event, now);
        }
    }

    fn slot_of(&self, profile: &ProfileId) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.profile.id() == profile)
    }

    fn check(
        &self,
        profile: &ProfileId,
        binding: &[u8; 32],
        proof: &MembershipProof,
    ) -> Option<uxf_engine::oplog::identity::DeviceId> {
        let slot = self.slot_of(profile)?;
        self.slots[slot]
            .profile
            .check_membership(proof, binding)
            .ok()
    }

    pub(crate) fn replied(
        &mut self,
        slot: usize,
        request: Request,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let now = self.at();
        let one = &mut self.slots[slot];
        match request {
            Request::Sync(request) => {
                let reply = request.run(&one.profile);
                one.sync.handle(oplog_sync::Event::Store(reply), now);
            }
            Request::Blocks(request) => {
                let reply = request.run(one.profile.engine());
                one.exchange
                    .handle(block_exchange::Event::Store(reply), now);
            }
        }
        self.drain(slot, effects)
    }

    pub(crate) fn changed(&mut self, slot: usize, effects: &mut Effects) -> Result<(), String> {
        let now = self.at();
        self.slots[slot]
            .sync
            .handle(oplog_sync::Event::Changed, now);
        self.drain(slot, effects)
    }

    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let slots = self.slots.iter();
        let slots = slots.flat_map(|slot| [slot.sync.next_timeout(), slot.exchange.next_timeout()]);
        let ends = self.ends.values().map(|end| end.sessions.next_timeout());
        slots.chain(ends).flatten().map(Timestamp::as_millis).min()
    }

    pub(crate) fn timed_out(&mut self, effects: &mut Effects) -> Result<(), String> {
        let now = self.at();
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        for slot in 0..self.slots.len() {
            let one = &mut self.slots[slot];
            if is_due(one.sync.next_timeout()) {
                one.sync.handle(oplog_sync::Event::Timeout, now);
            }
            if is_due(one.exchange.next_timeout()) {
                one.exchange.handle(block_exchange::Event::Timeout, now);
            }
            self.drain(slot, effects)?;
        }
        let ends = self
            .ends
            .iter()
            .filter(|(_, end)| is_due(end.sessions.next_timeout()));
        let ends: Vec<u64> = ends.map(|(connection, _)| *connection).collect();
        for connection in ends {
            self.tell(connection, session::Event::Timeout);
            self.pump(connection, effects)?;
        }
        Ok(())
    }

    /// Carries what the machines of a slot have to say, and looks whether they keep within their limits.
    fn drain(&mut self, slot: usize, effects: &mut Effects) -> Result<(), String> {
        let now = self.at();
        let mut is_pulled = false;
        let one = &mut self.slots[slot];
        while let Some(output) = one.sync.poll_output() {
            match output {
                oplog_sync::Output::Send(to, message) => {
                    let (connection, session) = place(to);
                    let event = session::Event::Send(session, message);
                    if let Some(end) = self.ends.get_mut(&connection) {
                        end.sessions.handle(event, now);
                        flush(&mut end.sessions, connection, effects);
                    }
                }
                oplog_sync::Output::Store(request) => {
                    effects.requests.push((slot, Request::Sync(request)));
                }
                oplog_sync::Output::Pulled(..) => {
                    is_pulled = true;
                    self.synced += 1;
                }
                oplog_sync::Output::Pushed(_) => {}
                oplog_sync::Output::Disconnect(_, Some(reason)) => return Err(blamed(&reason)),
                oplog_sync::Output::Disconnect(peer, None) => effects.closes.push(place(peer).0),
                oplog_sync::Output::Reconcile(_, log) => {
                    return Err(format!("{log:?} cannot be had although all is kept"));
                }
                oplog_sync::Output::Forked(log) => return Err(format!("{log:?} forked")),
                oplog_sync::Output::StoreFailed(error) => return Err(text(error)),
            }
        }
        if one.sync.buffered_bytes() > 4 << 20 {
            return Err("more is buffered than two rounds of each peer".to_owned());
        }
        if is_pulled {
            self.want_bundles(slot)?;
        }
        self.drain_blocks(slot, effects)
    }

    fn drain_blocks(&mut self, slot: usize, effects: &mut Effects) -> Result<(), String> {
        let now = self.at();
        let mut whole = Vec::new();
        let one = &mut self.slots[slot];
        while let Some(output) = one.exchange.poll_output() {
            match output {
                block_exchange::Output::Send(to, message) => {
                    let (connection, session) = place(to);
                    let event = session::Event::Send(session, message);
                    if let Some(end) = self.ends.get_mut(&connection) {
                        end.sessions.handle(event, now);
                        flush(&mut end.sessions, connection, effects);
                    }
                    one.exchange.handle(block_exchange::Event::Sent(to), now);
                }
                block_exchange::Output::Store(request) => {
                    effects.requests.push((slot, Request::Blocks(request)));
                }
                block_exchange::Output::Fetched(root) => whole.push(root),
                block_exchange::Output::Failed(_, error) => return Err(text(error)),
                block_exchange::Output::StoreFailed(error) => return Err(text(error)),
                block_exchange::Output::Disconnect(_, Some(reason)) => {
                    return Err(blamed(&reason));
                }
                block_exchange::Output::Disconnect(peer, None) => {
                    effects.closes.push(place(peer).0);
                }
            }
        }
        if one.exchange.held_bytes() > ExchangeConfig::default().held_bytes_max {
            return Err("more blocks wait for others than there is room for".to_owned());
        }
        for root in whole {
            self.check_bundle(&root)?;
            self.slots[slot].fetched.insert(root);
        }
        let one = &mut self.slots[slot];
        if one.exchange.roots().next().is_none() {
            one.import = None;
        }
        Ok(())
    }

    /// Looks for bundles in the profile that were not fetched yet.
    pub(crate) fn want_bundles(&mut self, slot: usize) -> Result<(), String> {
        let now = self.at();
        let one = &mut self.slots[slot];
        let snapshot = one.profile.engine().snapshot().map_err(text)?;
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
                let fetch = block_exchange::Event::Fetch(root, Role::Envelope);
                one.exchange.handle(fetch, now);
            }
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

fn flush(sessions: &mut Sessions, connection: u64, effects: &mut Effects) {
    while let Some(output) = sessions.poll_output() {
        if let session::Output::Bytes(bytes) = output {
            effects.bytes.push((connection, bytes));
        }
    }
}

fn blamed(reason: &Misbehaviour) -> String {
    format!("an honest peer was blamed: {reason}")
}

fn peer(connection: u64, session: SessionId) -> Peer {
    Peer::new(connection << 16 | u64::from(session.0))
}

fn place(peer: Peer) -> (u64, SessionId) {
    let session = u16::try_from(peer.number() & 0xffff).unwrap();
    (peer.number() >> 16, SessionId(session))
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
        .flush_interval(Duration::from_secs(3_600))
        .repair(RepairPolicy::Never)
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .entropy(Arc::new(SeededEntropy(rng.next_u64(), AtomicU64::new(0))));
    let engine = Engine::open_with_backend(disk.clone(), options).map_err(text)?;
    let sync = SyncConfig {
        round_bytes: 300 + rng.index(4_000),
        window: 1 + u32::try_from(rng.below(2)).unwrap(),
        ..SyncConfig::default()
    };
    let exchange = ExchangeConfig {
        request_blocks: 1 + rng.index(20),
        store_bytes: 1 + rng.index(20_000),
        held_bytes: 4_000 + rng.index(40_000),
        ..ExchangeConfig::default()
    };
    let slots = wallets.iter().map(|wallet| {
        let secret = WalletSecret::take(&mut [*wallet; 32]);
        let mut slot = Slot {
            wallet: *wallet,
            profile: engine.profile(&secret, "device").map_err(text)?,
            sync: OplogSync::new(sync),
            exchange: BlockExchange::new(exchange),
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

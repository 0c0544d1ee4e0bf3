//! One device: an engine on a disk in memory, with a clock of its own.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CommitId, LogHead, VersionVector};
use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Clock, Durability, Engine, EngineOptions, Entropy, RepairPolicy};
use uxf_testkit::Rng;
use uxf_testkit::disk::MemoryDisk;

use super::model::Model;
use super::values::KEYS;
use crate::crash::text;

/// Bounds what a device keeps in memory before its states go to tables.
const ELEMENTS: usize = 40;

/// A clock that stands where it is set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicU64);

impl SetClock {
    /// A clock at a number of milliseconds since 1970.
    pub(crate) fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(millis)))
    }

    /// Sets it, backwards too.
    pub(crate) fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    /// What it shows.
    pub(crate) fn millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock for SetClock {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        self.millis()
    }
}

/// Bytes that a seed decides, other ones at every call.
#[derive(Debug)]
pub(crate) struct SeededEntropy {
    seed: u64,
    calls: AtomicU64,
}

impl SeededEntropy {
    /// The source of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            calls: AtomicU64::new(0),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        Rng::for_item(self.seed, call).fill(out);
        Ok(())
    }
}

/// What a device holds, in one hash: keys, values and versions in the order of the keys.
pub(super) type StateHash = [u8; 32];

/// A device that is switched on.
#[derive(Debug)]
pub(super) struct Device {
    /// Its disk.
    disk: MemoryDisk,
    /// Its clock.
    pub(super) clock: Arc<SetClock>,
    /// Its profile.
    pub(super) profile: Profile,
    /// The sequence number that its own log reaches for sure after a crash.
    pub(super) durable_next: u64,
    /// Whether it took another device's checkpoint: it may then lack operations that lost against ones it has not
    /// heard of yet, and shows what the model makes of its operations only once it has.
    pub(super) has_checkpoint: bool,
    /// Randomness of its engines.
    seed: u64,
    opened: u64,
}

impl Device {
    /// A new device with an empty disk.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn new(name: &str, millis: u64, seed: u64) -> Result<Self, String> {
        let (disk, clock) = (MemoryDisk::new(Vec::new()), SetClock::at(millis));
        let (profile, _) = switch_on(&disk, &clock, seed, ELEMENTS, Some(name))?;
        Ok(Self {
            disk,
            clock,
            profile,
            durable_next: 1,
            has_checkpoint: false,
            seed,
            opened: 1,
        })
    }

    /// Its log.
    pub(super) fn log(&self) -> LogId {
        self.profile.log_id()
    }

    /// Its engine.
    pub(super) fn engine(&self) -> &Engine {
        self.profile.engine()
    }

    /// How far it has each log, parked commits included: what it asks others with.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn vector(&self) -> Result<VersionVector, String> {
        self.profile.version_vector().map_err(text)
    }

    /// How far it has applied each log.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn applied(&self) -> Result<VersionVector, String> {
        applied(&self.profile)
    }

    /// The sequence number that comes next in its own log.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn next_seq(&self) -> Result<u64, String> {
        let reached = self.vector()?.get(&self.log());
        Ok(reached.map_or(1, |reached| reached.next_seq))
    }

    /// Switches it off and on: in order, or by pulling the plug, which may take what was only buffered.
    ///
    /// # Errors
    /// What the engine says; or if its log is another one afterwards.
    pub(super) fn restart(self, pulls_plug: bool) -> Result<Self, String> {
        let log = self.log();
        let disk = if pulls_plug {
            MemoryDisk::new(self.disk.image())
        } else {
            self.engine().close().map_err(text)?;
            self.disk.clone()
        };
        let Self { profile, clock, .. } = self;
        // Before the disk is opened again: two engines on one disk would be the end of it.
        drop(profile);
        let opened = self.opened + 1;
        let seed = self.seed ^ (opened << 48);
        let (profile, _) = switch_on(&disk, &clock, seed, ELEMENTS, None)?;
        if profile.log_id() != log {
            return Err("a restart began another log".to_owned());
        }
        Ok(Self {
            disk,
            clock,
            profile,
            durable_next: self.durable_next,
            has_checkpoint: self.has_checkpoint,
            seed: self.seed,
            opened,
        })
    }

    /// The hash of everything it shows.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn state_hash(&self) -> Result<StateHash, String> {
        state_hash(&self.profile)
    }

    /// Compares what it shows with what the model makes of the operations it has.
    ///
    /// # Errors
    /// The first difference.
    pub(super) fn check(&self, model: &Model) -> Result<(), String> {
        if self.has_checkpoint {
            return Ok(());
        }
        check(&self.profile, model)?;
        model.nothing_is_lost(&applied(&self.profile)?)
    }
}

/// Switches a device on; whether it makes each commit durable. With `None` for a name it has a profile.
///
/// Thresholds are small, of elements before a checkpoint fewer than `elements`, so that much goes to tables; nothing
/// depends on the time of the machine.
pub(crate) fn switch_on(
    disk: &MemoryDisk,
    clock: &Arc<SetClock>,
    seed: u64,
    elements: usize,
    name: Option<&str>,
) -> Result<(Profile, bool), String> {
    let mut rng = Rng::new(seed);
    let is_durable = rng.percent(50);
    let durability = if is_durable {
        Durability::Durable
    } else {
        Durability::Buffered
    };
    let options = EngineOptions::new()
        .cache_bytes(1 << 20)
        .index_bytes(1 << 20)
        .checkpoint_elements(16 + rng.index(elements))
        .journal_entries(16 + rng.index(40))
        .flush_interval(Duration::from_secs(3_600))
        .repair(RepairPolicy::Never)
        .durability(durability)
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .entropy(Arc::new(SeededEntropy::new(rng.next_u64())));
    let engine = Engine::open_with_backend(disk.clone(), options).map_err(text)?;
    let secret = WalletSecret::take(&mut [7; 32]);
    let profile = match name {
        Some(name) => engine.profile(&secret, name),
        None => engine.open_profile(&secret),
    };
    Ok((profile.map_err(text)?, is_durable))
}

/// How far a replica has applied each log. The ids of commits in it mean nothing.
fn applied(profile: &Profile) -> Result<VersionVector, String> {
    let mut vector = profile.version_vector().map_err(text)?;
    // They are in order and the first one of a log is where it stands: so from the back.
    for parked in profile.parked().map_err(text)?.iter().rev() {
        let head = LogHead {
            next_seq: parked.first_seq,
            head: (parked.first_seq > 1).then_some(CommitId::from_bytes([0; 32])),
            ..LogHead::empty(parked.log)
        };
        vector.set(&head).map_err(text)?;
    }
    Ok(vector)
}

/// BLAKE3 over keys, values and versions in the order of the keys.
///
/// # Errors
/// What the engine says.
pub(super) fn state_hash(profile: &Profile) -> Result<StateHash, String> {
    let snapshot = profile.engine().snapshot().map_err(text)?;
    let view = snapshot.profile(profile);
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    };
    for row in view.prefix("").map_err(text)? {
        let (key, value) = row.map_err(text)?;
        add(key.as_bytes());
        add(value.as_bytes());
    }
    for key in KEYS {
        // Those of deleted keys as well.
        let version = view.version(key).map_err(text)?;
        add(format!("{version:?}").as_bytes());
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Compares what a profile shows with what the model makes of the operations it has.
///
/// # Errors
/// The first difference.
pub(super) fn check(profile: &Profile, model: &Model) -> Result<(), String> {
    let vector = applied(profile)?;
    for (log, reached) in vector.iter() {
        if reached.next_seq > model.len_of(log) + 1 {
            return Err(format!("operations of {log:?} that nobody wrote"));
        }
    }
    let snapshot = profile.engine().snapshot().map_err(text)?;
    let view = snapshot.profile(profile);
    let mut shown = view.prefix("").map_err(text)?;
    let mut sorted = KEYS;
    sorted.sort_unstable();
    for key in sorted {
        let expected = model.visible(&vector, key);
        let is_touched = view.version(key).map_err(text)?.is_some();
        if is_touched != model.touched(&vector, key) {
            return Err(format!("{key} was written: {is_touched}, which is wrong"));
        }
        let single = view.get(key).map_err(text)?;
        if single.is_some() != expected.is_some() {
            return Err(format!(
                "{key} has a value: {}, which is wrong",
                single.is_some()
            ));
        }
        let Some(expected) = expected else { continue };
        let (found_key, found) = shown
            .next()
            .ok_or_else(|| format!("{key} is not listed"))?
            .map_err(text)?;
        if found_key != key {
            return Err(format!("{found_key} is listed instead of {key}"));
        }
        let single = single.as_ref().map(AsRef::as_ref);
        if found.as_bytes() != expected.value || single != Some(found.as_bytes()) {
            return Err(format!(
                "{key} is {:?}, expected {:?}",
                String::from_utf8_lossy(found.as_bytes()),
                String::from_utf8_lossy(&expected.value)
            ));
        }
        if found.written_by() != Some(expected.written_by) || found.time() != Some(expected.time) {
            return Err(format!(
                "{key} is said to be written by {:?}",
                found.written_by()
            ));
        }
    }
    match shown.next() {
        None => Ok(()),
        Some(row) => Err(format!("{} is listed too much", row.map_err(text)?.0)),
    }
}

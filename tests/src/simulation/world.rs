//! What happens between the devices.

use std::collections::BTreeMap;

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Commit, HybridTime, LogError, VersionVector};
use uxf_engine::profile::merge::Merger;
use uxf_engine::profile::{Delta, Profile, ProfileError, WatchEvent};
use uxf_engine::{Durability, Error};
use uxf_testkit::Rng;

use super::counts::Counts;
use super::device::Device;
use super::model::{Model, Operation, Put, join};
use super::values::{KEYS, merger, value};
use crate::crash::text;

/// Where the clocks of devices that have the right time begin.
const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
pub(super) const YEAR: u64 = 365 * 24 * 60 * MINUTE;
/// Deltas on their way at once.
const MESSAGES_MAX: usize = 24;

/// A delta on its way.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) to: usize,
    pub(super) delta: Delta,
}

/// The devices and what is between them.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) devices: Vec<Device>,
    pub(super) messages: Vec<Message>,
    pub(super) model: Model,
    pub(super) counts: Counts,
    unique: u64,
}

/// Lives through the history of a seed. With `forgets` the model is told of one operation that never was, which must
/// end in an error.
///
/// # Errors
/// What does not hold.
pub fn simulate(seed: u64, forgets: bool) -> Result<Counts, String> {
    let mut world = World::new(seed)?;
    let steps = 20 + world.rng.below(60);
    for step in 0..steps {
        world
            .step()
            .map_err(|reason| format!("step {step}: {reason}"))?;
    }
    if forgets {
        let log = world.device(0)?.log();
        let time = HybridTime::from_u64(u64::MAX);
        let (key, put) = ("app.a", None);
        world.model.push(log, Operation { time, key, put });
    }
    world.meet()?;
    world.judge()?;
    world.counts.seeds = 1;
    world.counts.devices = world.devices.len() as u64;
    world.counts.operations = world.model.len();
    Ok(world.counts)
}

impl World {
    fn new(seed: u64) -> Result<Self, String> {
        let mut rng = Rng::new(seed);
        // Two or three are the rule, nine happen.
        let count = 2 + rng.below(3) + if rng.percent(25) { rng.below(6) } else { 0 };
        let mut devices = Vec::new();
        for number in 0..count.min(9) {
            let millis = clock(&mut rng);
            devices.push(Device::new(
                &format!("device {number}"),
                millis,
                rng.next_u64(),
            )?);
        }
        Ok(Self {
            rng,
            devices,
            messages: Vec::new(),
            model: Model::default(),
            counts: Counts::default(),
            unique: 0,
        })
    }

    pub(super) fn device(&self, at: usize) -> Result<&Device, String> {
        self.devices
            .get(at)
            .ok_or_else(|| format!("no device {at}"))
    }

    fn step(&mut self) -> Result<(), String> {
        let at = self.rng.index(self.devices.len());
        match self.rng.below(100) {
            0..45 => self.write(at)?,
            45..75 => self.send(at)?,
            75..88 => {
                let message = self.rng.index(self.messages.len());
                if message < self.messages.len() {
                    let Message { to, delta } = self.messages.swap_remove(message);
                    self.take(to, &delta)?;
                    if self.rng.percent(40) {
                        self.messages.push(Message { to, delta });
                    }
                }
            }
            88..92 => self.restart(at)?,
            92..97 => {
                let millis = if self.rng.percent(30) {
                    clock(&mut self.rng)
                } else {
                    self.device(at)?.clock.millis() + self.rng.below(30 * MINUTE)
                };
                self.device(at)?.clock.set(millis);
            }
            97 => {
                let next_seq = self.device(at)?.next_seq()?;
                self.device(at)?.engine().flush().map_err(text)?;
                if let Some(device) = self.devices.get_mut(at) {
                    device.durable_next = next_seq;
                }
            }
            _ => self.compact(at)?,
        }
        if self.rng.percent(10) {
            self.device(at)?.check(&self.model)?;
        }
        Ok(())
    }

    /// Compacts the log of a device, which nobody sees.
    fn compact(&mut self, at: usize) -> Result<(), String> {
        let device = self.device(at)?;
        let before = device.state_hash()?;
        let outcome = device.profile.compact().map_err(text)?;
        device.engine().sweep(u64::MAX).map_err(text)?;
        if device.state_hash()? != before {
            return Err("compaction can be seen".to_owned());
        }
        self.counts.compactions += u64::from(outcome.live < outcome.operations);
        Ok(())
    }

    /// One batch on one device, and what becomes of it in the model.
    fn write(&mut self, at: usize) -> Result<(), String> {
        let mut changes: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
        for _ in 0..=self.rng.below(4) {
            let key = self.rng.pick(&KEYS).copied().unwrap_or_default();
            let deletes = self.rng.percent(15);
            let given = changes.entry(key).or_default();
            if given.is_empty() && deletes {
                continue;
            }
            self.unique += 1;
            given.push(value(&mut self.rng, key, self.unique));
        }
        let is_durable = self.rng.percent(60);
        let device = self.device(at)?;
        let (profile, log) = (&device.profile, device.log());
        let watch = profile.watch("");
        let mut batch = profile.engine().begin();
        for (key, given) in &changes {
            if given.is_empty() {
                batch.delete_value(profile, key).map_err(text)?;
            }
            for value in given {
                if value.len() % 7 == 0 {
                    batch.put_value_in_block(profile, key, value)
                } else {
                    batch.put_value(profile, key, value)
                }
                .map_err(text)?;
            }
        }
        let durability = if is_durable {
            Durability::Durable
        } else {
            Durability::Buffered
        };
        batch.durability(durability).commit().map_err(text)?;
        let after = device.applied()?;
        let time = own_time(profile, || watch.try_next(), log)?;
        self.note(at, changes, time, &after)?;
        let next_seq = after.get(&log).map_or(1, |reached| reached.next_seq);
        if let Some(device) = self.devices.get_mut(at)
            && is_durable
        {
            device.durable_next = next_seq;
        }
        Ok(())
    }

    /// Adds what was committed to the model, and looks whether the device shows it.
    fn note(
        &mut self,
        at: usize,
        changes: BTreeMap<&'static str, Vec<Vec<u8>>>,
        time: HybridTime,
        after: &VersionVector,
    ) -> Result<(), String> {
        let device = self.devices.get(at).ok_or("no such device")?;
        let log = device.log();
        // What is due was applied before the batch, so all but the batch itself was known.
        let latest = self.model.latest(after);
        if time <= latest {
            return Err(format!(
                "a write at {time} after something of {latest} was seen"
            ));
        }
        let mut operations = Vec::new();
        for (key, given) in changes {
            let value = match given.last() {
                Some(last) if merger(key) == Merger::LastWriter => Some(last.clone()),
                None => None,
                Some(_) if device.has_checkpoint => {
                    let shown = device.profile.get(key).map_err(text)?;
                    shown.map(|shown| shown.as_bytes().to_vec())
                }
                Some(_) => {
                    let have = self.model.visible(after, key);
                    let have = have.map(|visible| visible.value);
                    let all = given.iter();
                    all.fold(have, |have, given| Some(join(key, have, given)))
                }
            };
            let put = value.map(|value| Put { given, value });
            operations.push(Operation { time, key, put });
        }
        for operation in operations {
            let shown = device.profile.get(operation.key).map_err(text)?;
            let shown = shown.as_ref().map(AsRef::as_ref);
            let wanted = operation.put.as_ref().map(|put| put.value.as_slice());
            if shown != wanted {
                return Err(format!(
                    "{} cannot be read back after it was written",
                    operation.key
                ));
            }
            self.model.push(log, operation);
        }
        let next_seq = after.get(&log).map_or(1, |reached| reached.next_seq);
        if self.model.len_of(log) + 1 != next_seq {
            return Err(format!(
                "the log goes on with {next_seq} instead of {}",
                self.model.len_of(log) + 1
            ));
        }
        Ok(())
    }

    /// Asks one device for what another lacks, or lacked once, or what a new one would lack.
    fn send(&mut self, from: usize) -> Result<(), String> {
        let to = self.rng.index(self.devices.len());
        if from == to {
            return Ok(());
        }
        let is_current = self.rng.percent(70);
        let theirs = match self.rng.below(2) {
            _ if is_current => self.device(to)?.vector()?,
            0 => VersionVector::default(),
            _ => {
                let other = self.rng.index(self.devices.len());
                self.device(other)?.vector()?
            }
        };
        let budget = match self.rng.below(3) {
            0 => self.rng.index(2_000),
            1 => self.rng.index(20_000),
            _ => 1 << 20,
        };
        let delta = self.give(from, &theirs, budget)?;
        if is_current && self.rng.percent(60) {
            let is_partial = delta.is_partial;
            let is_new = self.take(to, &delta)?;
            // A checkpoint from ahead of the clock is not kept: it waits with its sender.
            if is_partial && !is_new && delta.checkpoints.is_empty() {
                return Err("a part of what a device lacks gave it nothing new".to_owned());
            }
        } else if self.messages.len() < MESSAGES_MAX {
            self.messages.push(Message { to, delta });
        } else {
            // Others are lost as well: they lie there when the history ends.
            let lost = self.rng.index(self.messages.len());
            self.messages.swap_remove(lost);
        }
        Ok(())
    }

    /// What one device gives. It must not give what it could still lose, for it would then write other operations under
    /// the same numbers.
    pub(super) fn give(
        &mut self,
        from: usize,
        theirs: &VersionVector,
        budget: usize,
    ) -> Result<Delta, String> {
        let device = self.devices.get_mut(from).ok_or("no such device")?;
        let delta = device.profile.delta_for(theirs, budget).map_err(text)?;
        device.durable_next = device.next_seq()?;
        Ok(delta)
    }

    /// Whether there was something new in a delta.
    pub(super) fn take(&mut self, to: usize, delta: &Delta) -> Result<bool, String> {
        let device = self.devices.get_mut(to).ok_or("no such device")?;
        let before = reached(&device.profile)?;
        let expected = expected(&before, delta)?;
        let has_checkpoints = !delta.checkpoints.is_empty();
        match device.profile.ingest(delta) {
            Ok(outcome) => {
                self.counts.deltas += 1;
                self.counts.parked += outcome.parked;
                self.counts.adopted += outcome.checkpoints;
                device.has_checkpoint |= outcome.checkpoints > 0;
                if outcome.checkpoints > 0 {
                    device.engine().sweep(u64::MAX).map_err(text)?;
                }
                let found = (outcome.applied + outcome.parked, outcome.known);
                if !has_checkpoints && Some(found) != expected {
                    return Err(format!("{outcome:?}, but {expected:?} were new and known"));
                }
                Ok(found.0 + outcome.checkpoints > 0)
            }
            Err(Error::Profile(ProfileError::Log { source, .. }))
                if matches!(*source, LogError::Gap { .. })
                    && (has_checkpoints || expected.is_none()) =>
            {
                self.counts.refused += 1;
                if reached(&device.profile)? != before {
                    return Err("what was refused changed something".to_owned());
                }
                Ok(false)
            }
            Err(error) => Err(format!("refused: {}", text(error))),
        }
    }

    fn restart(&mut self, at: usize) -> Result<(), String> {
        let (pulls_plug, moves) = (self.rng.percent(50), self.rng.percent(30));
        let millis = clock(&mut self.rng);
        let checkpoints = self.device(at)?.engine().metrics().checkpoints_total;
        self.counts.checkpoints += checkpoints;
        if moves {
            self.device(at)?.clock.set(millis);
        }
        let device = self.devices.swap_remove(at).restart(pulls_plug)?;
        let end = self.devices.len();
        self.devices.push(device);
        self.devices.swap(at, end);
        let device = self.devices.get_mut(at).ok_or("no such device")?;
        self.counts.restarts += 1;
        self.counts.plugs += u64::from(pulls_plug);
        let (log, next_seq) = (device.log(), device.next_seq()?);
        if next_seq < device.durable_next {
            return Err(format!(
                "the log goes on with {next_seq}, but {} was durable",
                device.durable_next - 1
            ));
        }
        device.durable_next = next_seq;
        let had = self.model.len_of(log) + 1;
        if !pulls_plug && next_seq != had {
            return Err("closing in order lost something".to_owned());
        }
        self.counts.lost += had - next_seq;
        self.model.cut(log, next_seq);
        device.check(&self.model)
    }
}

/// What a clock may show: half of them are right, the others up to ten years off.
fn clock(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 | 1 => NOW + rng.below(5 * MINUTE),
        2 => NOW - rng.below(10 * YEAR),
        _ => NOW + rng.below(10 * YEAR),
    }
}

/// The time of what a device has just written: a watcher is told, or else the history says.
fn own_time(
    profile: &Profile,
    mut next: impl FnMut() -> Option<WatchEvent>,
    log: LogId,
) -> Result<HybridTime, String> {
    let mut told = None;
    while let Some(event) = next() {
        if let WatchEvent::Changed { log: by, time, .. } = event
            && by == log
        {
            told = told.max(Some(time));
        }
    }
    if told.is_none() {
        let visit = |operation: uxf_engine::profile::LoggedOperation| {
            if operation.log == log {
                told = told.max(Some(operation.time));
            }
        };
        profile.history(visit).map_err(text)?;
    }
    told.ok_or_else(|| "a write that is in no history".to_owned())
}

/// The next sequence number of each log.
fn reached(profile: &Profile) -> Result<BTreeMap<LogId, u64>, String> {
    let vector = profile.version_vector().map_err(text)?;
    let logs = vector.iter();
    Ok(logs.map(|(log, reached)| (log, reached.next_seq)).collect())
}

/// How many commits of a delta are new to a replica and how many known; `None` if something before one is missing.
fn expected(before: &BTreeMap<LogId, u64>, delta: &Delta) -> Result<Option<(u64, u64)>, String> {
    let mut reached = before.clone();
    let (mut new, mut known) = (0, 0);
    for bytes in &delta.commits {
        let commit = Commit::decode(bytes).map_err(text)?;
        let header = commit.header();
        let next = reached.entry(header.log).or_insert(1);
        if header.first_seq > *next {
            return Ok(None);
        }
        if header.first_seq == *next {
            *next = header.last_seq() + 1;
            new += 1;
        } else {
            known += 1;
        }
    }
    Ok(Some((new, known)))
}

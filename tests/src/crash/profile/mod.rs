//! The profile in the life of a store: values beside tokens, and what other devices wrote.

mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Commit, CommitId, DRIFT_MS_DEFAULT, HybridClock, HybridTime};
use uxf_engine::profile::merge::Merger;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::profile::{Delta, Profile};
use uxf_engine::{Clock, Engine, EngineOptions, Error, WriteBatch};
use uxf_testkit::Rng;

use super::text;
use crate::simulation::device::{SeededEntropy, SetClock};
use crate::simulation::model::{Model, Operation, Put, join};
use crate::simulation::values::{KEYS, merger, value};

pub(super) use self::judge::{blocks_of, compare_profile, go_on};

/// What the clock of a store shows at first.
pub(super) const START_MS: u64 = 1_700_000_000_000;
const YEAR_MS: u64 = 365 * 24 * 3_600_000;
/// What it shows when the commits of the device that is ahead are due.
pub(super) const LATER_MS: u64 = START_MS + 2 * YEAR_MS;
/// Commits of each foreign device.
const FOREIGN_COMMITS: usize = 12;

/// The wallet that all devices have.
pub(super) fn secret() -> WalletSecret {
    WalletSecret::take(&mut [7; 32])
}

/// What a store should show of its profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The values.
    pub(super) values: BTreeMap<&'static str, Vec<u8>>,
    /// The next sequence number of each log, parked commits included.
    pub(super) reached: BTreeMap<LogId, u64>,
    /// Parked commits.
    pub(super) parked: usize,
    /// Blocks that hold values of parked commits.
    pub(super) parked_blocks: u64,
    /// Where its own log ended when it was last given away.
    pub(super) given: Option<Given>,
}

/// The end of a log that another device may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// The sequence number that comes next.
    pub(super) next_seq: u64,
    /// The last commit.
    pub(super) head: CommitId,
}

/// A commit of another device, and what it does.
#[derive(Clone, Debug)]
struct ForeignCommit {
    delta: Delta,
    log: LogId,
    operations: Vec<Operation>,
}

impl ForeignCommit {
    fn is_beyond(&self, now_ms: u64) -> bool {
        let time = self.operations.first().map(|operation| operation.time);
        time.is_some_and(|time| time.is_beyond(now_ms, DRIFT_MS_DEFAULT))
    }
}

/// What other devices wrote, the same for every life: one device within the drift, and one that is a year ahead.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    devices: [Vec<ForeignCommit>; 2],
}

impl Foreign {
    /// The commits of two devices.
    ///
    /// # Errors
    /// What the engine says.
    pub(super) fn new() -> Result<Self, String> {
        Ok(Self {
            devices: [
                write_foreign(START_MS + DRIFT_MS_DEFAULT / 2, 1)?,
                write_foreign(START_MS + YEAR_MS, 2)?,
            ],
        })
    }
}

fn write_foreign(millis: u64, seed: u64) -> Result<Vec<ForeignCommit>, String> {
    let mut rng = Rng::new(seed);
    let options = EngineOptions::new()
        .clock(SetClock::at(millis) as Arc<dyn Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)));
    let engine = Engine::in_memory(options).map_err(text)?;
    let profile = engine.profile(&secret(), "foreign").map_err(text)?;
    let mut model = Model::default();
    let mut all = Vec::new();
    for number in 0..FOREIGN_COMMITS {
        let before = profile.version_vector().map_err(text)?;
        let changes = random_changes(&mut rng, (number as u64 + 1) * 1_000 * seed);
        let mut batch = engine.begin();
        for (key, given) in &changes {
            change(&mut batch, &profile, key, given).map_err(text)?;
        }
        batch.commit().map_err(text)?;
        let delta = profile.delta_for(&before, 1 << 20).map_err(text)?;
        let bytes = delta.commits.first().ok_or("no commit was made")?;
        let time = Commit::decode(bytes).map_err(text)?.header().time;
        let log = profile.log_id();
        let operations = operations(&model, changes, time);
        for operation in &operations {
            model.push(log, operation.clone());
        }
        all.push(ForeignCommit {
            delta,
            log,
            operations,
        });
    }
    Ok(all)
}

/// Changes of some keys: what is given for each, nothing to delete it.
pub(super) type Changes = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// Changes of one to three keys.
pub(super) fn random_changes(rng: &mut Rng, unique: u64) -> Changes {
    let mut changes = Changes::new();
    for number in 0..=rng.below(3) {
        let key = rng.pick(&KEYS).copied().unwrap_or_default();
        let given = changes.entry(key).or_default();
        if !given.is_empty() || rng.percent(80) {
            given.push(value(rng, key, unique + number));
        }
    }
    changes
}

/// Puts one change into a batch.
///
/// # Errors
/// What the engine says.
pub(super) fn change(
    batch: &mut WriteBatch,
    profile: &Profile,
    key: &str,
    given: &[Vec<u8>],
) -> Result<(), Error> {
    if given.is_empty() {
        return batch.delete_value(profile, key);
    }
    let mut all = given.iter();
    all.try_for_each(|value| {
        if value.len() % 7 == 0 {
            batch.put_value_in_block(profile, key, value)
        } else {
            batch.put_value(profile, key, value)
        }
    })
}

/// The operations that changes come to on top of a model.
fn operations(model: &Model, changes: Changes, time: HybridTime) -> Vec<Operation> {
    let known = model.everything();
    let operation = |(key, given): (&'static str, Vec<Vec<u8>>)| {
        let last = given.last().cloned();
        let value = if merger(key) == Merger::LastWriter {
            last
        } else {
            let have = model.visible(&known, key).map(|visible| visible.value);
            last.and_then(|_| {
                let mut all = given.iter();
                all.by_ref()
                    .fold(have, |have, given| Some(join(key, have, given)))
            })
        };
        let put = value.map(|value| Put { given, value });
        Operation { time, key, put }
    };
    changes.into_iter().map(operation).collect()
}

/// A profile that is worked with: its handle, and all that decides what it shows.
#[derive(Debug)]
pub(super) struct ProfileLife {
    /// Its handle.
    pub(super) profile: Profile,
    state: ProfileState,
}

/// The operations applied, those that wait, and the time.
#[derive(Clone, Debug)]
pub(super) struct ProfileState {
    applied: Model,
    clock: HybridClock,
    /// How many commits of each foreign device were taken in.
    taken: [usize; 2],
    parked: Vec<ForeignCommit>,
    reached: BTreeMap<LogId, u64>,
    given: Option<Given>,
}

impl ProfileLife {
    /// The life of a new profile.
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            state: ProfileState {
                applied: Model::default(),
                clock: HybridClock::at(HybridTime::ZERO),
                taken: [0; 2],
                parked: Vec::new(),
                reached: BTreeMap::new(),
                given: None,
            },
        }
    }

    /// A copy of its state, to be changed with the next batch.
    pub(super) fn state(&self) -> ProfileState {
        self.state.clone()
    }

    /// Takes the state after a batch was committed.
    pub(super) fn set(&mut self, state: ProfileState) {
        self.state = state;
    }
}

impl ProfileState {
    /// What a store in this state shows.
    pub(super) fn shown(&self) -> Shown {
        let known = self.applied.everything();
        let value = |key: &&'static str| {
            let visible = self.applied.visible(&known, key)?;
            Some((*key, visible.value))
        };
        Shown {
            values: KEYS.iter().filter_map(value).collect(),
            reached: self.reached.clone(),
            parked: self.parked.len(),
            parked_blocks: self
                .parked
                .iter()
                .map(|commit| commit.delta.blocks.len() as u64)
                .sum(),
            given: self.given,
        }
    }

    /// Applies what is due, as every commit does before anything else.
    pub(super) fn pass_time(&mut self, now_ms: u64) {
        let due = |commit: &ForeignCommit| !commit.is_beyond(now_ms);
        let all = core::mem::take(&mut self.parked);
        let (due, parked): (Vec<_>, Vec<_>) = all.into_iter().partition(due);
        self.parked = parked;
        for commit in due {
            self.apply(commit.log, commit.operations, now_ms);
        }
    }

    fn apply(&mut self, log: LogId, operations: Vec<Operation>, now_ms: u64) {
        for operation in operations {
            self.clock.observe(operation.time, now_ms, DRIFT_MS_DEFAULT);
            self.applied.push(log, operation);
        }
    }

    fn reach(&mut self, log: LogId, operations: usize) {
        *self.reached.entry(log).or_insert(1) += operations as u64;
    }

    /// Writes changes to the own log.
    pub(super) fn write(&mut self, log: LogId, changes: Changes, now_ms: u64) {
        // The clock is nowhere near its end.
        let Ok(time) = self.clock.tick(now_ms) else {
            return;
        };
        let operations = operations(&self.applied, changes, time);
        self.reach(log, operations.len());
        self.apply(log, operations, now_ms);
    }

    /// Remembers where the own log ends, because another device may have it from now on.
    pub(super) fn give(&mut self, profile: &Profile) -> Result<(), Error> {
        let vector = profile.version_vector()?;
        let reached = vector.get(&profile.log_id());
        self.given = reached.map(|reached| Given {
            next_seq: reached.next_seq,
            head: reached.head,
        });
        Ok(())
    }

    /// Takes in the next commit of a foreign device, if there is one: what is to be ingested.
    pub(super) fn take<'f>(
        &mut self,
        foreign: &'f Foreign,
        device: usize,
        now_ms: u64,
    ) -> Option<&'f Delta> {
        let taken = self.taken.get_mut(device)?;
        let next = foreign.devices.get(device)?.get(*taken)?;
        *taken += 1;
        self.reach(next.log, next.operations.len());
        if next.is_beyond(now_ms) {
            self.parked.push(next.clone());
        } else {
            self.apply(next.log, next.operations.clone(), now_ms);
        }
        Some(&next.delta)
    }
}

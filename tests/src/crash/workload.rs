//! A random life of a store.

use core::time::Duration;
use std::sync::Arc;

use redb::StorageBackend;
use uxf_engine::oplog::VersionVector;
use uxf_engine::{Clock, Durability, Engine, EngineOptions, Error, RepairPolicy, WriteBatch};
use uxf_testkit::Rng;
use uxf_testkit::crash::{History, Promise};

use super::model::{INVENTORIES, Model};
use super::profile::{
    LATER_MS, ProfileLife, ProfileState, START_MS, Shown, change, random_changes, secret,
};
use super::vocabulary::Vocabulary;
use crate::simulation::device::{SeededEntropy, SetClock};

/// Steps of one life, openings included.
const STEPS: usize = 30;

/// What a life is mostly made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// Tokens and blocks, in a store that has no profile.
    #[default]
    Tokens,
    /// A profile, with a few tokens and blocks beside it, often in the same batch.
    Profile,
}

/// A life that a seed decides.
#[derive(Debug)]
pub struct Workload<'v> {
    vocabulary: &'v Vocabulary,
    focus: Focus,
    rng: Rng,
    model: Model,
    profile: Option<ProfileLife>,
    clock: Arc<SetClock>,
    unique: u64,
}

/// Why a workload did not come to its end.
#[derive(Debug)]
pub struct Stopped {
    /// What failed.
    pub error: Error,
    /// The engine, if it had been opened.
    pub engine: Option<Engine>,
}

impl<'v> Workload<'v> {
    /// The life of a seed.
    pub fn new(vocabulary: &'v Vocabulary, focus: Focus, seed: u64) -> Self {
        Self {
            vocabulary,
            focus,
            rng: Rng::new(seed),
            model: Model::default(),
            profile: None,
            clock: SetClock::at(START_MS),
            unique: 0,
        }
    }

    /// Lives it on a disk, of which clones are handles to the same disk.
    ///
    /// # Errors
    /// The first error of the engine; none is expected unless the disk fails.
    pub fn run<B: StorageBackend + Clone>(
        mut self,
        disk: &B,
        history: &mut History<Model>,
    ) -> Result<(), Stopped> {
        history.begin(self.model.clone());
        let mut engine = self.open(disk)?;
        history.acknowledge(Promise::Durable);
        for _ in 0..STEPS {
            match self.step(&engine, history) {
                Ok(Step::Stay) => {}
                Ok(Step::Reopen) => {
                    let state = self.profile.take().map(|life| life.state());
                    drop(engine);
                    engine = self.open(disk)?;
                    if let Some(state) = state
                        && let Err(error) = self.reopen_profile(&engine, state)
                    {
                        return Err(Stopped {
                            error,
                            engine: Some(engine),
                        });
                    }
                }
                Err(error) => {
                    return Err(Stopped {
                        error,
                        engine: Some(engine),
                    });
                }
            }
        }
        engine.close().map_err(|error| Stopped {
            error,
            engine: Some(engine),
        })
    }

    fn open<B: StorageBackend + Clone>(&mut self, disk: &B) -> Result<Engine, Stopped> {
        let options = options(&mut self.rng).clock(Arc::clone(&self.clock) as Arc<dyn Clock>);
        Engine::open_with_backend(disk.clone(), options).map_err(|error| Stopped {
            error,
            engine: None,
        })
    }

    fn step(&mut self, engine: &Engine, history: &mut History<Model>) -> Result<Step, Error> {
        let mut next = Step::Stay;
        if self.focus == Focus::Profile && self.profile.is_none() {
            self.make_profile(engine, history)?;
            return Ok(next);
        }
        if self.profile.is_some() && self.rng.percent(50) {
            self.profile_step(history)?;
            return Ok(next);
        }
        match self.rng.below(20) {
            0 => {
                history.begin(self.model.clone());
                engine.sweep(self.rng.below(200))?;
                // Only that nothing reachable goes; a sweep promises nothing about durability.
                history.acknowledge(Promise::Buffered);
            }
            1 => {
                history.begin(self.model.clone());
                engine.flush()?;
                history.acknowledge(Promise::Durable);
            }
            2 => {
                history.begin(self.model.clone());
                engine.close()?;
                history.acknowledge(Promise::Durable);
                next = Step::Reopen;
            }
            _ => {
                let mut batch = engine.begin();
                let mut model = self.model.clone();
                for _ in 0..=self.rng.below(3) {
                    self.change(engine, &mut batch, &mut model)?;
                }
                let state = self.write_values(&mut batch)?;
                if let Some(state) = &state {
                    model.profile = Some(state.shown());
                }
                let (durability, promise) = if self.rng.percent(50) {
                    (Durability::Durable, Promise::Durable)
                } else {
                    (Durability::Buffered, Promise::Buffered)
                };
                history.begin(model.clone());
                batch.durability(durability).commit()?;
                history.acknowledge(promise);
                self.model = model;
                if let (Some(life), Some(state)) = (&mut self.profile, state) {
                    life.set(state);
                }
            }
        }
        Ok(next)
    }

    fn make_profile(&mut self, engine: &Engine, history: &mut History<Model>) -> Result<(), Error> {
        let mut model = self.model.clone();
        model.profile = Some(Shown::default());
        history.begin(model.clone());
        let profile = engine.profile(&secret(), "phone")?;
        history.acknowledge(Promise::Durable);
        self.model = model;
        self.profile = Some(ProfileLife::new(profile));
        Ok(())
    }

    fn reopen_profile(&mut self, engine: &Engine, state: ProfileState) -> Result<(), Error> {
        let mut life = ProfileLife::new(engine.open_profile(&secret())?);
        life.set(state);
        self.profile = Some(life);
        Ok(())
    }

    /// Values in the same batch as everything else, for half of the batches.
    fn write_values(&mut self, batch: &mut WriteBatch) -> Result<Option<ProfileState>, Error> {
        let Some(life) = &self.profile else {
            return Ok(None);
        };
        let (now, log) = (self.clock.unix_millis(), life.profile.log_id());
        let mut state = life.state();
        state.pass_time(now);
        if self.rng.percent(60) {
            self.unique += 10;
            let changes = random_changes(&mut self.rng, self.unique);
            for (key, given) in &changes {
                change(batch, &life.profile, key, given)?;
            }
            state.write(log, changes, now);
        }
        Ok(Some(state))
    }

    /// Something that only a profile does.
    fn profile_step(&mut self, history: &mut History<Model>) -> Result<(), Error> {
        let Some(life) = &mut self.profile else {
            return Ok(());
        };
        match self.rng.below(8) {
            0 => self.clock.set(LATER_MS),
            1 | 2 => {
                history.begin(self.model.clone());
                let outcome = life.profile.compact()?;
                let is_done = outcome.live < outcome.operations;
                history.acknowledge(if is_done {
                    Promise::Durable
                } else {
                    Promise::Buffered
                });
            }
            3 => {
                history.begin(self.model.clone());
                life.profile.delta_for(&VersionVector::default(), 1 << 30)?;
                history.acknowledge(Promise::Durable);
                // From here on, another device may have it: the log must go on behind it, and nowhere else.
                let mut state = life.state();
                state.give(&life.profile)?;
                self.model.profile = Some(state.shown());
                history.begin(self.model.clone());
                history.acknowledge(Promise::Durable);
                life.set(state);
            }
            _ => {
                let mut state = life.state();
                let now = self.clock.unix_millis();
                state.pass_time(now);
                let device = self.rng.index(2);
                if let Some(delta) = state.take(&self.vocabulary.foreign, device, now) {
                    let mut model = self.model.clone();
                    model.profile = Some(state.shown());
                    history.begin(model.clone());
                    life.profile.ingest(delta)?;
                    history.acknowledge(Promise::Durable);
                    self.model = model;
                    life.set(state);
                }
            }
        }
        Ok(())
    }

    /// One change, to the batch and to the model alike.
    fn change(
        &mut self,
        engine: &Engine,
        batch: &mut WriteBatch,
        model: &mut Model,
    ) -> Result<(), Error> {
        match self.rng.below(10) {
            0..=3 => {
                let which = self.rng.index(INVENTORIES.len());
                let version = self.rng.index(self.vocabulary.tokens.len());
                if let (Some(name), Some(token)) =
                    (INVENTORIES.get(which), self.vocabulary.tokens.get(version))
                {
                    batch.ingest(&engine.inventory(name)?, token.json.as_bytes())?;
                    model.tokens.insert((which, token.id.clone()), version);
                }
            }
            4..=5 => {
                let present: Vec<(usize, String)> = model.tokens.keys().cloned().collect();
                if let Some((which, id)) = self.rng.pick(&present)
                    && let Some(name) = INVENTORIES.get(*which)
                {
                    batch.remove_token(&engine.inventory(name)?, id)?;
                    model.tokens.remove(&(*which, id.clone()));
                }
            }
            6..=7 => {
                for _ in 0..=self.rng.below(8) {
                    let block = self.rng.pick(&self.vocabulary.blocks).copied();
                    if let Some(hash) = block
                        && let Some(element) = self.vocabulary.get(&hash)
                    {
                        batch.put(&element.bytes)?;
                        batch.pin(&hash)?;
                        *model.pins.entry(hash).or_insert(0) += 1;
                    }
                }
            }
            _ => {
                for _ in 0..=self.rng.below(8) {
                    let pinned: Vec<_> = model.pins.keys().copied().collect();
                    if let Some(hash) = self.rng.pick(&pinned) {
                        batch.unpin(hash)?;
                        model.unpin(hash);
                    }
                }
            }
        }
        Ok(())
    }
}

enum Step {
    Stay,
    Reopen,
}

/// Thresholds so small that everything happens often, and a clock that stands still, so that nothing happens unasked.
pub fn options(rng: &mut Rng) -> EngineOptions {
    let repair = [
        RepairPolicy::Balanced,
        RepairPolicy::EveryCommit,
        RepairPolicy::Never,
    ];
    EngineOptions::new()
        .cache_bytes(1 << 20)
        .index_bytes(1 << 20)
        .checkpoint_elements(16 + rng.index(64))
        .journal_entries(16 + rng.index(64))
        .sweep_elements(1 + rng.index(16))
        .flush_interval(Duration::from_secs(3_600))
        .two_phase_commit(rng.percent(75))
        .repair(rng.pick(&repair).copied().unwrap_or_default())
        .clock(SetClock::at(START_MS))
        .entropy(Arc::new(SeededEntropy::new(rng.next_u64())))
}

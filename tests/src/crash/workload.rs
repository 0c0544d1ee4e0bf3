//! A random life of a store.

use core::time::Duration;
use std::sync::Arc;

use redb::StorageBackend;
use uxf_engine::{
    Clock, Durability, Engine, EngineOptions, Entropy, Error, RepairPolicy, WriteBatch,
};
use uxf_testkit::Rng;
use uxf_testkit::crash::{History, Promise};

use super::model::{INVENTORIES, Model};
use super::vocabulary::Vocabulary;

/// Steps of one life, openings included.
const STEPS: usize = 30;

/// A life that a seed decides.
#[derive(Debug)]
pub struct Workload<'v> {
    vocabulary: &'v Vocabulary,
    rng: Rng,
    model: Model,
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
    pub fn new(vocabulary: &'v Vocabulary, seed: u64) -> Self {
        Self {
            vocabulary,
            rng: Rng::new(seed),
            model: Model::default(),
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
                    drop(engine);
                    engine = self.open(disk)?;
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
        let options = options(&mut self.rng);
        Engine::open_with_backend(disk.clone(), options).map_err(|error| Stopped {
            error,
            engine: None,
        })
    }

    fn step(&mut self, engine: &Engine, history: &mut History<Model>) -> Result<Step, Error> {
        let mut next = Step::Stay;
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
                let (durability, promise) = if self.rng.percent(50) {
                    (Durability::Durable, Promise::Durable)
                } else {
                    (Durability::Buffered, Promise::Buffered)
                };
                history.begin(model.clone());
                batch.durability(durability).commit()?;
                history.acknowledge(promise);
                self.model = model;
            }
        }
        Ok(next)
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
        .clock(Arc::new(StoppedClock))
        .entropy(Arc::new(SeededEntropy(rng.next_u64())))
}

#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn unix_millis(&self) -> u64 {
        1_700_000_000_000
    }
}

#[derive(Debug)]
struct SeededEntropy(u64);

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        Rng::new(self.0).fill(out);
        Ok(())
    }
}

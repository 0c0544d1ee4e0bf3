//! The store against a map with recounted references, under random work, reopening and power cuts.

use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::ElementHash;
use uxf_engine::{Durability, Engine, EngineOptions};
use uxf_testkit::Rng;
use uxf_testkit::crash::{CrashOptions, CrashSubject, History, Promise, cut_power};
use uxf_testkit::disk::{MemoryDisk, RecordingDisk};

use crate::basics::parent;

/// What a store should hold: elements that something refers to.
#[derive(Clone, Debug, Default)]
struct Model {
    nodes: BTreeMap<ElementHash, Node>,
    tokens: BTreeMap<u64, ElementHash>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    bytes: Vec<u8>,
    children: BTreeSet<ElementHash>,
    pins: u64,
}

impl Model {
    fn put(&mut self, bytes: Vec<u8>, children: BTreeSet<ElementHash>) -> ElementHash {
        let hash = ElementHash::of(&bytes);
        self.nodes.entry(hash).or_insert(Node {
            bytes,
            children,
            pins: 0,
        });
        hash
    }

    fn held(&self) -> Vec<ElementHash> {
        self.nodes.keys().copied().collect()
    }

    fn pinned(&self) -> Vec<ElementHash> {
        let pinned = self.nodes.iter().filter(|(_, node)| node.pins > 0);
        pinned.map(|(hash, _)| *hash).collect()
    }

    fn pins(&self) -> u64 {
        self.nodes.values().map(|node| node.pins).sum()
    }

    /// Drops what nothing reaches, from the roots down, as a collector without counts would.
    fn collect(&mut self) {
        let mut reached = BTreeSet::new();
        let mut todo = self.pinned();
        todo.extend(self.tokens.values());
        while let Some(hash) = todo.pop() {
            if reached.insert(hash) {
                todo.extend(self.nodes.get(&hash).unwrap().children.iter());
            }
        }
        self.nodes.retain(|hash, _| reached.contains(hash));
    }

    /// Does the same random work on a batch and on the model.
    fn work(&mut self, rng: &mut Rng, engine: &Engine) -> uxf_engine::WriteBatch {
        let inventory = engine.inventory("tokens").unwrap();
        let mut batch = engine.begin();
        for _ in 0..=rng.below(6) {
            match rng.below(9) {
                0..=2 => {
                    let bytes = rng.below(60).to_be_bytes().repeat(1 + rng.index(40));
                    let hash = batch.put_opaque(&bytes).unwrap();
                    self.put(bytes, BTreeSet::new());
                    self.pin(&mut batch, hash);
                }
                3 | 4 => {
                    let held = self.held();
                    let picks = (0..=rng.index(3)).filter_map(|_| rng.pick(&held).copied());
                    let children: BTreeSet<_> = picks.collect();
                    let list: Vec<_> = children.iter().copied().collect();
                    let bytes = parent(u32::try_from(rng.below(4)).unwrap(), &list);
                    let hash = batch.put(&bytes).unwrap();
                    self.put(bytes, children);
                    self.pin(&mut batch, hash);
                }
                5 | 6 => {
                    if let Some(hash) = rng.pick(&self.pinned()) {
                        batch.unpin(hash).unwrap();
                        self.nodes.get_mut(hash).unwrap().pins -= 1;
                    }
                }
                7 => {
                    let id = rng.below(5);
                    let mut roots = self.held();
                    // Elements of the model are token-roots, which begin with a map; the rest is opaque.
                    roots.retain(|hash| self.nodes.get(hash).unwrap().bytes.first() == Some(&0xa4));
                    match rng.pick(&roots) {
                        Some(root) if rng.percent(70) => {
                            batch.set_token(&inventory, &id.to_string(), root).unwrap();
                            self.tokens.insert(id, *root);
                        }
                        _ => {
                            batch.remove_token(&inventory, &id.to_string()).unwrap();
                            self.tokens.remove(&id);
                        }
                    }
                }
                _ => drop(batch.put_opaque(&rng.below(60).to_be_bytes()).unwrap()),
            }
        }
        self.collect();
        batch
    }

    fn pin(&mut self, batch: &mut uxf_engine::WriteBatch, hash: ElementHash) {
        batch.pin(&hash).unwrap();
        self.nodes.get_mut(&hash).unwrap().pins += 1;
    }

    /// Compares a store from which everything unreferenced was swept.
    fn compare(&self, engine: &Engine) -> Result<(), String> {
        let stats = engine.stats().unwrap();
        let expected = (self.nodes.len() as u64, self.pins(), 0);
        let found = (stats.elements, stats.pins, stats.released);
        if found != expected {
            return Err(format!(
                "(elements, pins, released): {found:?}, not {expected:?}"
            ));
        }
        let bytes: usize = self.nodes.values().map(|node| node.bytes.len()).sum();
        if stats.element_bytes != bytes as u64 {
            return Err(format!("{} bytes, not {bytes}", stats.element_bytes));
        }
        let snapshot = engine.snapshot().map_err(|error| error.to_string())?;
        for (hash, node) in &self.nodes {
            let found = snapshot.get(hash).map_err(|error| error.to_string())?;
            if found.as_ref().map(AsRef::as_ref) != Some(node.bytes.as_slice()) {
                return Err(format!("element {hash}: {found:?}"));
            }
        }
        let tokens = engine.inventory("tokens").and_then(|it| it.tokens());
        let tokens: Vec<_> = tokens
            .map_err(|error| error.to_string())?
            .map(Result::unwrap)
            .collect();
        let expected: Vec<_> = self
            .tokens
            .iter()
            .map(|(id, root)| (id.to_string(), *root))
            .collect();
        if tokens != expected {
            return Err(format!("tokens {tokens:?}"));
        }
        Ok(())
    }

    /// Releases everything: a count that is off by one leaves something behind or is refused.
    fn drain(&self, engine: &Engine) -> Result<(), String> {
        let inventory = engine
            .inventory("tokens")
            .map_err(|error| error.to_string())?;
        let mut batch = engine.begin();
        for (hash, node) in &self.nodes {
            for _ in 0..node.pins {
                batch.unpin(hash).unwrap();
            }
        }
        for id in self.tokens.keys() {
            batch.remove_token(&inventory, &id.to_string()).unwrap();
        }
        batch.commit().map_err(|error| error.to_string())?;
        engine.sweep(u64::MAX).map_err(|error| error.to_string())?;
        match engine.stats().unwrap().elements {
            0 => Ok(()),
            left => Err(format!(
                "{left} elements are left although nothing refers to them"
            )),
        }
    }
}

/// Thresholds so low that every mechanism is at work all the time.
fn small() -> EngineOptions {
    EngineOptions::new()
        .cache_bytes(1 << 20)
        .checkpoint_elements(16)
        .journal_entries(48)
        .sweep_elements(4)
}

#[test]
fn the_store_agrees_with_the_model_under_random_work_and_reopening() {
    for seed in 0..24 {
        let mut rng = Rng::new(seed);
        let disk = MemoryDisk::new(Vec::new());
        let open = || Engine::open_with_backend(disk.clone(), small()).unwrap();
        let mut model = Model::default();
        let mut engine = open();
        for step in 0..120 {
            let batch = model.work(&mut rng, &engine);
            let durability = if rng.percent(50) {
                Durability::Durable
            } else {
                Durability::Buffered
            };
            batch.durability(durability).commit().unwrap();
            if rng.percent(10) {
                engine.sweep(u64::MAX).unwrap();
                model
                    .compare(&engine)
                    .unwrap_or_else(|why| panic!("seed {seed} step {step}: {why}"));
            }
            if rng.percent(10) {
                drop(engine);
                engine = open();
            }
        }
        engine.sweep(u64::MAX).unwrap();
        model.compare(&engine).unwrap();
        model
            .drain(&engine)
            .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

/// The store on a disk whose power is cut.
struct Subject;

impl CrashSubject for Subject {
    type State = Model;

    fn work(
        &self,
        seed: u64,
        disk: &RecordingDisk,
        history: &mut History<Model>,
    ) -> Result<(), String> {
        let mut rng = Rng::new(seed);
        let mut model = Model::default();
        history.begin(model.clone());
        let engine = Engine::open_with_backend(disk.clone(), small()).map_err(|e| e.to_string())?;
        engine.inventory("tokens").map_err(|e| e.to_string())?;
        history.acknowledge(Promise::Durable);
        for _ in 0..40 {
            let durable = rng.percent(60);
            let (durability, promise) = if durable {
                (Durability::Durable, Promise::Durable)
            } else {
                (Durability::Buffered, Promise::Buffered)
            };
            let batch = model.work(&mut rng, &engine);
            history.begin(model.clone());
            batch
                .durability(durability)
                .commit()
                .map_err(|e| e.to_string())?;
            history.acknowledge(promise);
            if rng.percent(5) {
                engine.sweep(u64::MAX).map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    fn recover(&self, disk: &RecordingDisk) -> Result<(), String> {
        let engine = Engine::open_with_backend(disk.clone(), small());
        engine.map(drop).map_err(|error| error.to_string())
    }

    fn check(&self, disk: &RecordingDisk, allowed: &[Model]) -> Result<(), String> {
        let engine = Engine::open_with_backend(disk.clone(), small()).map_err(|e| e.to_string())?;
        engine.sweep(u64::MAX).map_err(|error| error.to_string())?;
        let mut reasons = Vec::new();
        for model in allowed {
            match model.compare(&engine) {
                Ok(()) => return model.drain(&engine),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }
}

#[test]
fn no_power_cut_loses_what_was_acknowledged_or_leaves_a_count_wrong() {
    let options = CrashOptions {
        cuts: 1_500,
        ..CrashOptions::default()
    };
    let report = cut_power(&Subject, &options, 1.., &mut |_| true);
    assert_eq!(
        (report.cuts, report.failed),
        (1_500, 0),
        "{:#?}",
        report.failures
    );
}

#[test]
fn the_judgement_notices_a_store_that_forgets_acknowledged_work() {
    let options = CrashOptions {
        cuts: 1_500,
        believes_everything: true,
        ..CrashOptions::default()
    };
    let report = cut_power(&Subject, &options, 1.., &mut |_| true);
    assert!(report.failed > 50);
}

use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::ElementHash;
use uxf_codec::canonical::ElementView;
use uxf_engine::{Durability, Engine, EngineOptions, Error, WriteBatch};

use super::recipe::Recipe;
use super::{Verdict, ensure, must, violation};

/// Operations that one input may ask for.
const OPERATIONS_MAX: usize = 200;

/// What the store must hold: elements with their bytes and links, and how often each is pinned.
#[derive(Debug, Default)]
struct Model {
    elements: BTreeMap<ElementHash, Known>,
    pins: BTreeMap<ElementHash, u32>,
}

#[derive(Debug)]
struct Known {
    bytes: Vec<u8>,
    links: Vec<ElementHash>,
}

impl Model {
    /// Everything that some pin leads to.
    fn held(&self) -> BTreeSet<ElementHash> {
        let mut held = BTreeSet::new();
        let mut queue: Vec<ElementHash> = self.pins.keys().copied().collect();
        while let Some(hash) = queue.pop() {
            if held.insert(hash)
                && let Some(known) = self.elements.get(&hash)
            {
                queue.extend(&known.links);
            }
        }
        held
    }
}

/// The store agrees with a map and counts, whatever is put, pinned, unpinned and swept, and is empty once nothing is
/// pinned.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    let mut recipe = Recipe::new(bytes);
    let engine = must("no store", Engine::in_memory(EngineOptions::new()))?;
    let mut model = Model::default();
    for _ in 0..OPERATIONS_MAX {
        if recipe.is_empty() {
            break;
        }
        match recipe.byte() % 8 {
            0 => sweep(&engine, &model)?,
            1 => over_release(&engine, &model, &mut recipe)?,
            _ => commit(&engine, &mut model, &mut recipe)?,
        }
    }
    compare(&engine, &model)?;
    let mut batch = engine.begin();
    for (hash, count) in core::mem::take(&mut model.pins) {
        for _ in 0..count {
            must("unpin", batch.unpin(&hash))?;
        }
    }
    must("the last commit", batch.commit())?;
    sweep(&engine, &model)?;
    let stats = must("stats", engine.stats())?;
    ensure(stats.elements == 0 && stats.pins == 0, || {
        format!("an emptied store has {stats:?}")
    })
}

/// One batch of puts, pins and unpins, abandoned now and then.
fn commit(engine: &Engine, model: &mut Model, recipe: &mut Recipe<'_>) -> Verdict {
    let mut batch = engine.begin();
    let how = recipe.byte();
    // Only what is held, or stands in this batch, is sure to be there when the batch is committed.
    let mut usable: Vec<ElementHash> = model.held().into_iter().collect();
    let mut put = BTreeMap::new();
    let mut pins = model.pins.clone();
    for _ in 0..=how % 8 {
        match recipe.byte() % 4 {
            0 if !pins.is_empty() => {
                let pinned: Vec<ElementHash> = pins.keys().copied().collect();
                if let Some(hash) = recipe.one_of(&pinned) {
                    must("unpin", batch.unpin(&hash))?;
                    match pins.get_mut(&hash) {
                        Some(count) if *count > 1 => *count -= 1,
                        _ => drop(pins.remove(&hash)),
                    }
                }
            }
            1 => {
                if let Some(hash) = recipe.one_of(&usable) {
                    must("pin", batch.pin(&hash))?;
                    *pins.entry(hash).or_default() += 1;
                }
            }
            _ => put_one(&mut batch, recipe, &mut usable, &mut put)?,
        }
    }
    if how & 0x80 != 0 {
        return compare(engine, model);
    }
    let durability = if how & 0x40 == 0 {
        Durability::Durable
    } else {
        Durability::Buffered
    };
    must("commit", batch.durability(durability).commit())?;
    model.elements.append(&mut put);
    model.pins = pins;
    compare(engine, model)
}

fn put_one(
    batch: &mut WriteBatch,
    recipe: &mut Recipe<'_>,
    usable: &mut Vec<ElementHash>,
    put: &mut BTreeMap<ElementHash, Known>,
) -> Verdict {
    let Ok(bytes) = recipe.element(usable).encode() else {
        return Ok(());
    };
    let view = must("a built element is none", ElementView::parse(&bytes))?;
    let mut links = Vec::new();
    view.distinct_links(&mut links);
    let hash = must("put", batch.put(&bytes))?;
    ensure(hash == ElementHash::of(&bytes), || {
        format!("put gave {hash}")
    })?;
    usable.push(hash);
    put.insert(hash, Known { bytes, links });
    Ok(())
}

/// More pins than there are cannot be released, and trying changes nothing.
///
/// Only of an element that no other one names: pins are counted and not told apart from other references, so the
/// store cannot refuse to give up a reference that is there.
fn over_release(engine: &Engine, model: &Model, recipe: &mut Recipe<'_>) -> Verdict {
    let named: BTreeSet<ElementHash> = model
        .elements
        .values()
        .flat_map(|known| known.links.iter().copied())
        .collect();
    let alone: Vec<ElementHash> = model
        .pins
        .keys()
        .copied()
        .filter(|hash| !named.contains(hash))
        .collect();
    let Some(hash) = recipe.one_of(&alone) else {
        return Ok(());
    };
    let mut batch = engine.begin();
    for _ in 0..=model.pins.get(&hash).copied().unwrap_or_default() {
        must("unpin", batch.unpin(&hash))?;
    }
    match batch.commit() {
        Err(Error::OverReleased { .. }) => compare(engine, model),
        Ok(_) => violation(format!("{hash} was released once too often")),
        Err(error) => violation(format!("released too much: {error}")),
    }
}

fn sweep(engine: &Engine, model: &Model) -> Verdict {
    loop {
        let outcome = must("sweep", engine.sweep(64))?;
        if outcome.remaining == 0 && outcome.elements == 0 {
            break;
        }
    }
    compare(engine, model)?;
    let (held, stats) = (model.held().len() as u64, must("stats", engine.stats())?);
    ensure(stats.elements == held, || {
        format!("{held} elements are held, {stats:?}")
    })
}

fn compare(engine: &Engine, model: &Model) -> Verdict {
    let snapshot = must("snapshot", engine.snapshot())?;
    for hash in model.held() {
        let found = must("get", snapshot.get(&hash))?;
        let bytes = found.as_ref().map(AsRef::as_ref);
        let known = model
            .elements
            .get(&hash)
            .map(|known| known.bytes.as_slice());
        ensure(bytes == known, || {
            format!("{hash} is held and reads {bytes:x?}")
        })?;
    }
    let (pins, stats) = (
        model.pins.values().copied().map(u64::from).sum::<u64>(),
        must("stats", engine.stats())?,
    );
    ensure(stats.pins == pins, || format!("{pins} pins, {stats:?}"))
}

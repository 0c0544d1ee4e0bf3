//! Durable single puts: one writer, and sixteen whose puts may share a commit.

use std::path::Path;
use std::time::Instant;

use uxf_testkit::Blocks;

use super::Task;
use crate::Outcome;
use crate::figures::Figure;
use crate::group::put_together;
use crate::rival::{Arriving, Hash, Rival};
use crate::workload::Chunk;

/// Puts elements one by one into a store that holds 100,000 already.
pub(super) fn measure(task: Task, dir: &Path) -> Outcome<Vec<Figure>> {
    let engine = task.engine.open(dir)?;
    let engine = &*engine;
    let there = task.scaled(100_000);
    let before = Chunk::of_new(Blocks::new(task.seed), 0, there);
    for batch in before.arriving().chunks(10_000) {
        engine.ingest(batch)?;
    }
    let puts = task.scaled(4_000);
    let alone = Chunk::of_new(Blocks::new(task.seed), there, puts);
    let together = Chunk::of_new(Blocks::new(task.seed), there + puts, 4 * puts);

    let start = Instant::now();
    for arriving in alone.arriving() {
        engine.ingest(&[arriving])?;
    }
    let one = puts as f64 / start.elapsed().as_secs_f64();

    let arriving = together.arriving();
    let start = Instant::now();
    put_together(&arriving, engine.groups_commits(), &|batch| {
        engine.ingest(batch)
    })?;
    let many = arriving.len() as f64 / start.elapsed().as_secs_f64();

    for chunk in [&before, &alone, &together] {
        verify(engine, &chunk.arriving())?;
    }
    Ok(vec![
        Figure::higher("put-1", one, "puts/s"),
        Figure::higher("put-16", many, "puts/s"),
    ])
}

fn verify(engine: &dyn Rival, arriving: &[Arriving<'_>]) -> Outcome<()> {
    let hashes: Vec<Hash> = arriving.iter().map(|one| one.hash).collect();
    let mut expected = arriving.iter();
    let mut wrong = 0;
    engine.read(&hashes, &mut |bytes| {
        wrong += u64::from(expected.next().map(|one| one.bytes) != Some(bytes));
    })?;
    if wrong > 0 || expected.next().is_some() {
        return Err(format!("{wrong} puts read back differently").into());
    }
    Ok(())
}

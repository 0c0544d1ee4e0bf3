//! Durable single puts: one writer, and sixteen whose puts may share a commit.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

use uxf_testkit::Blocks;

use super::Task;
use crate::Outcome;
use crate::figures::Figure;
use crate::rival::{Arriving, Hash, Rival};
use crate::workload::Chunk;

const WRITERS: usize = 16;

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
    put_together(engine, &arriving)?;
    let many = arriving.len() as f64 / start.elapsed().as_secs_f64();

    for chunk in [&before, &alone, &together] {
        verify(engine, &chunk.arriving())?;
    }
    Ok(vec![
        Figure::higher("put-1", one, "puts/s"),
        Figure::higher("put-16", many, "puts/s"),
    ])
}

fn put_together(engine: &dyn Rival, arriving: &[Arriving<'_>]) -> Outcome<()> {
    let group = Group::new(engine);
    let share = arriving.len().div_ceil(WRITERS).max(1);
    std::thread::scope(|scope| {
        let writers: Vec<_> = arriving
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().try_for_each(|one| group.put(*one))))
            .collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().map_err(|_| "a writer has panicked")?)
    })
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

/// Puts of several threads, committed together: whoever finds no commit under way makes one of all that wait.
struct Group<'e, 'a> {
    engine: &'e dyn Rival,
    state: Mutex<State<'a>>,
    committed: Condvar,
}

#[derive(Default)]
struct State<'a> {
    waiting: Vec<Arriving<'a>>,
    /// How many puts have ever been asked for.
    asked: u64,
    /// How many of them are durable.
    done: u64,
    is_committing: bool,
    has_failed: bool,
}

impl<'e, 'a> Group<'e, 'a> {
    fn new(engine: &'e dyn Rival) -> Self {
        Self {
            engine,
            state: Mutex::default(),
            committed: Condvar::new(),
        }
    }

    fn put(&self, one: Arriving<'a>) -> Outcome<()> {
        if self.engine.groups_commits() {
            return self.engine.ingest(&[one]);
        }
        let mut state = self.state()?;
        state.waiting.push(one);
        state.asked += 1;
        let ticket = state.asked;
        while state.done < ticket {
            if state.has_failed {
                return Err("the commit of another thread has failed".into());
            }
            if state.is_committing {
                state = self
                    .committed
                    .wait(state)
                    .map_err(|_| "a writer has panicked")?;
            } else {
                state = self.commit(state)?;
            }
        }
        Ok(())
    }

    fn commit<'s>(
        &'s self,
        mut state: MutexGuard<'s, State<'a>>,
    ) -> Outcome<MutexGuard<'s, State<'a>>> {
        let batch = std::mem::take(&mut state.waiting);
        state.is_committing = true;
        drop(state);
        let outcome = self.engine.ingest(&batch);
        let mut state = self.state()?;
        state.is_committing = false;
        state.has_failed |= outcome.is_err();
        state.done += batch.len() as u64;
        self.committed.notify_all();
        outcome?;
        Ok(state)
    }

    fn state(&self) -> Outcome<MutexGuard<'_, State<'a>>> {
        Ok(self.state.lock().map_err(|_| "a writer has panicked")?)
    }
}

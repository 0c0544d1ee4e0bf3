//! Puts: in memory, durable, and durable by sixteen threads.

use std::time::Instant;

use super::replicas::{Place, Replica};
use super::workload::{Put, Workload, live};
use super::{OplogWork, Trial, verify};
use crate::Outcome;
use crate::figures::Figure;
use crate::group::put_together;
use crate::process;

/// Below this the steps of the processor's clock show, in seconds.
const CPU_SECONDS_MIN: f64 = 0.2;

/// A rate by the clock on the wall, and one by that of the processor, where the latter tells anything. The second has
/// the name of the first with `-core`.
pub(super) fn rates(
    name: &str,
    count: usize,
    unit: &str,
    work: impl FnOnce() -> Outcome<()>,
) -> Outcome<Vec<Figure>> {
    let cpu_before = process::cpu_seconds();
    let start = Instant::now();
    work()?;
    let seconds = start.elapsed().as_secs_f64();
    let mut figures = vec![Figure::higher(name, count as f64 / seconds, unit)];
    if let (Some(before), Some(after)) = (cpu_before, process::cpu_seconds()) {
        let cpu = after - before;
        if cpu >= CPU_SECONDS_MIN {
            let name = format!("{name}-core");
            figures.push(Figure::higher(name, count as f64 / cpu, unit));
        }
    }
    Ok(figures)
}

/// Commits all, so many puts at a time.
pub(super) fn commit_all(replica: &dyn Replica, puts: &[Put<'_>], batch: usize) -> Outcome<()> {
    puts.chunks(batch)
        .try_for_each(|batch| replica.commit(batch))
}

pub(super) fn in_memory(trial: Trial<'_>) -> Outcome<Vec<Figure>> {
    let workload = trial.workload();
    let puts = workload.puts();
    let replica = (trial.contender.open)(Place::Memory, 0)?;
    let figures = rates("put-memory-100", puts.len(), "puts/s", || {
        commit_all(&*replica, &puts, 100)
    })?;
    verify(&*replica, &workload.live())?;
    Ok(figures)
}

/// A store of its own for each size of commit.
pub(super) fn durable(trial: Trial<'_>) -> Outcome<Vec<Figure>> {
    let workload = trial.workload();
    let all = workload.puts();
    let mut figures = Vec::new();
    for (batch, count) in [
        (1, trial.scaled(2_000)),
        (100, all.len()),
        (1_000, all.len()),
    ] {
        let puts = all.get(..count).ok_or("the workload is too short")?;
        let replica = trial.open_empty()?;
        let start = Instant::now();
        commit_all(&*replica, puts, batch)?;
        let rate = count as f64 / start.elapsed().as_secs_f64();
        figures.push(Figure::higher(
            format!("put-durable-{batch}"),
            rate,
            "puts/s",
        ));
        verify_reopened(trial, replica, puts)?;
    }
    Ok(figures)
}

/// Each put has a key of its own, because threads would overwrite each other's values in no order. A sixth of the puts is
/// made by one thread before, to say what the others gain.
pub(super) fn together(trial: Trial<'_>) -> Outcome<Vec<Figure>> {
    let count = trial.scaled(12_000);
    let workload = Workload::distinct(trial.seed, 0, count, count);
    let puts = workload.puts();
    let (alone, together) = puts.split_at(count / 6);
    let replica = trial.open_empty()?;
    let start = Instant::now();
    commit_all(&*replica, alone, 1)?;
    let before = alone.len() as f64 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    put_together(together, replica.groups_commits(), &|batch| {
        replica.commit(batch)
    })?;
    let rate = together.len() as f64 / start.elapsed().as_secs_f64();
    verify_reopened(trial, replica, &puts)?;
    let name = "put-durable-1-threads-16";
    Ok(vec![
        Figure::higher(name, rate, "puts/s"),
        Figure::higher(format!("{name}-gain"), rate / before, "x"),
    ])
}

/// What was acknowledged is there after closing, unless it is the floor's, which finds nothing again.
fn verify_reopened(trial: Trial<'_>, replica: Box<dyn Replica>, puts: &[Put<'_>]) -> Outcome<()> {
    drop(replica);
    if trial.contender.does(OplogWork::Life) {
        verify(&*trial.open()?, &live(puts))?;
    }
    Ok(())
}

//! The histories of four replicas, written apart from each other over the same keys, into a fifth that has nothing.

use std::collections::BTreeMap;

use super::puts::{commit_all, rates};
use super::replicas::{History, Place, Replica};
use super::workload::Workload;
use super::{READS, Trial};
use crate::Outcome;
use crate::figures::Figure;

const WRITERS: u64 = 4;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Figure>> {
    let open = trial.contender.open;
    let share = trial.scaled(100_000) / 4;
    let mut workloads = Vec::new();
    let mut histories = Vec::new();
    for device in 0..WRITERS {
        let workload = Workload::new(trial.seed + device, share, trial.keys());
        let writer = open(Place::Memory, device)?;
        commit_all(&*writer, &workload.puts(), 100)?;
        histories.push(writer.history()?);
        workloads.push(workload);
    }
    let bytes: usize = histories.iter().map(History::byte_len).sum();
    let operations = share * workloads.len();

    let merged = open(Place::Directory(trial.dir), WRITERS)?;
    let mut figures = rates("merge-4", operations, "ops/s", || {
        histories
            .iter()
            .try_for_each(|history| merged.ingest(history))
    })?;
    figures.push(Figure::lower(
        "merge-4-wire",
        bytes as f64 / operations as f64,
        "B/op",
    ));

    drop(merged);
    let reopened = open(Place::Directory(trial.dir), WRITERS)?;
    let backwards = open(Place::Memory, WRITERS)?;
    for history in histories.iter().rev() {
        backwards.ingest(history)?;
    }
    verify(&*reopened, &*backwards, &workloads)?;
    Ok(figures)
}

/// Every key has the value that one of its writers gave it last, and the order of arrival does not matter.
fn verify(one: &dyn Replica, other: &dyn Replica, workloads: &[Workload]) -> Outcome<()> {
    let mut candidates: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (key, value) in workloads.iter().flat_map(Workload::live) {
        candidates.entry(key).or_default().push(value);
    }
    let keys: Vec<&str> = candidates.keys().copied().collect();
    let (one, other) = (read_all(one, &keys)?, read_all(other, &keys)?);
    if one != other {
        return Err("the order of arrival has changed the outcome".into());
    }
    let expected = candidates.values().zip(one);
    let wrong = expected.filter(|(candidates, found)| {
        let found = found.as_deref();
        !found.is_some_and(|found| candidates.contains(&found))
    });
    match wrong.count() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} keys have a value that nobody gave them last").into()),
    }
}

fn read_all(replica: &dyn Replica, keys: &[&str]) -> Outcome<Vec<Option<Vec<u8>>>> {
    let mut values = Vec::with_capacity(keys.len());
    for part in keys.chunks(READS) {
        replica.read(part, &mut |value| values.push(value.map(<[u8]>::to_vec)))?;
    }
    Ok(values)
}

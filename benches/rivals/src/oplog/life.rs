//! A durable replica with all of the workload: reads, opening it, compacting it, and how large it is then.

use std::time::Instant;

use super::puts::commit_all;
use super::replicas::Replica;
use super::workload::{Workload, live_bytes};
use super::{READS, Trial, verify};
use crate::Outcome;
use crate::figures::Figure;
use crate::process;
use crate::workload::shuffle;

const OPENINGS: usize = 3;
/// Times that every key is read.
const PASSES: u64 = 10;
/// The longer history, in histories.
const LONGER: usize = 4;

pub(super) fn live(trial: Trial<'_>) -> Outcome<Vec<Figure>> {
    let workload = trial.workload();
    let live = workload.live();
    let payload = live_bytes(&live) as f64;
    let keys: Vec<&str> = live.keys().copied().collect();
    let mut figures = Vec::new();

    let replica = trial.open_empty()?;
    commit_all(&*replica, &workload.puts(), 100)?;
    verify(&*replica, &live)?;
    for (name, part) in [("get-warm", READS), ("get-warm-1", 1)] {
        let rate = read(&*replica, &keys, trial.seed, part)?;
        figures.push(Figure::higher(name, rate, "gets/s"));
    }
    drop(replica);
    let size = process::directory_bytes(trial.dir)? as f64;
    figures.push(Figure::lower("size-written", size / payload, "x"));
    open(trial, "open", &keys, &mut figures)?;

    let mut replica = trial.open()?;
    replica.compact()?;
    verify(&*replica, &live)?;
    let (wire, sealed) = (replica.state_bytes()?, replica.sealed_bytes()?);
    drop(replica);
    let disk = process::directory_bytes(trial.dir)?;
    for (name, bytes) in [("size-compacted", Some(disk)), ("size-wire", wire)] {
        let Some(bytes) = bytes.map(|bytes| bytes as f64) else {
            continue;
        };
        figures.push(Figure::lower(name, bytes / payload, "x"));
        if let Some(sealed) = sealed {
            let name = format!("{name}-sealed");
            figures.push(Figure::lower(name, bytes / sealed as f64, "x"));
        }
    }
    open(trial, "open-compacted", &keys, &mut figures)?;
    verify(&*trial.open()?, &live)?;
    open_longer(trial, &mut figures)?;
    Ok(figures)
}

/// Opens what has a history several times as long over the same keys.
fn open_longer(trial: Trial<'_>, figures: &mut Vec<Figure>) -> Outcome<()> {
    let workload = Workload::new(trial.seed, LONGER * trial.scaled(100_000), trial.keys());
    let live = workload.live();
    let keys: Vec<&str> = live.keys().copied().collect();
    let replica = trial.open_empty()?;
    commit_all(&*replica, &workload.puts(), 100)?;
    drop(replica);
    open(trial, &format!("open-{LONGER}x"), &keys, figures)?;
    verify(&*trial.open()?, &live)
}

/// Every key several times over by one thread, each time in another order, so many in one snapshot: gets a second.
fn read(replica: &dyn Replica, keys: &[&str], seed: u64, part: usize) -> Outcome<f64> {
    let orders: Vec<Vec<&str>> = (0..PASSES)
        .map(|pass| {
            let mut order = keys.to_vec();
            shuffle(&mut order, seed + pass);
            order
        })
        .collect();
    let mut sum = 0_u64;
    let start = Instant::now();
    for order in &orders {
        for part in order.chunks(part) {
            replica.read(part, &mut |value| {
                // One byte of each cache line, so that nothing can be left unread.
                let bytes = value.unwrap_or_default().iter().step_by(64);
                sum += bytes.map(|byte| u64::from(*byte)).sum::<u64>();
            })?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    std::hint::black_box(sum);
    let gets = orders.iter().map(Vec::len).sum::<usize>() as f64;
    Ok(gets / seconds)
}

/// Until the first value is there; the files are in the system's cache.
fn open(trial: Trial<'_>, name: &str, keys: &[&str], figures: &mut Vec<Figure>) -> Outcome<()> {
    let key = keys.first().ok_or("a workload without keys")?;
    for _ in 0..OPENINGS {
        let start = Instant::now();
        let replica = trial.open()?;
        let mut found = false;
        replica.read(&[key], &mut |value| found = value.is_some())?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if !found {
            return Err("a value is gone after opening".into());
        }
        figures.push(Figure::lower(name, milliseconds, "ms"));
    }
    Ok(())
}

//! Bundles become fewer while somebody reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use uxf_engine::Durability;
use uxf_engine::wallet::Consolidation;

use super::device::Device;
use super::material::{bundles, tokens};
use super::{MERGE, Measured, Trial, UXF, plain};
use crate::Outcome;
use crate::figures::{Figure, percentile};
use crate::process;

const BUNDLES: usize = 20;
/// Bundles that were made one after the other are small: the rest of the wallet came before and is in full ones.
const SMALL: usize = 100;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let mut measured = Vec::new();
    let count = trial.scaled(10_000);
    for (name, size) in [
        ("consolidate", count / BUNDLES),
        ("consolidate-small", SMALL.min(count / BUNDLES)),
    ] {
        consolidate(trial, name, size, &mut measured)?;
    }
    Ok(measured)
}

/// Twenty bundles of so many tokens each; one thread merges them, the other reads one token after the other.
fn consolidate(
    trial: Trial<'_>,
    name: &str,
    size: usize,
    measured: &mut Vec<Measured>,
) -> Outcome<()> {
    let count = size * BUNDLES;
    let dir = trial.dir.join("uxf");
    process::empty_directory(&dir)?;
    let device = Device::open(&dir, Durability::Durable)?;
    let mut archives = Vec::new();
    for bundle in bundles(&tokens(count, 0, count), size)? {
        device.take(&bundle)?;
        archives.push(bundle.car);
    }
    let ids: Vec<String> = device
        .wallet
        .tokens()?
        .map(|token| Ok(token?.token_id))
        .collect::<Outcome<_>>()?;
    // As long again, with nothing else going on: what waits the machine alone causes.
    let idle = read(&device, &ids, || false, Duration::from_secs(1))?;
    let is_done = AtomicBool::new(false);
    let (seconds, reads) = std::thread::scope(|scope| -> Outcome<_> {
        let reader = scope.spawn(|| {
            let is_done = || is_done.load(Ordering::Acquire);
            read(&device, &ids, is_done, Duration::from_secs(600))
        });
        let start = Instant::now();
        let merged = device.wallet.consolidate();
        let seconds = start.elapsed().as_secs_f64();
        is_done.store(true, Ordering::Release);
        let reads = reader.join().map_err(|_| "the reader panicked")??;
        match merged? {
            Consolidation::Done(report) if report.merged.len() == BUNDLES => {}
            other => return Err(format!("{other:?}").into()),
        }
        Ok((seconds, reads))
    })?;
    if device.wallet.status()?.tokens() != count as u64 {
        return Err("tokens came or went".into());
    }
    measured.push((UXF, Figure::lower(name, seconds, "s")));
    let (seconds, longest) = plain::merge_all(&archives)?;
    measured.push((MERGE, Figure::lower(name, seconds, "s")));
    let name_max = format!("{name}-wait-max");
    measured.push((MERGE, Figure::lower(name_max, longest * 1e3, "ms")));
    for (suffix, mut waits) in [("", reads), ("-idle", idle)] {
        for (share, percent) in [("p99", 99), ("max", 100)] {
            let wait = percentile(&mut waits, percent).ok_or("nothing was read")?;
            let name = format!("{name}-wait-{share}{suffix}");
            measured.push((UXF, Figure::lower(name, wait, "ms")));
        }
    }
    Ok(())
}

/// Reads token after token until it is done or time is up: how long each read took, in milliseconds.
fn read(
    device: &Device,
    ids: &[String],
    is_done: impl Fn() -> bool,
    most: Duration,
) -> Outcome<Vec<f64>> {
    let mut waits = Vec::new();
    let begin = Instant::now();
    for id in ids.iter().cycle() {
        let start = Instant::now();
        if is_done() || start.duration_since(begin) > most {
            break;
        }
        if device.wallet.get(id)?.is_none() {
            return Err(format!("{id} is gone").into());
        }
        waits.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(waits)
}

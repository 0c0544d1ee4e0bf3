//! From nothing open to an answer: the files are in the system's cache.

use std::time::Instant;

use uxf_engine::Durability;

use super::device::Device;
use super::material::tokens;
use super::{MERGE, Measured, Trial, UXF, plain};
use crate::Outcome;
use crate::figures::Figure;

const STARTS: usize = 5;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let count = trial.scaled(10_000);
    let tokens = tokens(count, 0, count);
    let (ours, theirs) = (trial.dir.join("uxf"), trial.dir.join("merge"));
    let device = Device::open(&ours, Durability::Durable)?;
    device.import(&tokens)?;
    let mut archives = Vec::new();
    for cid in device.wallet.save()?.bundles {
        let mut car = Vec::new();
        device.wallet.export_bundle(&cid, &mut car)?;
        archives.push(car);
    }
    let first = device.wallet.tokens()?.next().ok_or("no tokens")??.token_id;
    device.engine.close()?;
    drop(device);
    plain::write(&theirs, &archives)?;

    let mut measured = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let device = Device::open(&ours, Durability::Durable)?;
        let found = device.wallet.get(&first)?.is_some();
        let answered = start.elapsed();
        let status = device.wallet.status()?;
        let counted = start.elapsed();
        if !found || status.tokens() != count as u64 {
            return Err("tokens are gone after a start".into());
        }
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        measured.push((
            UXF,
            Figure::lower("start-first", milliseconds(answered), "ms"),
        ));
        measured.push((UXF, Figure::lower("start", milliseconds(counted), "ms")));
        device.engine.close()?;
    }
    let start = Instant::now();
    let (merged, valid) = plain::open(&theirs)?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    if valid != count {
        return Err("tokens are gone after a merge".into());
    }
    for work in ["start-first", "start"] {
        measured.push((MERGE, Figure::lower(work, milliseconds, "ms")));
    }
    Device::open(&ours, Durability::Durable)?.check(&merged)?;
    Ok(measured)
}

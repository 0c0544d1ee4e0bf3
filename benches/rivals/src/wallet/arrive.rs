//! Bundles of one changed token, into wallets of several sizes.

use std::time::Instant;

use uxf_codec::package::{Package, Timestamp};
use uxf_engine::Durability;

use super::device::Device;
use super::material::{Bundle, one_transfer_back, tokens};
use super::{MERGE, Measured, Trial, UXF, plain};
use crate::Outcome;
use crate::figures::Figure;
use crate::process;

/// Bundles that arrive: with those that are there, no more than a wallet may have.
const ARRIVALS: usize = 16;
const SIZES: [(&str, usize); 3] = [("1k", 1_000), ("10k", 10_000), ("40k", 40_000)];

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let mut measured = Vec::new();
    for (name, size) in SIZES {
        let size = trial.scaled(size);
        for (suffix, durability) in [
            ("", Durability::Buffered),
            ("-durable", Durability::Durable),
        ] {
            let name = format!("arrive-{name}{suffix}");
            into(trial, &name, size, durability, &mut measured)?;
        }
        merged(&format!("arrive-{name}"), size, &mut measured)?;
    }
    Ok(measured)
}

/// The tokens of a wallet, of which the first that have transfers are known one transfer back, and bundles that bring
/// that transfer for each of them.
fn material(size: usize) -> Outcome<(Vec<String>, Vec<Bundle>)> {
    let mut tokens = tokens(size, 0, size);
    let mut arriving = Vec::new();
    for token in &mut tokens {
        if arriving.len() == ARRIVALS {
            break;
        }
        let older = one_transfer_back(core::slice::from_ref(token))?;
        let older = older.into_iter().next().ok_or("no token")?;
        if older != *token {
            arriving.push(Bundle::of(&[core::mem::replace(token, older)])?);
        }
    }
    Ok((tokens, arriving))
}

fn into(
    trial: Trial<'_>,
    name: &str,
    size: usize,
    durability: Durability,
    measured: &mut Vec<Measured>,
) -> Outcome<()> {
    let (tokens, arriving) = material(size)?;
    let dir = trial.dir.join("uxf");
    process::empty_directory(&dir)?;
    let device = Device::open(&dir, durability)?;
    // A part at a time, so that there is no array of all of them.
    for part in tokens.chunks(2_000) {
        device.import(part)?;
    }
    device.engine.close()?;
    drop(device);
    let device = Device::open(&dir, durability)?;
    for (number, bundle) in arriving.iter().enumerate() {
        let start = Instant::now();
        let taken = device.wallet.add_bundle_car(&bundle.cid, &bundle.car)?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if taken.counts.changed != 1 {
            return Err(format!("{taken:?} instead of one changed token").into());
        }
        // The first one fills caches.
        if number > 0 {
            measured.push((UXF, Figure::lower(name, milliseconds, "ms")));
        }
    }
    if device.wallet.status()?.tokens() != size as u64 {
        return Err("tokens came or went".into());
    }
    Ok(())
}

/// The same into a package in memory, which is not written anywhere.
fn merged(name: &str, size: usize, measured: &mut Vec<Measured>) -> Outcome<()> {
    let (tokens, arriving) = material(size)?;
    let mut merged = Package::default();
    for part in tokens.chunks(2_000) {
        let part = part.iter().map(String::as_bytes);
        merged.ingest_all(part, Timestamp::from_secs(1))?;
    }
    for (number, bundle) in arriving.iter().enumerate() {
        let start = Instant::now();
        plain::merge(&mut merged, &Package::from_car(&bundle.car)?)?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        if number > 0 {
            measured.push((MERGE, Figure::lower(name, milliseconds, "ms")));
        }
    }
    if merged.manifest().len() != size {
        return Err("a merge has made tokens come or go".into());
    }
    Ok(())
}

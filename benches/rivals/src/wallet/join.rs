//! Two wallets of 10,000 tokens, half of them the same.

use uxf_codec::package::Package;
use uxf_engine::Durability;

use super::device::Device;
use super::material::{bundles, one_transfer_back, tokens};
use super::{MERGE, Measured, Trial, UXF, Watch, plain};
use crate::Outcome;
use crate::figures::Figure;
use crate::process;

/// Tokens of a bundle of the one wallet and of the other, so that no bundle of theirs is the same. With 600 it would have
/// more blocks, and a larger manifest, than a bundle may have.
const MINE: usize = 500;
const ARRIVING: usize = 470;

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let mut measured = Vec::new();
    for (name, is_older) in [("join", false), ("join-older", true)] {
        join(trial, name, is_older, &mut measured)?;
    }
    Ok(measured)
}

/// What both have is at the same state, or in the wallet that arrives one transfer older.
fn join(trial: Trial<'_>, name: &str, is_older: bool, measured: &mut Vec<Measured>) -> Outcome<()> {
    let count = trial.scaled(10_000);
    let all = tokens(count + count / 2, 0, count + count / 2);
    let (mine, _) = all.split_at(count);
    let (_, arriving) = all.split_at(count / 2);
    let mut arriving = arriving.to_vec();
    if is_older {
        let (shared, _) = arriving.split_at(count / 2);
        let older = one_transfer_back(shared)?;
        arriving.splice(..count / 2, older);
    }
    let (mine, arriving) = (bundles(mine, MINE)?, bundles(&arriving, ARRIVING)?);

    let dir = trial.dir.join("uxf");
    process::empty_directory(&dir)?;
    let device = Device::open(&dir, Durability::Durable)?;
    for bundle in &mine {
        device.take(bundle)?;
    }
    let watch = Watch::start();
    for bundle in &arriving {
        device.take(bundle)?;
    }
    for (suffix, seconds) in watch.stop() {
        let name = format!("{name}{suffix}");
        measured.push((UXF, Figure::lower(name, seconds, "s")));
    }

    let mut merged = mine.first().ok_or("no bundle")?.package.clone();
    for bundle in mine.iter().skip(1) {
        plain::merge(&mut merged, &bundle.package)?;
    }
    let watch = Watch::start();
    for bundle in &arriving {
        plain::merge(&mut merged, &Package::from_car(&bundle.car)?)?;
    }
    for (suffix, seconds) in watch.stop() {
        let name = format!("{name}{suffix}");
        measured.push((MERGE, Figure::lower(name, seconds, "s")));
    }
    device.check(&merged)
}

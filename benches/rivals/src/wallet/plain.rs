//! The other way to have a wallet: its bundles as archives in files, merged in memory whenever it is opened.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use uxf_codec::carriage::car::CarLimits;
use uxf_codec::package::{MergeOptions, Package, Timestamp};
use uxf_engine::bundles::structural_manifest;

use crate::Outcome;

/// Writes the archives of bundles into a directory.
pub(super) fn write(dir: &Path, archives: &[Vec<u8>]) -> Outcome<()> {
    fs::create_dir_all(dir)?;
    for (number, archive) in archives.iter().enumerate() {
        fs::write(dir.join(format!("{number}.car")), archive)?;
    }
    Ok(())
}

/// Reads all bundles of a directory, merges them and says how each token stands; the package, and how many there are.
pub(super) fn open(dir: &Path) -> Outcome<(Package, usize)> {
    let mut merged = Package::default();
    for file in fs::read_dir(dir)? {
        let file = File::open(file?.path())?;
        let package = Package::read_car(
            BufReader::with_capacity(1 << 20, file),
            CarLimits::REFERENCE,
        )?;
        merge(&mut merged, &package)?;
    }
    let tokens = structural_manifest(&merged).count();
    Ok((merged, tokens))
}

/// Merges a package into another.
pub(super) fn merge(merged: &mut Package, package: &Package) -> Outcome<()> {
    let now = Timestamp::from_secs(1);
    let outcome = merged.merge(package, &MergeOptions::default(), now)?;
    if !outcome.skipped.is_empty() {
        return Err("a merge left tokens out".into());
    }
    Ok(())
}

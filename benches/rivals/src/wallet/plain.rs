//! The other way to have a wallet: its bundles as archives in files, merged in memory whenever it is opened.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::time::Instant;

use uxf_codec::carriage::car::{CarLimits, CarProfile};
use uxf_codec::package::{MergeOptions, Package, Timestamp};
use uxf_engine::bundles::structural_manifest;

use crate::Outcome;

/// Tokens of an archive.
const ARCHIVE_TOKENS: usize = 500;

/// Writes the archives of bundles into a directory; each is on the disk when this returns.
pub(super) fn write(dir: &Path, archives: &[Vec<u8>]) -> Outcome<()> {
    fs::create_dir_all(dir)?;
    for (number, archive) in archives.iter().enumerate() {
        let mut file = File::create(dir.join(format!("{number}.car")))?;
        file.write_all(archive)?;
        file.sync_data()?;
    }
    Ok(())
}

/// The archives of tokens, which have been found in their JSON array already.
pub(super) fn import(tokens: &[String]) -> Outcome<Vec<Vec<u8>>> {
    let archives = tokens.chunks(ARCHIVE_TOKENS).map(|part| {
        let mut package = Package::default();
        package.ingest_all(part.iter().map(String::as_bytes), Timestamp::from_secs(1))?;
        Ok(package.to_car(CarProfile::Complete)?)
    });
    archives.collect()
}

/// Merges archives: how many seconds all took, and the longest of them, during which nobody can read.
pub(super) fn merge_all(archives: &[Vec<u8>]) -> Outcome<(f64, f64)> {
    let mut merged = Package::default();
    let mut longest = 0.0_f64;
    let begin = Instant::now();
    for archive in archives {
        let package = Package::from_car(archive)?;
        let start = Instant::now();
        merge(&mut merged, &package)?;
        longest = longest.max(start.elapsed().as_secs_f64());
    }
    Ok((begin.elapsed().as_secs_f64(), longest))
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

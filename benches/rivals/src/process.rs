//! What the kernel knows about this process. Absent where it has no `/proc`.

use std::fs;
use std::path::Path;

use crate::Outcome;

/// Bytes this process has given to write calls.
pub(crate) fn written_bytes() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    io.lines()
        .find_map(|line| line.strip_prefix("wchar: "))?
        .parse()
        .ok()
}

/// Forgets the peak of memory so far, so that the next peak is that of what comes now.
pub(crate) fn reset_peak_memory() {
    // Without the right to do so the peak is just less telling.
    drop(fs::write("/proc/self/clear_refs", "5"));
}

/// Memory in use now, and the most there was since the last reset, in bytes.
pub(crate) fn memory() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some((kilobytes("VmRSS:")? * 1024, kilobytes("VmHWM:")? * 1024))
}

/// Processor time that all threads of this process have taken, in seconds; it advances in steps of 10 ms.
pub(crate) fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold anything, parentheses and spaces included; it ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks =
        |place: usize| -> Option<f64> { fields.split_whitespace().nth(place)?.parse().ok() };
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Bytes that the files of a directory take on disk.
pub(crate) fn directory_bytes(dir: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            sum += directory_bytes(&entry.path())?;
        } else {
            sum += allocated(&metadata);
        }
    }
    Ok(sum)
}

/// A file with holes (LMDB's) is as large as what it holds.
#[cfg(unix)]
fn allocated(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// Empties a directory, or makes it.
pub(crate) fn empty_directory(dir: &Path) -> Outcome<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(fs::create_dir_all(dir)?)
}

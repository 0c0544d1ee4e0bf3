//! How fast a wallet of JSON comes into a new store on disk, and how much memory that takes at most.
//!
//! `import_peak [TOKENS]`: default 10,000. The wallet is written to a temporary file token by token, which needs no
//! memory worth counting and is outside the clock; then the same process reads the file and imports it durably with a
//! cache of 64 MiB. `TMPDIR` decides which disk.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people"
)]

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;

use uxf_engine::{Clock as _, Engine, EngineOptions, ImportOptions, Progress, SystemClock};
use uxf_testkit::Wallet;

/// Memory for pages of the file, in bytes.
const CACHE_BYTES: usize = 64 << 20;
const TOKENS: u64 = 10_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let tokens = match std::env::args().nth(1) {
        Some(text) => text
            .parse()
            .map_err(|error| format!("import_peak [TOKENS]: {text}: {error}"))?,
        None => TOKENS,
    };
    let directory = tempfile::tempdir()?;
    let wallet = directory.path().join("wallet.json");
    let mut out = BufWriter::new(File::create(&wallet)?);
    Wallet::new(tokens).write_json(&mut out)?;
    out.flush()?;
    drop(out);
    let before = peak_kib()?;

    let engine = Engine::open(
        directory.path().join("store"),
        EngineOptions::new().cache_bytes(CACHE_BYTES),
    )?;
    let inventory = engine.inventory("main")?;
    let clock = SystemClock::new();
    let json = std::fs::read(&wallet)?;
    let report = inventory.import(&json, &ImportOptions::new(), Progress::silent())?;
    let seconds = clock.monotonic().as_secs_f64();
    if report.added != tokens || !report.rejected.is_empty() {
        let rejected = report.rejected.len();
        return Err(format!("{} added, {rejected} rejected of {tokens}", report.added).into());
    }
    let peak = peak_kib()?;

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (count, bytes) = (tokens as f64, json.len() as f64);
    println!("json        {:.1} MB", bytes / 1e6);
    println!("rate        {:.0} tokens/s", count / seconds);
    println!("json-rate   {:.1} MB/s", bytes / 1e6 / seconds);
    println!("peak-before {before} KiB");
    println!("peak        {peak} KiB");
    Ok(())
}

/// The most memory this process has ever had resident, as Linux counts it.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("this system does not say what the peak of memory is")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

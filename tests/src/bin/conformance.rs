//! Runs golden vectors: `conformance DIR`, where `DIR` is laid out like `tests/vectors`.
//!
//! Prints a line for each folder and kind of file, the failures, and last how many checks passed, failed or have no
//! check yet. Exits with 0 only if something was checked and nothing failed.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that reports to a person or to CI"
)]

use std::path::PathBuf;
use std::process::ExitCode;

/// Vectors nest a hundred name-tags inside each other, and the independent JSON reader recurses.
const STACK_BYTES: usize = 256 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: conformance DIR   (DIR is laid out like tests/vectors)");
        return ExitCode::from(2);
    };
    let directory = PathBuf::from(directory);
    if !directory.is_dir() {
        eprintln!("conformance: {} is not a directory", directory.display());
        return ExitCode::from(2);
    }
    let run = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || uxf_tests::conformance::run(&directory));
    let report = match run.map(std::thread::JoinHandle::join) {
        Ok(Ok(report)) => report,
        Ok(Err(_)) => {
            eprintln!("conformance: the run broke off");
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("conformance: {error}");
            return ExitCode::from(2);
        }
    };
    println!("{report}");
    if report.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

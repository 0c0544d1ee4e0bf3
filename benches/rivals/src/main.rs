#![doc = include_str!("../README.md")]

mod arguments;
mod child;
mod engines;
mod figures;
mod group;
mod oplog;
mod process;
mod rival;
mod rounds;
mod sync;
mod table;
mod wallet;
mod workload;
mod works;

use std::process::ExitCode;

/// Anything that stops a comparison; there is nobody to tell the kinds apart.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) if command == "store" => works::compare(rest),
        Some((command, rest)) if command == works::COMMAND => works::run_child(rest),
        Some((command, rest)) if command == "oplog" => oplog::compare(rest),
        Some((command, rest)) if command == oplog::COMMAND => oplog::run_child(rest),
        Some((command, rest)) if command == "wallet" => wallet::compare(rest),
        Some((command, rest)) if command == "sync" => sync::compare(rest),
        Some((command, rest)) if command == sync::COMMAND => sync::run_child(rest),
        _ => Err(arguments::USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

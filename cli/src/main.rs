//! The `uxf` command: a store of Unicity tokens at a terminal.
//!
//! Here is what a person types and sees. What the commands do is done by `uxf-engine`, where applications find it too.

mod args;
mod commands;
mod failure;
mod output;
mod text;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::commands::Outcome;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    listen();
    let out = Output::new(cli.json);
    match commands::run(&cli, &out) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::InPart) => ExitCode::from(2),
        Err(failure) => {
            output::complain(&failure, cli.json);
            ExitCode::FAILURE
        }
    }
}

/// What the engine traces goes to standard error if `UXF_LOG` asks for it, as in `UXF_LOG=uxf_engine=debug`.
fn listen() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("UXF_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
}

//! One file a command.

mod automerge;
mod backup;
mod bulk;
mod bundle;
mod compact;
mod del;
mod delta;
mod demo;
#[cfg(feature = "node")]
mod demo_devices;
mod device;
mod export;
mod fetch;
mod gc;
mod get;
mod import;
mod inbox;
mod init;
mod keys;
mod list;
mod log;
mod migrate;
mod new_file;
#[cfg(feature = "node")]
mod node;
mod pin;
mod profile;
mod put;
mod seed;
mod show;
mod stats;
mod status;
mod store;
mod verdicts;
mod verify;
mod wallet;
mod watch;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::Output;

/// How a command that did something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All good: exit code 0.
    Done,
    /// Done in part, what was refused has been listed: exit code 2.
    InPart,
}

pub(crate) fn run(cli: &Cli, out: &Output) -> Result<Outcome, Failure> {
    match &cli.command {
        Command::Init(args) => init::run(cli, args, out),
        Command::Status => status::run(cli, out),
        Command::Import(args) if args.strict || args.lenient => verdicts::run(cli, args, out),
        Command::Import(args) => import::run(cli, args, out),
        Command::Export(args) => export::run(cli, args, out),
        Command::List => list::run(cli, out),
        Command::Show(args) => show::run(cli, args, out),
        Command::Stats => stats::run(cli, out),
        Command::Verify => verify::run(cli, out),
        Command::Gc(args) => gc::run(cli, args, out),
        Command::Compact => compact::run(cli, out),
        Command::Backup(args) => backup::run(cli, args, out),
        Command::Put(args) => put::run(cli, args, out),
        Command::Get(args) => get::run(cli, args, out),
        Command::Del(args) => del::run(cli, args, out),
        Command::Keys(args) => keys::run(cli, args, out),
        Command::Log(args) => log::run(cli, args, out),
        Command::Watch(args) => watch::run(cli, args, out),
        #[cfg(feature = "node")]
        Command::Node(args) => node::run(cli, args, out),
        #[cfg(feature = "node")]
        Command::Sync(args) => node::sync(cli, args, out),
        #[cfg(feature = "node")]
        Command::Peers => Ok(node::peers(cli, out)),
        Command::Device(args) => device::run(cli, args, out),
        Command::Delta(args) => delta::run(cli, args, out),
        Command::Pin(args) => pin::run(cli, args, out),
        Command::Fetch(args) => fetch::run(cli, args, out),
        Command::Wallet(command) => wallet::run(cli, command, out),
        Command::Migrate(args) => migrate::run(cli, args, out),
        Command::Bundle(command) => bundle::run(cli, command, out),
        Command::Demo => demo::run(cli, out),
    }
}

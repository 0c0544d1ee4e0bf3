use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keep Unicity tokens in one file: every element once, every token as it came.
///
/// Exit codes: 0 all good, 1 nothing done, 2 done in part (what was refused is listed).
#[derive(Debug, Parser)]
#[command(
    name = "uxf",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Directory of the store
    #[arg(long, global = true, env = "UXF_STORE", value_name = "DIR")]
    store: Option<PathBuf>,

    /// Inventory of the store to work on; a store holds as many as you name
    #[arg(long, global = true, default_value = "main", value_name = "NAME")]
    pub(crate) inventory: String,

    /// Print one JSON document for machines instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Megabytes of memory for the store's page cache
    #[arg(long, global = true, default_value_t = 64, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) cache: u64,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The store directory: as given, else `uxf-demo` for the demo and `uxf-store` for everything else.
    pub(crate) fn store(&self) -> PathBuf {
        let default = if matches!(self.command, Command::Demo) {
            "uxf-demo"
        } else {
            "uxf-store"
        };
        self.store.clone().unwrap_or_else(|| default.into())
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an empty store
    Init,
    /// Import tokens: a token, an array of tokens, UXF JSON or a CAR, told apart by content
    Import(Import),
    /// Write tokens to a file
    Export(Export),
    /// List the tokens of the inventory
    List,
    /// Print a token as JSON
    Show(Show),
    /// Show how much is stored and how much is shared
    Stats,
    /// Check everything: hashes, reference counts, index, every token
    Verify,
    /// Delete what no token needs any more
    Gc(Gc),
    /// Give free space inside the file back to the disk
    Compact,
    /// Copy the store into another directory while it is in use
    Backup(Backup),
    /// Import a sample wallet, show what is shared, export it again and prove it equal
    Demo,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Files to import
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Largest file that is read, in MiB
    #[arg(long, default_value_t = 100, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_file: u64,
}

#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Tokens to export, by id or a beginning of it that is unique; all of them if none is named
    #[arg(value_name = "TOKEN")]
    pub(crate) tokens: Vec<String>,

    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,

    /// File to write; CARs that would be too large for other readers become FILE, FILE.2, FILE.3 ...
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Also write what a CAR otherwise leaves out: name-tags only transactions name, newer instances
    #[arg(long)]
    pub(crate) complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An array of tokens
    Json,
    /// One UXF package as JSON
    UxfJson,
    /// One or more UXF packages as CARv1
    Car,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Token, by id or a beginning of it that is unique
    pub(crate) token: String,

    /// Show it after this many transactions; 0 is the mint
    #[arg(long, value_name = "N")]
    pub(crate) at: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct Gc {
    /// Only say what would be deleted
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// Directory to make; it must not hold a store
    pub(crate) to: PathBuf,
}

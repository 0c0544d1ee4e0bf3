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

    /// File with the profile's seed, 64 hex digits; unless named `seed` in the store's directory, or what `init` was given
    #[arg(long, global = true, env = "UXF_SEED_FILE", value_name = "FILE")]
    pub(crate) seed_file: Option<PathBuf>,

    /// Address of the wallet, whole or as its id; needed where the profile has wallets of several
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,

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
    /// Make a store and its profile of keys and values; draws a seed unless there is one
    Init(Init),
    /// Say what kind of directory the store's is, and whether the store in it can be used
    Status,
    /// Import tokens: a token, an array of tokens, UXF JSON or a CAR, told apart by content
    Import(Import),
    /// Write tokens, or the profile, to a file
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
    /// Let go of the profile's operations that no longer count, and give free space back to the disk
    Compact,
    /// Copy the store into another directory while it is in use
    Backup(Backup),
    /// Set the value of a key in the profile
    Put(Put),
    /// Write the value of a key to standard output, as it is
    Get(Key),
    /// Delete the value of a key, on every device that learns of it
    Del(Key),
    /// List the keys that have a value; keys that stay on this device are not among them
    Keys(Keys),
    /// Show who wrote what when, newest first
    Log(Log),
    /// Take in delta files as they appear in a directory, and show each change that they make
    Watch(Watch),
    /// Serve the profile to other devices until it is ended
    #[cfg(feature = "node")]
    Node(Node),
    /// Bring the profile to the same state here and on a device that runs `uxf node`
    #[cfg(feature = "node")]
    Sync(Sync),
    /// List the devices that `uxf node` and `uxf sync` have met, and how far each is
    #[cfg(feature = "node")]
    Peers,
    /// The devices that may write the profile
    #[command(subcommand)]
    Device(Device),
    /// Carry what devices wrote from one to another in files
    #[command(subcommand)]
    Delta(Delta),
    /// Store a bundle outside this store, pin it there and read it back
    Pin(Pin),
    /// Fetch a bundle, check every block of it, and import its tokens
    Fetch(Fetch),
    /// What the profile's wallet has, and what became of it
    #[command(subcommand)]
    Wallet(Wallet),
    /// Move a whole legacy wallet directory in
    Migrate(Migrate),
    /// What devices publish of a wallet
    #[command(subcommand)]
    Bundle(Bundle),
    /// Import a sample wallet, show what is shared, prove that it comes out equal, and have two devices come together over loopback
    Demo,
}

#[derive(Args, Debug)]
pub(crate) struct Init {
    /// What people call this device, in up to 64 bytes; every device of the profile sees it
    #[arg(long, default_value = "device", value_name = "NAME")]
    pub(crate) device: String,
}

#[derive(Args, Debug)]
pub(crate) struct Put {
    /// The key, as in app.greeting
    pub(crate) key: String,

    /// The value, or - to read it from standard input, where other programs do not see it
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) value: Option<String>,

    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Key {
    /// The key
    pub(crate) key: String,
}

#[derive(Args, Debug)]
pub(crate) struct Keys {
    /// Only keys that start with this
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

#[derive(Args, Debug)]
pub(crate) struct Log {
    /// Show so many operations at most
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: usize,
}

/// Take in delta files as they appear in a directory, and show each change that they make.
///
/// The directory is where other devices leave what `uxf delta export` wrote: a stick, a folder that is shared. Files of
/// other kinds are passed over. What is still being copied is left until it no longer grows. The store is open only while
/// files are taken in, so that other commands find it free; what they write themselves is not shown, `uxf log` shows
/// it. With --json every change, and after those of a file the file, is one document in a line of its own.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Only changes of keys that start with this; the files are taken in whole
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,

    /// Directory in which delta files appear
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,

    /// Take in what is there and end
    #[arg(long)]
    pub(crate) once: bool,

    /// Look for files so often
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) every: u64,
}

#[cfg(feature = "node")]
#[derive(Args, Debug)]
pub(crate) struct Node {
    /// Listen on an address, as in /ip4/127.0.0.1/tcp/0
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<String>,

    /// Keep connected with a device, whose address ends in /p2p/ and its identity
    #[arg(long = "peer", value_name = "ADDRESS")]
    pub(crate) peers: Vec<String>,

    /// Find devices on the local network and be found by them; without --listen it listens on all IPv4 addresses of this machine
    #[cfg(feature = "mdns")]
    #[arg(long)]
    pub(crate) mdns: bool,

    /// Give blocks of tokens and bundles to any IPFS node that names their hash, by bitswap
    #[arg(long)]
    pub(crate) bitswap: bool,

    /// Write the address to a file once it can be reached there
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

#[cfg(feature = "node")]
#[derive(Args, Debug)]
pub(crate) struct Sync {
    /// Where the other device is; ends in /p2p/ and its identity
    pub(crate) address: String,

    /// Give up after so long
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// List the devices
    List,
    /// Accept what another device writes; one that was given the seed certifies itself
    Certify {
        /// The device's id, 64 hex digits
        id: String,

        /// What people call it, in up to 64 bytes
        #[arg(long)]
        name: String,
    },
    /// Refuse what a device writes from now on, here and wherever this arrives; there is no way back
    Revoke {
        /// The device's id, or a beginning of it that is unique
        id: String,

        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Files to import
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Largest file that is read, in MiB
    #[arg(long, default_value_t = 100, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_file: u64,

    /// Import into the profile's wallet, with a verdict for each token; a token held at another state stays as it is
    #[arg(long, conflicts_with = "lenient")]
    pub(crate) strict: bool,

    /// The same, but what comes takes the place of what is held, older states too
    #[arg(long)]
    pub(crate) lenient: bool,

    /// With --strict or --lenient: only say what would become of each token
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wallet {
    /// How many tokens stand how, and what is under way
    Status,
    /// List the tokens
    Tokens,
    /// What there is of each coin
    Balance,
    /// What happened, newest first
    History {
        /// Show so many entries at most
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Transfers on their way out
    Outbox,
    /// Tokens of which several states contradict each other
    Conflicts,
}

/// Move a whole legacy wallet directory in: its values, its tokens and those that were sent away.
///
/// The directory is only read. Moving again does what is left, so a move that was cut off is repeated. With
/// --delete-legacy the store is closed and opened again, everything is looked for in it, and only if all of it is there
/// the files that were read are deleted, and no others.
#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Directory of the legacy wallet, in which wallet.json lies
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,

    /// Directory of its tokens; `tokens` in the legacy directory unless named
    #[arg(long, value_name = "DIR")]
    pub(crate) tokens: Option<PathBuf>,

    /// Only count what would be moved
    #[arg(long, conflicts_with = "delete_legacy")]
    pub(crate) dry_run: bool,

    /// Delete the legacy wallet once everything of it was found in the store
    #[arg(long)]
    pub(crate) delete_legacy: bool,

    /// Move it in although it is not the profile's own wallet
    #[arg(long)]
    pub(crate) no_verify: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// List the bundles that the profile names
    List,
    /// Merge many bundles into few; waits 30 seconds for other devices if there are any
    Consolidate,
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

    /// With `--format automerge`: every commit that is kept, with its signature, and not only what counts
    #[arg(long)]
    pub(crate) history: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An array of tokens
    Json,
    /// One UXF package as JSON
    UxfJson,
    /// One or more UXF packages as CARv1
    Car,
    /// The profile, and no tokens, as an Automerge document; the values in it are not sealed
    Automerge,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Delta {
    /// Write what another device lacks; values in the file are sealed, keys and device names are not
    Export {
        /// File to write
        file: PathBuf,

        /// Only what a device lacks that wrote this with `uxf delta vector`; everything without it
        #[arg(long, value_name = "VECTOR")]
        since: Option<PathBuf>,
    },
    /// Write how much this store has of each device, for `uxf delta export --since` on another one
    Vector {
        /// File to write
        file: PathBuf,
    },
    /// Check and take in what another device wrote; the same file twice does no harm
    Import {
        /// File to read
        file: PathBuf,
    },
}

/// Store a bundle outside this store, pin it there and read it back.
///
/// The bundle is taken from the file that --from names, else from this store and the gateways. What a place says it stored
/// is not believed: the bundle counts as pinned there once every block of it came back.
#[derive(Args, Debug)]
pub(crate) struct Pin {
    /// The bundle, as in bafyrei...
    pub(crate) cid: String,

    /// Its archive, as `uxf export --format car` writes one
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) places: Places,
}

/// Fetch a bundle, check every block of it, and import its tokens.
///
/// It is looked for in this store, in the directories, with the nodes and with the gateways, in this order. Places that lie, send
/// pages or too much, or take too long are passed over; nothing is imported unless all of it is there.
#[derive(Args, Debug)]
pub(crate) struct Fetch {
    /// The bundle, as in bafyrei...
    pub(crate) cid: String,

    /// IPFS node to fetch from by bitswap; its address ends in /p2p/ and its identity
    #[cfg(feature = "node")]
    #[arg(long = "peer", value_name = "ADDRESS")]
    pub(crate) peers: Vec<String>,

    /// Write its archive to a file and import nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) places: Places,
}

/// Where bundles are stored and fetched from; each may be named several times.
#[derive(Args, Debug)]
pub(crate) struct Places {
    /// Trustless gateway to fetch from, as in `https://ipfs.io`; nothing can be stored there
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: Vec<String>,

    /// IPFS node by the address of its RPC, as in `http://127.0.0.1:5001`
    #[arg(long, value_name = "URL")]
    pub(crate) api: Vec<String>,

    /// Directory of blocks, as on another disk
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Vec<PathBuf>,

    /// File with what the nodes want to know: a token, or a name and a password as NAME:PASSWORD
    #[arg(long, env = "UXF_API_SECRET_FILE", value_name = "FILE")]
    pub(crate) api_secret_file: Option<PathBuf>,

    /// Give a request this long, storing twice and all of a fetch four times
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) timeout: u64,

    /// Ask once, also after failures that may pass
    #[arg(long)]
    pub(crate) no_retry: bool,
}

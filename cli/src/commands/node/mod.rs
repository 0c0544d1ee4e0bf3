//! A node that serves the profile to other devices, and one that asks one of them once.

mod identity;
mod peers;
mod signals;
mod view;

use core::time::Duration;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;

use serde_json::json;
use uxf_engine::profile::Profile;
use uxf_engine::wallet::{Wallet, WalletOptions};
use uxf_replication::bulk::BulkStore;
use uxf_replication::node::{
    Gives, Multiaddr, Node as Running, NodeBuilder, NodeEvent, NodeStatus,
};

use self::peers::Book;
pub(super) use self::peers::run as peers;
use self::view::View;
use super::profile::Names;
use super::{Outcome, profile};
use crate::args::{Cli, Node, Sync};
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::text::count;

/// After so long it is looked how things stand, and whether the node is to end.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn run(cli: &Cli, args: &Node, out: &Output) -> Result<Outcome, Failure> {
    let profile = profile::open(cli)?;
    let mut builder = serving(cli, &profile)?;
    for address in &args.listen {
        builder = builder.listen(parse(address)?);
    }
    for address in &args.peers {
        builder = builder.peer(parse(address)?);
    }
    #[cfg(feature = "mdns")]
    if args.mdns {
        builder = builder.mdns(true);
        if args.listen.is_empty() {
            builder = builder.listen(parse("/ip4/0.0.0.0/tcp/0")?);
        }
    }
    if args.bitswap {
        builder = builder.bitswap(Gives::BlocksOf(profile.engine().clone()));
    }
    let is_ending = signals::ending()?;
    let node = spawn(builder)?;
    let mut events = node.events().map_err(|error| failed(&error))?;
    let addresses = node.addresses().map_err(|error| failed(&error))?;
    let addresses: Vec<String> = addresses.iter().map(Multiaddr::to_string).collect();
    if let Some(file) = &args.ready_file {
        let written = write_whole(file, &addresses);
        written.map_err(|error| Failure::new(error).about(file.display()))?;
    }
    let mut view = View::new(out, addresses);
    view.begin();
    let mut book = Book::open(&cli.store());
    let mut names = Names::of(&profile)?;
    while !is_ending.load(Ordering::Acquire) {
        let mut has_news = false;
        let mut next = events.next_timeout(LOOK);
        while let Some(event) = next {
            if matches!(event, NodeEvent::Opened { .. } | NodeEvent::Pulled { .. }) {
                names = Names::of(&profile)?;
            }
            view.tell(&event, &names);
            has_news = true;
            next = events.try_next();
        }
        let status = node.status().map_err(|error| failed(&error))?;
        view.draw(&status, &names);
        if has_news {
            note(&mut book, &status, &names);
        }
    }
    node.shut_down();
    note(&mut book, &NodeStatus::default(), &names);
    profile.engine().close()?;
    Ok(Outcome::Done)
}

/// Adds IPFS nodes to the places from which a bundle is fetched; the node of this device that asks them, if there are any.
pub(super) fn ask_by_bitswap(
    peers: &[String],
    places: &mut Vec<Box<dyn BulkStore>>,
) -> Result<Option<Running>, Failure> {
    if peers.is_empty() {
        return Ok(None);
    }
    let peers = peers.iter().map(|address| parse(address));
    let peers = peers.collect::<Result<Vec<Multiaddr>, Failure>>()?;
    let node = spawn(Running::builder().bitswap(Gives::Nothing))?;
    let blocks = node.handle().bitswap_blocks(&peers);
    places.push(Box::new(blocks.map_err(|error| failed(&error))?));
    Ok(Some(node))
}

/// Nothing hangs on the file of peers: that it cannot be written ends no node.
fn note(book: &mut Book, status: &NodeStatus, names: &Names) {
    book.update(status, names);
    drop(book.write());
}

pub(super) fn sync(cli: &Cli, args: &Sync, out: &Output) -> Result<Outcome, Failure> {
    let address = parse(&args.address)?;
    let profile = profile::open(cli)?;
    let node = spawn(serving(cli, &profile)?)?;
    let synced = node.sync_once(&address, Duration::from_secs(args.timeout));
    let mut book = Book::open(&cli.store());
    if let Ok(status) = node.status() {
        book.update(&status, &Names::of(&profile)?);
    }
    node.shut_down();
    if let Some((_, peer)) = args.address.rsplit_once("/p2p/") {
        let problem = synced.as_ref().err().map(|error| chain(error));
        book.note(peer.trim(), &args.address, problem.as_deref());
        drop(book.write());
    }
    let synced = synced.map_err(|error| {
        let failure = failed(&error).about(&args.address);
        failure
            .with_help("the other device must run `uxf node` with a seed that this store has too")
    })?;
    for wallet in wallets(&profile)? {
        // What came last.
        wallet.sync()?;
    }
    profile.engine().close()?;
    out.say(format!(
        "commits taken: {}, given: {}; operations that both have now: {}",
        count(synced.taken),
        count(synced.given),
        count(synced.operations)
    ));
    if synced.bundles_missing > 0 {
        out.say(format!(
            "  {} bundles that the profile names neither side has",
            count(synced.bundles_missing as u64)
        ));
    }
    out.document(&json!({
        "taken": synced.taken,
        "given": synced.given,
        "operations": synced.operations,
        "bundles": synced.bundles,
        "bundlesMissing": synced.bundles_missing,
    }));
    Ok(Outcome::Done)
}

fn serving(cli: &Cli, profile: &Profile) -> Result<NodeBuilder, Failure> {
    let mut builder = Running::builder().serve(profile.clone());
    for wallet in wallets(profile)? {
        builder = builder.wallet(wallet);
    }
    Ok(builder.identity(*identity::of(&cli.store())?))
}

/// The wallets of all addresses of the profile that the store has.
fn wallets(profile: &Profile) -> Result<Vec<Wallet>, Failure> {
    let addresses = profile.wallet_addresses()?;
    let engine = profile.engine();
    let wallets = addresses
        .iter()
        .map(|address| engine.wallet(profile, address, WalletOptions::new()));
    Ok(wallets.collect::<Result<_, _>>()?)
}

fn spawn(builder: NodeBuilder) -> Result<Running, Failure> {
    builder.spawn().map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(chain(error))
}

fn parse(address: &str) -> Result<Multiaddr, Failure> {
    let parsed = address.trim().parse::<Multiaddr>();
    parsed.map_err(|error| {
        let failure = Failure::new(error).about(address);
        failure.with_help("an address looks like /ip4/127.0.0.1/tcp/4001")
    })
}

/// Whoever waits for the file finds all of it or none.
fn write_whole(path: &Path, addresses: &[String]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let mut file = File::create(new)?;
    // One of them is enough to be found, and `"$(cat FILE)"` is to be one.
    let first = addresses.first().map_or("", String::as_str);
    writeln!(file, "{first}")?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

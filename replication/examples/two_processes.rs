//! Two programs on one machine, each with a store of its own, that keep a profile the same. The second one is this program again.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Engine, EngineOptions};
use uxf_replication::node::{Multiaddr, Node};

type Outcome = Result<(), Box<dyn core::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(directory) => serve(Path::new(&directory)),
        None => sync(),
    }
}

/// Both have the seed of the wallet. A real one comes out of a keystore, and `take` wipes what it was taken from.
fn profile(directory: &Path, device: &str) -> Result<Profile, uxf_engine::Error> {
    let engine = Engine::open(directory, EngineOptions::new())?;
    engine.profile(&WalletSecret::take(&mut [7; 32]), device)
}

/// The other program: says where it is, and serves until its input ends.
fn serve(directory: &Path) -> Outcome {
    let profile = profile(directory, "desk")?;
    profile.put("app.from-desk", b"hello from the desk")?;
    let node = Node::builder()
        .serve(profile.clone())
        .listen("/ip4/127.0.0.1/tcp/0".parse()?)
        .spawn()?;
    let address = node.addresses()?.into_iter().next();
    println!("{}", address.ok_or("it listens nowhere")?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    node.shut_down();
    let greeting = profile.get("app.from-phone")?.ok_or("nothing came")?;
    println!("{}", String::from_utf8_lossy(greeting.as_bytes()));
    profile.engine().close()?;
    Ok(())
}

fn sync() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut desk = Command::new(std::env::current_exe()?)
        .arg(directory.path().join("desk"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let outcome = meet(&mut desk, &directory.path().join("phone"));
    if outcome.is_err() {
        desk.kill()?;
    }
    desk.wait()?;
    outcome
}

fn meet(desk: &mut Child, directory: &Path) -> Outcome {
    let mut said = BufReader::new(desk.stdout.take().ok_or("no output")?).lines();
    let address: Multiaddr = said.next().ok_or("it said nothing")??.parse()?;
    println!("the desk is at {address}");
    let profile = profile(directory, "phone")?;
    profile.put("app.from-phone", b"hello from the phone")?;
    let node = Node::builder().serve(profile.clone()).spawn()?;
    let synced = node.sync_once(&address, Duration::from_secs(60))?;
    println!(
        "took {}, gave {}; both have {} operations",
        synced.taken, synced.given, synced.operations
    );
    assert_eq!((synced.taken, synced.given, synced.operations), (1, 1, 2));
    let greeting = profile.get("app.from-desk")?.ok_or("nothing came")?;
    assert_eq!(greeting.as_bytes(), b"hello from the desk");
    node.shut_down();
    // The end of its input tells the desk to end.
    drop(desk.stdin.take());
    let last = said.next().ok_or("it said nothing more")??;
    assert_eq!(last, "hello from the phone");
    println!("the desk has: {last}");
    Ok(())
}

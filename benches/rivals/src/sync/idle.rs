//! What a host of many devices that have nothing to say takes of memory, in a process of its own.

use std::path::Path;
use std::time::Duration;

use uxf_replication::node::Node;

use super::pair::device;
use super::{Measured, Trial, UXF};
use crate::child::Measuring;
use crate::figures::Figure;
use crate::{Outcome, process};

/// The command of the host.
pub(crate) const COMMAND: &str = "sync-host";

const LOOK: Duration = Duration::from_millis(50);

pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Measured>> {
    let count = trial.scaled(1_000);
    let mut host = Measuring::start(COMMAND, trial.dir, &[count.to_string()])?;
    let address: libp2p::Multiaddr = host.line()?.parse()?;
    // One device as often as needed: to the host each is a peer with connection, stream and session.
    let profile = device(trial.dir, "peers")?;
    let mut peers = Vec::with_capacity(count);
    for _ in 0..count {
        let peer = Node::builder().serve(profile.clone()).threads(1);
        peers.push(peer.peer(address.clone()).spawn()?);
    }
    let figures = host.figures()?;
    Ok(figures.into_iter().map(|figure| (UXF, figure)).collect())
}

/// The host: says where it listens, waits until so many sessions are open and then a little, and prints its figures.
pub(crate) fn run_child(arguments: &[String]) -> Outcome<()> {
    let [dir, count] = arguments else {
        return Err("a directory and a number of peers are needed".into());
    };
    let count: usize = count.parse()?;
    let anywhere = "/ip4/127.0.0.1/tcp/0".parse()?;
    let profile = device(Path::new(dir), "host")?;
    let host = Node::builder().serve(profile).listen(anywhere).spawn()?;
    let address = host.addresses()?.into_iter().next();
    println!("{}", address.ok_or("it listens nowhere")?);
    while host.status()?.peers.len() < count {
        std::thread::sleep(LOOK);
    }
    // Threads that were needed to prove membership end after ten seconds without work.
    std::thread::sleep(Duration::from_secs(12));
    let connected = host.status()?.peers.len();
    let (memory, _) = process::memory().ok_or("the memory is not known here")?;
    println!("{}", Figure::lower("sync-idle", memory as f64 / 1e6, "MB"));
    let each = memory as f64 / 1e3 / connected.max(1) as f64;
    println!("{}", Figure::lower("sync-idle-each", each, "kB"));
    Ok(())
}

//! Two devices of one wallet, each with a store on disk and a node.

use std::path::Path;
use std::time::{Duration, Instant};

use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{Wallet, WalletOptions};
use uxf_engine::{Durability, Engine, EngineOptions};
use uxf_replication::node::{Node, Synced};

use crate::Outcome;

const LONGEST: Duration = Duration::from_secs(600);

/// A device whose store makes everything durable before it says so, as wallets do.
pub(super) fn device(dir: &Path, name: &str) -> Outcome<Profile> {
    open(dir, name, Durability::Durable)
}

/// A device whose store is being filled before the clock starts.
pub(super) fn open(dir: &Path, name: &str, durability: Durability) -> Outcome<Profile> {
    let engine = Engine::open(dir.join(name), EngineOptions::new().durability(durability))?;
    Ok(engine.profile(&WalletSecret::take(&mut [7; 32]), name)?)
}

pub(super) fn wallet(profile: &Profile) -> Outcome<Wallet> {
    let address = AddressId::parse("DIRECT_0d5508_b1bbbf")?;
    Ok(profile
        .engine()
        .wallet(profile, &address, WalletOptions::new())?)
}

/// Two nodes of which the first dials.
pub(super) struct Pair {
    pub(super) first: Node,
    pub(super) second: Node,
}

/// What one sync came to.
pub(super) struct Met {
    pub(super) synced: Synced,
    pub(super) seconds: f64,
    /// Bytes on the wire both ways, without what the transport adds.
    pub(super) bytes: u64,
}

impl Pair {
    /// The nodes of two devices, not connected yet.
    pub(super) fn of(first: &Profile, second: &Profile) -> Outcome<Self> {
        let anywhere = "/ip4/127.0.0.1/tcp/0".parse()?;
        let second = Node::builder().serve(second.clone()).listen(anywhere);
        let first = Node::builder().serve(first.clone());
        Ok(Self {
            first: first.spawn()?,
            second: second.spawn()?,
        })
    }

    pub(super) fn meet(&self) -> Outcome<Met> {
        let address = self.second.addresses()?.into_iter().next();
        let address = address.ok_or("it listens nowhere")?;
        let before = self.bytes()?;
        let start = Instant::now();
        let synced = self.first.sync_once(&address, LONGEST)?;
        let seconds = start.elapsed().as_secs_f64();
        let bytes = self.bytes()? - before;
        Ok(Met {
            synced,
            seconds,
            bytes,
        })
    }

    fn bytes(&self) -> Outcome<u64> {
        let metrics = self.first.status()?.metrics;
        Ok(metrics.received_bytes_total + metrics.host.sent_bytes_total)
    }
}

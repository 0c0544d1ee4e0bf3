//! The second half of the demonstration: two devices of one seed, which come together over loopback.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uxf_engine::Engine;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::wallet::{Wallet, WalletImportOptions, WalletOptions};
use uxf_replication::node::{Multiaddr, Node, Synced};

use super::{seed, store};
use crate::args::Cli;
use crate::failure::{Failure, chain};
use crate::output::Output;
use crate::text::{bytes, count};

/// The wallet whose tokens are shown.
const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";
/// Longest time that a sync on one machine is waited for.
const LONGEST: Duration = Duration::from_secs(60);

/// A device in a directory of its own.
struct Device {
    directory: PathBuf,
    profile: Profile,
    wallet: Wallet,
}

/// Everything that two devices of one seed have in common, byte by byte.
#[derive(Debug, PartialEq, Eq)]
struct State {
    values: BTreeMap<String, Vec<u8>>,
    tokens: BTreeMap<String, Vec<u8>>,
}

pub(super) fn run(cli: &Cli, samples: &[&[u8]], out: &Output) -> Result<Value, Failure> {
    out.say("\ntwo devices of one seed, over loopback");
    let first_seed = cli.store().join("first").join("seed");
    let first = Device::open(cli, "first", &first_seed)?;
    let second = Device::open(cli, "second", &first_seed)?;
    for sample in samples {
        first.wallet.import(sample, &WalletImportOptions::new())?;
    }
    first.wallet.save()?;
    first.put("demo.greeting", "hello")?;
    first.put("demo.owner", "first")?;
    let met = meet(&first, &second)?;
    out.say(format!(
        "  first imported tokens; second took {}",
        took(&met)
    ));
    // Apart, neither knows of the other.
    first.put("demo.greeting", "hello from first")?;
    second.put("demo.answer", "and hello from second")?;
    second.put("demo.owner", "second")?;
    second.profile.delete("demo.greeting")?;
    first.put("demo.last", "written on first")?;
    let again = meet(&first, &second)?;
    out.say(format!(
        "  apart, both edited and one deleted what the other one changed; first gave {} and took {}",
        commits(again.given),
        commits(again.taken),
    ));
    let state = equal(&first, &second)?;
    let size = state.tokens.values().map(Vec::len).sum::<usize>();
    out.say(format!(
        "  both have the same {} values and {} tokens ({} of JSON), equal to the last byte",
        count(state.values.len() as u64),
        count(state.tokens.len() as u64),
        bytes(size as u64),
    ));
    let directories = [first.close()?, second.close()?];
    Ok(json!({
        "devices": directories,
        "bundlesMoved": met.bundles,
        "given": again.given,
        "taken": again.taken,
        "values": state.values.len(),
        "tokens": state.tokens.len(),
        "byteEqual": true,
    }))
}

fn took(synced: &Synced) -> String {
    let bundles = many(synced.bundles as u64, "bundle");
    format!("{} and {bundles}", commits(synced.given))
}

fn commits(number: u64) -> String {
    many(number, "commit")
}

fn many(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// Connects both until neither lacks anything of the other.
fn meet(first: &Device, second: &Device) -> Result<Synced, Failure> {
    let node = |device: &Device| {
        let builder = Node::builder().serve(device.profile.clone());
        builder.wallet(device.wallet.clone())
    };
    let anywhere = "/ip4/127.0.0.1/tcp/0".parse::<Multiaddr>();
    let listening = node(second).listen(anywhere.map_err(Failure::new)?);
    let listening = listening.spawn().map_err(|error| failed(&error))?;
    let addresses = listening.addresses().map_err(|error| failed(&error))?;
    let address = addresses.first();
    let address = address.ok_or_else(|| Failure::new("the second device does not listen"))?;
    let dialling = node(first).spawn().map_err(|error| failed(&error))?;
    let synced = dialling.sync_once(address, LONGEST);
    dialling.shut_down();
    listening.shut_down();
    // What came last may not have been taken in before the nodes ended.
    first.wallet.sync()?;
    second.wallet.sync()?;
    synced.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(chain(error))
}

fn equal(first: &Device, second: &Device) -> Result<State, Failure> {
    let (one, other) = (first.state()?, second.state()?);
    let is_equal = first.profile.version_vector()? == second.profile.version_vector()?;
    if !is_equal || one != other {
        return Err(Failure::new("the devices are not equal"));
    }
    Ok(one)
}

impl Device {
    fn open(cli: &Cli, name: &str, seed_file: &Path) -> Result<Self, Failure> {
        let directory = cli.store().join(name);
        let engine = Engine::open(&directory, store::options(cli))
            .map_err(|error| Failure::from(&error).about(directory.display()))?;
        let profile = engine.profile(&secret(seed_file)?, name)?;
        if directory.join("seed") != seed_file {
            seed::note(&directory, seed_file)?;
        }
        let address = AddressId::parse(ADDRESS).map_err(Failure::new)?;
        let wallet = engine.wallet(&profile, &address, WalletOptions::new())?;
        Ok(Self {
            directory,
            profile,
            wallet,
        })
    }

    fn put(&self, key: &str, value: &str) -> Result<(), Failure> {
        Ok(self.profile.put(key, value.as_bytes())?)
    }

    fn state(&self) -> Result<State, Failure> {
        let snapshot = self.profile.engine().snapshot()?;
        let mut values = BTreeMap::new();
        for entry in snapshot.profile(&self.profile).prefix("")? {
            let (key, value) = entry?;
            values.insert(key, value.as_bytes().to_vec());
        }
        let mut tokens = BTreeMap::new();
        for entry in self.wallet.tokens()? {
            let id = entry?.token_id;
            let token = self.wallet.inventory().assemble(&id)?;
            tokens.insert(id, token);
        }
        Ok(State { values, tokens })
    }

    fn close(self) -> Result<PathBuf, Failure> {
        self.profile.engine().close()?;
        Ok(self.directory)
    }
}

/// The seed of both, drawn if the demonstration has not run here before.
fn secret(path: &Path) -> Result<WalletSecret, Failure> {
    if path.exists() {
        Ok(seed::read(path)?)
    } else {
        Ok(seed::draw(path)?)
    }
}

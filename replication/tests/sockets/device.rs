//! What one process is: a device that does what it is told on its input and says on its output what came of it.

use core::time::Duration;
use std::io::Write as _;
use std::path::Path;

use uxf_engine::profile::Profile;
use uxf_engine::profile::sealed::WalletSecret;
use uxf_engine::{Engine, EngineOptions};
use uxf_replication::host::Disconnect;
use uxf_replication::node::{Node, SyncError};

use crate::Outcome;

const LONGEST: Duration = Duration::from_secs(30);

pub(crate) fn run(directory: &Path) -> Outcome<()> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let name = name.ok_or("no name")?.to_owned();
    let engine = Engine::open(directory, EngineOptions::new())?;
    let profile = engine.profile(&WalletSecret::take(&mut [7; 32]), &name)?;
    let identity = *blake3::hash(name.as_bytes()).as_bytes();
    let mut node = None;
    let mut written = values_of(&profile, &name)?;
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("write", number) => {
                for _ in 0..number.parse::<u64>()? {
                    let key = format!("app.{name}.{written}");
                    profile.put(&key, &value(&key))?;
                    written += 1;
                    // Only once the store has said that it is durable.
                    say(format_args!("acked {written}"))?;
                }
            }
            ("listen", _) => {
                let builder = Node::builder().serve(profile.clone()).identity(identity);
                let spawned = builder.listen("/ip4/127.0.0.1/tcp/0".parse()?).spawn()?;
                let address = spawned.addresses()?.into_iter().next();
                say(format_args!("at {}", address.ok_or("it listens nowhere")?))?;
                node = Some(spawned);
            }
            ("sync", address) => {
                let node = node.as_ref().ok_or("it does not listen")?;
                match node.sync_once(&address.parse()?, LONGEST) {
                    Ok(synced) => say(format_args!("even {} {}", synced.taken, synced.given))?,
                    Err(SyncError::Closed {
                        why: Disconnect::Ban(why),
                    }) => {
                        say(format_args!("banned {why}"))?;
                    }
                    Err(error) => say(format_args!("failed {error}"))?,
                }
            }
            ("state", _) => {
                let bans = node.as_ref().map(Node::status).transpose()?;
                let bans = bans.map_or(0, |status| status.metrics.host.bans_total);
                say(format_args!("state {bans} {}", state(&profile)?))?;
            }
            ("count", of) => say(format_args!("count {}", values_of(&profile, of)?))?,
            _ => break,
        }
    }
    drop(node);
    engine.close()?;
    say(format_args!("ended"))
}

fn say(line: core::fmt::Arguments<'_>) -> Outcome<()> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

/// What stands under a key follows from it, so that everybody can check it.
fn value(key: &str) -> Vec<u8> {
    let mut reader = blake3::Hasher::new().update(key.as_bytes()).finalize_xof();
    let mut len = [0; 2];
    reader.fill(&mut len);
    let mut value = vec![0; 100 + usize::from(u16::from_le_bytes(len)) % 6_000];
    reader.fill(&mut value);
    value
}

/// How many values of a device there are, from its first on without a gap.
fn values_of(profile: &Profile, name: &str) -> Outcome<u64> {
    let snapshot = profile.engine().snapshot()?;
    let view = snapshot.profile(profile);
    for number in 0.. {
        let key = format!("app.{name}.{number}");
        match view.get(&key)? {
            Some(found) if found.as_bytes() == value(&key) => {}
            Some(_) => return Err(format!("{key} has another value").into()),
            None => return Ok(number),
        }
    }
    Ok(0)
}

/// A hash of everything that devices have in common.
fn state(profile: &Profile) -> Outcome<String> {
    let mut hash = blake3::Hasher::new();
    for (log, reached) in profile.version_vector()?.iter() {
        hash.update(format!("{log:?} {reached:?}").as_bytes());
    }
    let snapshot = profile.engine().snapshot()?;
    for entry in snapshot.profile(profile).prefix("")? {
        let (key, value) = entry?;
        hash.update(key.as_bytes());
        hash.update(value.as_bytes());
    }
    Ok(hash.finalize().to_hex().to_string())
}

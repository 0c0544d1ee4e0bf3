//! One round: writes, syncs through harm, a kill, and coming together.

use core::fmt;
use core::time::Duration;
use std::path::Path;

use uxf_testkit::Rng;

use crate::Outcome;
use crate::process::Process;
use crate::proxy::{Harm, Proxy};

/// Attempts at a sync that must succeed in the end.
const ATTEMPTS_MAX: usize = 50;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    rounds: u64,
    /// Kills before the victim was even with whom it had to do with.
    in_the_middle: u64,
    proxies: u64,
    failed: u64,
    acked: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} of them before all were even; {} harmful proxies; {} syncs failed and were done again; {} operations \
             written, none lost, all states equal, nobody banned",
            self.rounds, self.in_the_middle, self.proxies, self.failed, self.acked
        )
    }
}

pub(crate) fn live(
    directory: &Path,
    acked: &mut [u64],
    rng: &mut Rng,
    tally: &mut Tally,
) -> Outcome<()> {
    let mut devices = Vec::new();
    let mut addresses = Vec::new();
    for (device, acked) in acked.iter().enumerate() {
        let mut process = Process::start(&directory.join(device.to_string()), *acked)?;
        addresses.push(process.listen(10 + rng.below(60))?);
        devices.push(process);
    }
    let proxies = begin(&mut devices, &addresses, rng)?;
    let victim = rng.index(devices.len());
    let is_even = wait(&mut devices, Duration::from_micros(rng.below(120_000)))?;
    let killed = devices.remove(victim).kill()?;
    tally.rounds += 1;
    tally.in_the_middle += u64::from(!is_even);
    tally.proxies += proxies.len() as u64;
    for proxy in &proxies {
        proxy.heal();
    }
    let mut again = Process::start(&directory.join(victim.to_string()), killed)?;
    let address = again.listen(rng.below(10))?;
    devices.insert(victim, again);
    if let Some(place) = addresses.get_mut(victim) {
        *place = address;
    }
    come_together(&mut devices, &addresses, tally)?;
    judge(&mut devices)?;
    for (acked, device) in acked.iter_mut().zip(devices) {
        tally.acked += device.acked - *acked;
        *acked = device.acked;
        device.end()?;
    }
    Ok(())
}

/// Has each begin to sync with the one before it, every other time through a proxy.
fn begin(devices: &mut [Process], addresses: &[String], rng: &mut Rng) -> Outcome<Vec<Proxy>> {
    let mut proxies = Vec::new();
    for (device, address) in devices.iter_mut().skip(1).zip(addresses) {
        let mut to = address.clone();
        if rng.percent(50) {
            let proxy = Proxy::start(address, Harm::draw(rng))?;
            to.clone_from(&proxy.address);
            proxies.push(proxy);
        }
        device.tell(&format!("sync {to}"))?;
        device.is_heard = false;
    }
    Ok(proxies)
}

/// Lets some time pass; whether all syncs were done in it.
fn wait(devices: &mut [Process], time: Duration) -> Outcome<bool> {
    // The last one's is the last that was begun; who has not answered by the end of the time is in the middle.
    let mut is_even = true;
    let mut left = time;
    for device in devices.iter_mut().skip(1) {
        if let Some(said) = device.hear(left)? {
            is_even &= said.starts_with("even");
            device.is_heard = true;
        } else {
            is_even = false;
            left = Duration::ZERO;
        }
    }
    Ok(is_even)
}

/// Along the chain and back, so that everybody has everything.
fn come_together(devices: &mut [Process], addresses: &[String], tally: &mut Tally) -> Outcome<()> {
    for device in devices.iter_mut().skip(1).filter(|device| !device.is_heard) {
        // What came of what it was told before the kill.
        device.answer()?;
    }
    let along = 1..devices.len();
    for device in along.clone().chain(along.rev()) {
        let (Some(one), Some(address)) = (devices.get_mut(device), addresses.get(device - 1))
        else {
            continue;
        };
        let mut attempts = 0;
        loop {
            let said = one.ask(&format!("sync {address}"))?;
            if said.starts_with("even") {
                break;
            }
            attempts += 1;
            tally.failed += 1;
            if attempts > ATTEMPTS_MAX {
                return Err(format!("device {device} does not get through: {said}").into());
            }
        }
    }
    Ok(())
}

/// All have the same state, nobody was banned, and nothing that was said to be written is missing anywhere.
fn judge(devices: &mut [Process]) -> Outcome<()> {
    let acked: Vec<u64> = devices.iter().map(|device| device.acked).collect();
    let mut states = Vec::new();
    for device in devices.iter_mut() {
        states.push(device.ask("state")?);
        for (name, acked) in acked.iter().enumerate() {
            let said = device.ask(&format!("count {name}"))?;
            let count: u64 = said.strip_prefix("count ").ok_or("no count")?.parse()?;
            if count < *acked {
                return Err(
                    format!("{acked} of device {name} were written, {count} are there").into(),
                );
            }
        }
    }
    let is_equal = states.windows(2).all(|pair| pair.first() == pair.last());
    let is_banned = states.iter().any(|state| !state.starts_with("state 0 "));
    if !is_equal || is_banned {
        return Err(format!("states differ, or somebody is banned: {states:?}").into());
    }
    Ok(())
}

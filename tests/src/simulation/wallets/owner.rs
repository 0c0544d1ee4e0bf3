//! One device: a store on a disk in memory, with a profile and a wallet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uxf_codec::ElementHash;
use uxf_engine::Engine;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::profile::merge::SpentSet;
use uxf_engine::wallet::{TokenStatus, Wallet, WalletOptions};
use uxf_testkit::disk::MemoryDisk;

use super::model::Known;
use super::tokens::{MATERIAL, State};
use crate::crash::text;
use crate::simulation::device::{SetClock, switch_on};

const ADDRESS: &str = "DIRECT_0d5508_b1bbbf";

/// What a wallet shows of a token: its root, how it stands, and the heads that contradict each other.
pub(super) type Shown = BTreeMap<String, (ElementHash, TokenStatus, Vec<ElementHash>)>;

/// What is stored of a wallet as far as it can be compared: what it shows, and the list of spent states.
type Stored = (Shown, SpentSet);

/// A device that is switched on.
#[derive(Debug)]
pub(super) struct Owner {
    disk: MemoryDisk,
    pub(super) clock: Arc<SetClock>,
    pub(super) profile: Profile,
    pub(super) wallet: Wallet,
    /// What it must know.
    pub(super) known: Known,
    /// What it showed, which list of spent states it had, and what it knew, after each step since everything was durable.
    past: Vec<(Stored, Known)>,
    is_durable: bool,
    seed: u64,
    opened: u64,
}

impl Owner {
    /// A new device with an empty disk.
    pub(super) fn new(name: &str, millis: u64, seed: u64) -> Result<Self, String> {
        let (disk, clock) = (MemoryDisk::new(Vec::new()), SetClock::at(millis));
        let (profile, wallet, is_durable) = open(&disk, &clock, seed, Some(name))?;
        Ok(Self {
            disk,
            clock,
            profile,
            wallet,
            known: Known::default(),
            past: vec![((Shown::new(), SpentSet::default()), Known::default())],
            is_durable,
            seed,
            opened: 1,
        })
    }

    pub(super) fn engine(&self) -> &Engine {
        self.profile.engine()
    }

    pub(super) fn shown(&self) -> Result<Shown, String> {
        let mut shown = Shown::new();
        for token in self.wallet.tokens().map_err(text)? {
            let token = token.map_err(text)?;
            let row = (token.root, token.status, token.heads);
            shown.insert(token.token_id, row);
        }
        Ok(shown)
    }

    fn stored(&self) -> Result<Stored, String> {
        let spent = self.wallet.spent_states().map_err(text)?;
        Ok((self.shown()?, spent))
    }

    /// Notes what there is after a step.
    pub(super) fn note(&mut self) -> Result<(), String> {
        if self.is_durable {
            self.past.clear();
        }
        self.past.push((self.stored()?, self.known.clone()));
        Ok(())
    }

    /// Everything is durable from now on.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        self.engine().flush().map_err(text)?;
        self.past.clear();
        self.note()
    }

    /// Switches it off and on: in order, or by pulling the plug, which may take the last steps back; how many.
    pub(super) fn restart(&mut self, pulls_plug: bool) -> Result<u64, String> {
        if !pulls_plug {
            self.engine().close().map_err(text)?;
        }
        // A copy, so that what is left of the old engine has a disk of its own.
        let disk = MemoryDisk::new(self.disk.image());
        self.opened += 1;
        let seed = self.seed ^ (self.opened << 48);
        (self.profile, self.wallet, self.is_durable) = open(&disk, &self.clock, seed, None)?;
        self.disk = disk;
        let stored = self.stored()?;
        let steps = self.past.len();
        let found = self.past.iter().rposition(|(past, _)| *past == stored);
        let kept = found.ok_or("a restart left what there never was")?;
        let lost = steps - 1 - kept;
        if lost > 0 && !pulls_plug {
            return Err(format!("closing in order lost {lost} steps"));
        }
        let (_, known) = self.past.swap_remove(kept);
        self.known = known;
        self.past.clear();
        self.note()?;
        Ok(lost as u64)
    }

    /// Compares what it shows with what it must know and has spent. `spent` is what anybody has spent, which it may have
    /// heard of or not.
    pub(super) fn check(&self, spent: &Known) -> Result<(), String> {
        let mut shown = BTreeSet::new();
        for (root, _, heads) in self.shown()?.values() {
            for root in [root].into_iter().chain(heads) {
                shown.insert(MATERIAL.state(root)?);
            }
        }
        for state in &shown {
            if !self.known.states.contains(state) {
                return Err(format!("it shows {state:?}, which it does not know"));
            }
            if self.known.has_spent(*state) {
                return Err(format!("it shows {state:?}, which was spent on it"));
            }
        }
        let is_there = |state: State| shown.iter().any(|newer| newer.has_been(state));
        let mut live = self.known.states.iter();
        match live.find(|state| !spent.has_spent(**state) && !is_there(**state)) {
            Some(state) => Err(format!("it knows {state:?} and does not show it")),
            None => Ok(()),
        }
    }
}

fn open(
    disk: &MemoryDisk,
    clock: &Arc<SetClock>,
    seed: u64,
    name: Option<&str>,
) -> Result<(Profile, Wallet, bool), String> {
    let (profile, is_durable) = switch_on(disk, clock, seed, 400, name)?;
    let address = AddressId::parse(ADDRESS).map_err(text)?;
    let wallet = (profile.engine()).wallet(&profile, &address, WalletOptions::new());
    Ok((profile, wallet.map_err(text)?, is_durable))
}

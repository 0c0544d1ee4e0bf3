//! What happens between the devices.

use std::collections::BTreeMap;

use uxf_codec::carriage::car::{CarLimits, CarReader};
use uxf_codec::package::Package;
use uxf_engine::oplog::LogError;
use uxf_engine::profile::{Delta, ProfileError};
use uxf_engine::wallet::{Consolidation, VerdictClass, WalletImportOptions};
use uxf_engine::{Durability, Error};
use uxf_testkit::Rng;

use super::counts::WalletCounts;
use super::model::Known;
use super::owner::Owner;
use super::tokens::{MATERIAL, State};
use crate::crash::text;

const NOW: u64 = 1_800_000_000_000;
/// Bundles that are saved on the way; at the end every device may save, and 20 are the most that a wallet has.
const BUNDLES_MAX: usize = 10;
const MESSAGES_MAX: usize = 12;

/// Something on its way.
#[derive(Clone, Debug)]
enum Message {
    Delta(Delta),
    /// A bundle in its archive.
    Bundle(String),
    /// A bundle block by block.
    Blocks(String),
}

/// A bundle that somebody saved.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) car: Vec<u8>,
    pub(super) states: Vec<State>,
}

impl Saved {
    fn read(car: Vec<u8>) -> Result<Self, String> {
        let package = Package::from_car(&car).map_err(text)?;
        let roots = package.manifest().iter().map(|(_, root)| root);
        let states = roots.map(|root| MATERIAL.state(root));
        let states = states.collect::<Result<_, _>>()?;
        Ok(Self { car, states })
    }
}

/// The devices and what is between them.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) owners: Vec<Owner>,
    messages: Vec<(usize, Message)>,
    /// Every bundle that was ever exported.
    pub(super) saved: BTreeMap<String, Saved>,
    pub(super) counts: WalletCounts,
}

/// Lives through the history of a seed. With `forgets` the model is told of a state that nobody ever had, which must end
/// in an error.
///
/// # Errors
/// What does not hold.
pub fn simulate_wallets(seed: u64, forgets: bool) -> Result<WalletCounts, String> {
    let mut world = World::new(seed)?;
    let steps = 12 + world.rng.below(28);
    for step in 0..steps {
        world
            .step()
            .map_err(|reason| format!("step {step}: {reason}"))?;
    }
    if forgets && let Some(owner) = world.owners.first_mut() {
        let state = State {
            token: usize::MAX,
            at: 0,
            is_forked: false,
        };
        owner.known.states.insert(state);
    }
    world.meet()?;
    if world.rng.percent(50) {
        world.merge_bundles()?;
    }
    world.judge()?;
    world.counts.seeds = 1;
    world.counts.devices = world.owners.len() as u64;
    Ok(world.counts)
}

impl World {
    fn new(seed: u64) -> Result<Self, String> {
        let mut rng = Rng::new(seed);
        let mut owners = Vec::new();
        for number in 0..2 + rng.below(2) {
            let millis = NOW + rng.below(60_000);
            let name = format!("device {number}");
            owners.push(Owner::new(&name, millis, rng.next_u64())?);
        }
        Ok(Self {
            rng,
            owners,
            messages: Vec::new(),
            saved: BTreeMap::new(),
            counts: WalletCounts::default(),
        })
    }

    pub(super) fn owner(&mut self, at: usize) -> Result<&mut Owner, String> {
        self.owners
            .get_mut(at)
            .ok_or_else(|| format!("no device {at}"))
    }

    /// What all devices know together.
    pub(super) fn known(&self) -> Known {
        let mut known = Known::default();
        for owner in &self.owners {
            known.add(&owner.known);
        }
        known
    }

    fn step(&mut self) -> Result<(), String> {
        let mut at = self.rng.index(self.owners.len());
        match self.rng.below(100) {
            0..30 => self.import(at)?,
            30..40 if self.saved.len() < BUNDLES_MAX => self.save(at)?,
            30..46 => self.spend(at)?,
            46..50 => self.consolidate(at)?,
            50..60 => self.send_delta(at)?,
            60..72 => self.send_bundle(at)?,
            72..92 => {
                let message = self.rng.index(self.messages.len());
                if message < self.messages.len() {
                    let (to, message) = self.messages.swap_remove(message);
                    at = to;
                    self.deliver(to, &message)?;
                    if self.rng.percent(30) {
                        self.messages.push((to, message));
                    }
                }
            }
            _ => self.sync(at)?,
        }
        self.owner(at)?.note()?;
        let known = self.known();
        self.owner(at)?.check(&known)?;
        if self.rng.percent(20) {
            self.restart(at)?;
            let known = self.known();
            self.owner(at)?.check(&known)?;
        }
        let millis = self.rng.below(5_000);
        let clock = &self.owner(at)?.clock;
        clock.set(clock.millis() + millis);
        Ok(())
    }

    fn restart(&mut self, at: usize) -> Result<(), String> {
        let pulls_plug = self.rng.percent(60);
        let lost = self.owner(at)?.restart(pulls_plug)?;
        self.counts.restarts += 1;
        self.counts.plugs += u64::from(pulls_plug);
        self.counts.lost += lost;
        Ok(())
    }

    fn import(&mut self, at: usize) -> Result<(), String> {
        let states = MATERIAL.states();
        let count = 1 + self.rng.index(3);
        let offered: Vec<_> = (0..count)
            .filter_map(|_| states.get(self.rng.index(states.len())))
            .collect();
        let json: Vec<_> = offered.iter().map(|(_, json)| json.as_str()).collect();
        let json = format!("[{}]", json.join(","));
        let owner = self.owner(at)?;
        let report = owner
            .wallet
            .import(json.as_bytes(), &WalletImportOptions::new())
            .map_err(text)?;
        let mut imported = 0;
        for ((state, _), verdict) in offered.iter().zip(&report.verdicts) {
            match verdict.code.class() {
                VerdictClass::Added => {
                    owner.known.states.insert(*state);
                    imported += 1;
                }
                VerdictClass::Skipped => {}
                VerdictClass::Rejected => return Err(format!("{state:?}: {verdict:?}")),
            }
        }
        self.counts.imported += imported;
        Ok(())
    }

    /// Saves; whether there was something to save.
    pub(super) fn save_all(&mut self, at: usize) -> Result<bool, String> {
        let known = self.known();
        let owner = self.owner(at)?;
        let report = owner.wallet.save().map_err(text)?;
        for token in owner.wallet.tokens().map_err(text)? {
            let token = token.map_err(text)?;
            // What was spent elsewhere is in no save, although it is shown until the next sync.
            let roots = [token.root].into_iter().chain(token.heads.iter().copied());
            let states = roots.map(|root| MATERIAL.state(&root));
            let states = states.collect::<Result<Vec<_>, _>>()?;
            let is_spent = states.iter().any(|state| known.has_spent(*state));
            if token.is_unsaved && !is_spent {
                return Err(format!("{states:?} are not saved"));
            }
        }
        if !report.too_large.is_empty() {
            return Err("a token that is too large to be saved".to_owned());
        }
        let mut saved = Vec::new();
        for cid in &report.bundles {
            let mut car = Vec::new();
            owner.wallet.export_bundle(cid, &mut car).map_err(text)?;
            let bundle = Saved::read(car)?;
            let mut states = bundle.states.iter();
            if let Some(state) = states.find(|state| owner.known.has_spent(**state)) {
                return Err(format!("{state:?} was spent and is in a bundle"));
            }
            saved.push((cid.clone(), bundle));
        }
        self.counts.bundles += saved.len() as u64;
        self.saved.extend(saved);
        Ok(!report.bundles.is_empty())
    }

    /// A step of a consolidation, so that there may be a restart between any two; whether there are more.
    pub(super) fn consolidate_step(&mut self, at: usize) -> Result<bool, String> {
        let owner = self.owner(at)?;
        let next = owner.wallet.consolidate_step().map_err(text)?;
        owner.note()?;
        match next {
            Consolidation::Settling { until } => {
                owner.clock.set(until.0 * 1_000);
                Ok(true)
            }
            Consolidation::Underway(_) => Ok(true),
            Consolidation::Done(report) => {
                self.counts.consolidations += 1;
                for cid in &report.results {
                    self.bundle(cid)?;
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn consolidate(&mut self, at: usize) -> Result<(), String> {
        for _ in 0..=self.rng.below(8) {
            let is_underway = self.consolidate_step(at)?;
            let known = self.known();
            self.owner(at)?.check(&known)?;
            if !is_underway {
                break;
            }
            if self.rng.percent(20) {
                self.restart(at)?;
            }
        }
        Ok(())
    }

    /// A bundle that somebody has.
    pub(super) fn bundle(&mut self, cid: &str) -> Result<&Saved, String> {
        if !self.saved.contains_key(cid) {
            let mut owners = self.owners.iter();
            let car = owners.find_map(|owner| {
                let mut car = Vec::new();
                let found = owner.wallet.export_bundle(cid, &mut car).is_ok();
                found.then_some(car)
            });
            let saved = Saved::read(car.ok_or_else(|| format!("nobody has {cid}"))?)?;
            self.saved.insert(cid.to_owned(), saved);
        }
        self.saved
            .get(cid)
            .ok_or_else(|| "no such bundle".to_owned())
    }

    fn save(&mut self, at: usize) -> Result<(), String> {
        self.save_all(at).map(|_| ())
    }

    fn spend(&mut self, at: usize) -> Result<(), String> {
        let number = self.rng.next_u64();
        let owner = self.owner(at)?;
        let shown = owner.shown()?;
        let Some(chosen) = number.checked_rem(shown.len() as u64) else {
            return Ok(());
        };
        let chosen = usize::try_from(chosen).unwrap_or_default();
        let Some((id, (root, ..))) = shown.iter().nth(chosen) else {
            return Ok(());
        };
        if !owner.wallet.spend(id).map_err(text)? {
            return Err(format!("{id} is shown and cannot be spent"));
        }
        owner.known.spent.insert(MATERIAL.state(root)?);
        self.counts.spent += 1;
        Ok(())
    }

    fn send(&mut self, to: usize, message: Message) {
        if self.messages.len() >= MESSAGES_MAX {
            let lost = self.rng.index(self.messages.len());
            self.messages.swap_remove(lost);
        }
        self.messages.push((to, message));
    }

    fn send_delta(&mut self, from: usize) -> Result<(), String> {
        let to = self.rng.index(self.owners.len());
        let theirs = self.owner(to)?.profile.version_vector().map_err(text)?;
        let delta = self.give(from, &theirs)?;
        self.send(to, Message::Delta(delta));
        Ok(())
    }

    /// What a device has and another lacks. What is given away is durable.
    pub(super) fn give(
        &mut self,
        from: usize,
        theirs: &uxf_engine::oplog::VersionVector,
    ) -> Result<Delta, String> {
        let budget = 2_000 + self.rng.index(60_000);
        let owner = self.owner(from)?;
        let delta = owner.profile.delta_for(theirs, budget).map_err(text)?;
        owner.flush()?;
        Ok(delta)
    }

    fn send_bundle(&mut self, from: usize) -> Result<(), String> {
        let to = self.rng.index(self.owners.len());
        let cids: Vec<_> = self.saved.keys().cloned().collect();
        let Some(cid) = cids.get(self.rng.index(cids.len())) else {
            return Ok(());
        };
        // Only who has it can send it; its archive is the same whoever makes it.
        let mut car = Vec::new();
        let owner = self.owner(from)?;
        if owner.wallet.export_bundle(cid, &mut car).is_err() {
            return Ok(());
        }
        let message = if self.rng.percent(70) {
            Message::Bundle(cid.clone())
        } else {
            Message::Blocks(cid.clone())
        };
        self.send(to, message);
        Ok(())
    }

    fn deliver(&mut self, to: usize, message: &Message) -> Result<(), String> {
        match message {
            Message::Delta(delta) => self.take_delta(to, delta).map(|_| ()),
            Message::Bundle(cid) => {
                if self.rng.percent(30) {
                    self.take_damaged(to, cid)?;
                }
                self.take_bundle(to, cid).map(|_| ())
            }
            Message::Blocks(cid) => self.take_blocks(to, cid),
        }
    }

    /// Whether there was something new in a delta.
    pub(super) fn take_delta(&mut self, to: usize, delta: &Delta) -> Result<bool, String> {
        match self.owner(to)?.profile.ingest(delta) {
            Ok(outcome) if outcome.parked > 0 => Err("a commit was parked".to_owned()),
            Ok(outcome) => Ok(outcome.applied > 0),
            // What came before was lost on the way.
            Err(Error::Profile(ProfileError::Log { source, .. }))
                if matches!(*source, LogError::Gap { .. }) =>
            {
                Ok(false)
            }
            Err(error) => Err(format!("refused: {}", text(error))),
        }
    }

    /// Whether a bundle is new to a device.
    pub(super) fn take_bundle(&mut self, to: usize, cid: &str) -> Result<bool, String> {
        self.bundle(cid)?;
        let saved = self.saved.get(cid).ok_or("a bundle that nobody saved")?;
        let owner = self.owners.get_mut(to).ok_or("no such device")?;
        let taken = owner.wallet.add_bundle_car(cid, &saved.car).map_err(text)?;
        if taken.tokens != saved.states.len() as u64 {
            return Err(format!("{taken:?} of {} tokens", saved.states.len()));
        }
        owner.known.states.extend(&saved.states);
        self.counts.taken += u64::from(taken.is_new);
        Ok(taken.is_new)
    }

    /// An archive that is cut off, or that is of another bundle, changes nothing.
    fn take_damaged(&mut self, to: usize, cid: &str) -> Result<(), String> {
        let saved = self.saved.get(cid).ok_or("a bundle that nobody saved")?;
        let mut car = saved.car.clone();
        if self.rng.percent(50) {
            car.truncate(self.rng.index(car.len()));
        } else if let Some((_, other)) = self.saved.iter().find(|(other, _)| *other != cid) {
            car.clone_from(&other.car);
        } else {
            return Ok(());
        }
        let owner = self.owners.get(to).ok_or("no such device")?;
        let before = owner.shown()?;
        match owner.wallet.add_bundle_car(cid, &car) {
            // One that is here already is not read again.
            Ok(taken) if taken.is_new => Err("a damaged bundle was taken in".to_owned()),
            Ok(_) => Ok(()),
            Err(_) if owner.shown()? != before => {
                Err("what was refused changed something".to_owned())
            }
            Err(_) => {
                self.counts.refused += 1;
                Ok(())
            }
        }
    }

    /// Blocks that nothing refers to yet, and a look at what they are.
    fn take_blocks(&mut self, to: usize, cid: &str) -> Result<(), String> {
        let saved = self.saved.get(cid).ok_or("a bundle that nobody saved")?;
        let owner = self.owners.get_mut(to).ok_or("no such device")?;
        let guard = owner.engine().begin_import();
        let mut batch = owner.engine().begin().durability(Durability::Buffered);
        let mut reader = CarReader::new(&saved.car[..], CarLimits::REFERENCE).map_err(text)?;
        while let Some(block) = reader.next_block().map_err(text)? {
            if batch.put(block.bytes).is_err() {
                batch.put_opaque(block.bytes).map_err(text)?;
            }
        }
        batch.commit().map_err(text)?;
        let outcome = self.sync(to);
        drop(guard);
        outcome
    }

    pub(super) fn sync(&mut self, at: usize) -> Result<(), String> {
        let owner = self.owners.get_mut(at).ok_or("no such device")?;
        let report = owner.wallet.sync().map_err(text)?;
        if let Some(waiting) = report
            .waiting
            .iter()
            .find(|one| one.error.code() != "BUNDLE_NOT_FOUND")
        {
            return Err(format!("{waiting:?}"));
        }
        for cid in &report.taken {
            let states = self.bundle(cid)?.states.clone();
            self.owner(at)?.known.states.extend(&states);
            self.counts.taken += 1;
        }
        // It may be several commits, of which a power cut could take the last.
        self.owner(at)?.flush()
    }
}

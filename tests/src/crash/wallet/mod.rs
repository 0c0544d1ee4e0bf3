//! A wallet under power cuts: saves, bundles of other devices, imports, spent tokens, consolidation and promotion step by
//! step.
//!
//! What the store should then show is what an honest replay says: the same life on a store that never loses power, as it
//! stands after each step. Each step is one commit, so a cut shows the wallet before or after it and nothing between.

mod foreign;
mod shown;

use std::cell::OnceCell;
use std::sync::Arc;

use uxf_codec::ElementHash;
use uxf_engine::profile::Profile;
use uxf_engine::profile::keys::AddressId;
use uxf_engine::wallet::collections::Collections;
use uxf_engine::wallet::{
    ContentHash, DispositionReason, ImportMode, Wallet, WalletImportOptions, WalletOptions,
};
use uxf_engine::{Clock, Engine, Error};
use uxf_testkit::Rng;
use uxf_testkit::crash::{CrashSubject, History, Promise};
use uxf_testkit::disk::{MemoryDisk, RecordingDisk};

use self::foreign::{Foreign, ForeignStep};
pub use self::shown::WalletShown;
use super::profile::{START_MS, secret};
use super::text;
use super::workload::options;
use crate::simulation::device::{SeededEntropy, SetClock};

/// Steps of one life.
const STEPS: usize = 24;
const HOUR_MS: u64 = 3_600_000;

/// The wallet as the crash harness sees it.
#[derive(Debug)]
pub struct WalletSubject {
    foreign: Foreign,
    /// Tokens to import, in several states each.
    tokens: Vec<String>,
}

impl WalletSubject {
    /// A wallet with what other devices have for it.
    ///
    /// # Errors
    /// What the engine says.
    pub fn new() -> Result<Self, String> {
        let tokens = foreign::tokens("crash own", 10)?;
        Ok(Self {
            foreign: Foreign::new()?,
            tokens,
        })
    }
}

/// A store with a wallet in it.
struct Stage {
    engine: Engine,
    profile: Profile,
    wallet: Wallet,
    /// Once something of them was asked for: opening them ends promotions, which is several commits.
    collections: OnceCell<Collections>,
    /// That of every record.
    content: ContentHash,
}

impl Stage {
    fn new(engine: Engine) -> Result<Self, Error> {
        let profile = engine.profile(&secret(), "phone")?;
        let address = AddressId::parse("DIRECT_0d5508_b1bbbf");
        let address = address.map_err(|_| Error::UnknownInput)?;
        let wallet = engine.wallet(&profile, &address, WalletOptions::new())?;
        let content = ContentHash::parse(&"aa".repeat(32));
        Ok(Self {
            engine,
            profile,
            wallet,
            collections: OnceCell::new(),
            content: content.map_err(|_| Error::UnknownInput)?,
        })
    }

    fn collections(&self) -> Result<&Collections, Error> {
        if self.collections.get().is_none() {
            drop(self.collections.set(self.wallet.collections()?));
        }
        self.collections.get().ok_or(Error::Closed)
    }

    fn shown(&self) -> Result<WalletShown, String> {
        WalletShown::of(&self.engine, &self.profile, &self.wallet)
    }

    fn play(&self, deed: &Deed<'_>) -> Result<(), Error> {
        match deed {
            Deed::Import(json, mode) => {
                let options = WalletImportOptions::new().mode(*mode);
                self.wallet.import(json.as_bytes(), &options)?;
            }
            Deed::Save => full(self.wallet.save())?,
            Deed::Take(cid, car) => full(self.wallet.add_bundle_car(cid, car))?,
            Deed::Hear(delta) => {
                self.profile.ingest(delta)?;
            }
            Deed::Recover => {
                self.wallet.recover()?;
            }
            Deed::Sync => {
                self.wallet.sync()?;
            }
            Deed::Spend(token_id) => {
                self.wallet.spend(token_id)?;
            }
            Deed::Consolidate => {
                self.wallet.consolidate_step()?;
            }
            Deed::Sweep => {
                self.engine.sweep(u64::MAX)?;
            }
            Deed::Observe(token_id) => {
                let reason = DispositionReason::NotOurState;
                let audit = self.collections()?.audit();
                deleted(audit.observe(token_id, &self.content, reason, "b1"))?;
            }
            Deed::Promote(token_id, root) => {
                let audit = self.collections()?.audit();
                deleted(audit.promote_one_step(token_id, &self.content, root))?;
            }
        }
        Ok(())
    }
}

/// A promotion may find nothing to promote, or another state than that it is for.
fn deleted<T>(done: Result<T, Error>) -> Result<(), Error> {
    match done {
        Ok(_) | Err(Error::Collection(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A wallet that has no room for another bundle is none of the faults looked for.
fn full<T>(done: Result<T, Error>) -> Result<(), Error> {
    match done {
        Ok(_) | Err(Error::LimitExceeded { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A step of a life: one commit at most.
#[derive(Clone, Debug)]
enum Deed<'s> {
    Import(String, ImportMode),
    Save,
    Take(&'s str, &'s [u8]),
    Hear(&'s uxf_engine::profile::Delta),
    Recover,
    Sync,
    Spend(String),
    Consolidate,
    Sweep,
    Observe(String),
    Promote(String, ElementHash),
}

/// A life that a seed decides, on a store under power cuts and on one that knows none.
struct Life<'s> {
    subject: &'s WalletSubject,
    rng: Rng,
    clock: Arc<SetClock>,
    seed: u64,
    honest: Stage,
    /// Steps of other devices that were taken.
    heard: usize,
}

impl CrashSubject for WalletSubject {
    type State = Option<WalletShown>;

    fn work(
        &self,
        seed: u64,
        disk: &RecordingDisk,
        history: &mut History<Self::State>,
    ) -> Result<(), String> {
        let mut rng = Rng::new(seed);
        let clock = SetClock::at(START_MS);
        let entropy = rng.next_u64();
        let open = |rng: &mut Rng| {
            options(rng)
                .clock(Arc::clone(&clock) as Arc<dyn Clock>)
                .entropy(Arc::new(SeededEntropy::new(entropy)))
        };
        history.begin(None);
        let engine = Engine::open_with_backend(disk.clone(), open(&mut rng)).map_err(text)?;
        history.acknowledge(Promise::Durable);
        let honest = Engine::open_with_backend(MemoryDisk::default(), open(&mut rng));
        let honest = Stage::new(honest.map_err(text)?).map_err(text)?;
        history.begin(Some(honest.shown()?));
        let mut stage = Stage::new(engine).map_err(text)?;
        history.acknowledge(Promise::Durable);
        let mut life = Life {
            subject: self,
            rng,
            clock: Arc::clone(&clock),
            seed,
            honest,
            heard: 0,
        };
        for _ in 0..STEPS {
            // Whoever opens a wallet in which a promotion was begun ends it, in several commits.
            if life.rng.percent(8) && !life.honest.shown()?.is_promoting() {
                stage.engine.close().map_err(text)?;
                drop(stage);
                let engine = Engine::open_with_backend(disk.clone(), open(&mut life.rng));
                stage = Stage::new(engine.map_err(text)?).map_err(text)?;
                continue;
            }
            for deed in life.next()? {
                life.play(&stage, &deed, history)?;
            }
        }
        stage.engine.close().map_err(text)
    }

    fn recover(&self, disk: &RecordingDisk) -> Result<(), String> {
        let engine = Engine::open_with_backend(disk.clone(), options(&mut Rng::new(0)));
        engine.and_then(|engine| engine.close()).map_err(text)
    }

    fn check(&self, disk: &RecordingDisk, allowed: &[Self::State]) -> Result<(), String> {
        let engine = Engine::open_with_backend(disk.clone(), options(&mut Rng::new(0)));
        shown::judge(engine.map_err(text)?, allowed)
    }
}

impl<'s> Life<'s> {
    fn play(
        &self,
        stage: &Stage,
        deed: &Deed<'s>,
        history: &mut History<Option<WalletShown>>,
    ) -> Result<(), String> {
        let failed = |error: Error| format!("seed {} {deed:?}: {}", self.seed, text(error));
        self.honest.play(deed).map_err(failed)?;
        history.begin(Some(self.honest.shown()?));
        // Whoever believes everything takes a step for done before it was begun.
        history.acknowledge(Promise::Buffered);
        stage.play(deed).map_err(failed)?;
        let (honest, found) = (self.honest.shown()?, stage.shown()?);
        if honest != found {
            let what = honest.difference(&found);
            return Err(format!("seed {} {deed:?}: {what}", self.seed));
        }
        history.acknowledge(Promise::Durable);
        Ok(())
    }

    /// What comes next, by what the honest store shows.
    fn next(&mut self) -> Result<Vec<Deed<'s>>, String> {
        let shown = self.honest.shown()?;
        // A run that is under way is mostly gone on with: what comes between is a step or two.
        if shown.is_locked() && self.rng.percent(70) {
            self.clock.set(self.clock.millis() + 31_000);
            return Ok(vec![
                Deed::Consolidate,
                Deed::Consolidate,
                Deed::Consolidate,
            ]);
        }
        if !shown.is_locked() && shown.has_superseded() && self.rng.percent(25) {
            return Ok(vec![self.wait(8 * 24)]);
        }
        Ok(match self.rng.below(19) {
            0..=3 => vec![self.import()],
            4..=6 => vec![Deed::Save],
            // While bundles wait to be let go of, a sync is several commits.
            7..=9 if !shown.is_locked() => self.hear(),
            10..=11 => {
                let tokens: Vec<_> = shown.tokens().collect();
                let token = self.rng.pick(&tokens).map(|id| (*id).to_owned());
                token.map(Deed::Spend).into_iter().collect()
            }
            12 => vec![Deed::Sweep],
            16..=18 => self.promote(&shown),
            13 if !shown.is_locked() => {
                let hours = 1 + self.rng.below(30);
                vec![self.wait(hours)]
            }
            _ => {
                // So that a lock has lain long enough.
                self.clock.set(self.clock.millis() + 31_000);
                vec![Deed::Consolidate]
            }
        })
    }

    /// Records that a token does not count, or some steps on the way to its counting.
    fn promote(&mut self, shown: &WalletShown) -> Vec<Deed<'s>> {
        let tokens: Vec<_> = shown.tokens().collect();
        let Some(token_id) = self.rng.pick(&tokens).map(|id| (*id).to_owned()) else {
            return Vec::new();
        };
        let steps = self.rng.below(4);
        let root = shown.root(&token_id);
        let step = root.map(|root| Deed::Promote(token_id.clone(), root));
        let mut deeds = vec![Deed::Observe(token_id)];
        deeds.extend((0..steps).filter_map(|_| step.clone()));
        deeds
    }

    fn wait(&self, hours: u64) -> Deed<'s> {
        self.clock.set(self.clock.millis() + hours * HOUR_MS);
        Deed::Sync
    }

    fn import(&mut self) -> Deed<'s> {
        let mut tokens = Vec::new();
        for _ in 0..=self.rng.below(3) {
            tokens.extend(self.rng.pick(&self.subject.tokens).map(String::as_str));
        }
        let lenient = self.rng.percent(30);
        let mode = if lenient {
            ImportMode::Lenient
        } else {
            ImportMode::Strict
        };
        Deed::Import(format!("[{}]", tokens.join(",")), mode)
    }

    /// The next two things that another device did: bundles of its, and what its profile says.
    fn hear(&mut self) -> Vec<Deed<'s>> {
        let steps = self.subject.foreign.steps.iter().skip(self.heard).take(2);
        // What is due goes first, so that the sync has no more to do than to let go of one bundle.
        let mut deeds = vec![Deed::Recover];
        for ForeignStep { bundle, delta } in steps {
            self.heard += 1;
            if let Some((cid, car)) = bundle {
                deeds.push(Deed::Take(cid, car));
            }
            deeds.extend([Deed::Hear(delta), Deed::Sync]);
        }
        deeds
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uxf_testkit::crash::{CrashOptions, cut_power};

    use super::*;

    #[test]
    fn a_wallet_keeps_what_it_has_promised_through_power_cuts() {
        let options = CrashOptions {
            cuts: 150,
            ..CrashOptions::default()
        };
        let subject = WalletSubject::new().unwrap();
        let report = cut_power(&subject, &options, 100.., &mut |_| true);
        assert_eq!(report.failed, 0, "{:?}", report.failures.first());
        assert!(report.second_cuts > 10, "{report}");
    }

    /// A harness that never comes to what is hard would find nothing.
    #[test]
    fn lives_come_to_every_step_of_consolidations_and_promotions_and_to_spent_tokens() {
        let subject = WalletSubject::new().unwrap();
        let all = BTreeSet::from([
            "expired",
            "forks",
            "locked",
            "named",
            "promoted",
            "promoting",
            "registered",
            "spent",
            "superseded",
        ]);
        let mut seen = BTreeSet::new();
        let mut seeds = 0..24;
        while let Some(seed) = seeds.next().filter(|_| seen != all) {
            let disk = RecordingDisk::new(Vec::new());
            let mut history = History::new(disk.clone(), false);
            subject.work(seed, &disk, &mut history).unwrap();
            let mut references = 0;
            for cut in 0..=disk.position() {
                for state in history.allowed(cut).iter().rev().take(1).flatten() {
                    seen.extend(state.traits());
                    if state.references() < references {
                        seen.insert("expired");
                    }
                    references = state.references();
                }
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn taking_a_step_for_done_before_it_was_begun_is_found_out() {
        let options = CrashOptions {
            cuts: 150,
            believes_everything: true,
            ..CrashOptions::default()
        };
        let subject = WalletSubject::new().unwrap();
        let report = cut_power(&subject, &options, 1.., &mut |_| true);
        assert!(report.failed > 0, "{report}");
    }
}

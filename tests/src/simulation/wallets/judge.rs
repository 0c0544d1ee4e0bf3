//! The end of a history: everybody meets, and what comes of it is judged.

use uxf_engine::oplog::VersionVector;
use uxf_engine::wallet::TokenStatus;

use super::owner::{Owner, Shown};
use super::tokens::MATERIAL;
use super::world::World;
use crate::crash::text;

const ROUNDS_MAX: usize = 8;

impl World {
    /// Everybody saves and gives everybody what it lacks until nothing is new.
    pub(super) fn meet(&mut self) -> Result<(), String> {
        let millis = self.owners.iter().map(|owner| owner.clock.millis());
        let end = millis.max().unwrap_or_default() + 60_000;
        for owner in &self.owners {
            owner.clock.set(end);
        }
        let count = self.owners.len();
        for _ in 0..ROUNDS_MAX {
            let mut is_new = false;
            for at in 0..count {
                is_new |= self.save_all(at)?;
                self.owner(at)?.note()?;
            }
            for from in 0..count {
                for to in (0..count).filter(|to| *to != from) {
                    is_new |= self.give_all(from, to)?;
                }
            }
            for at in 0..count {
                is_new |= self.fetch_all(at)?;
            }
            if !is_new {
                return Ok(());
            }
        }
        Err(format!("there was something new after {ROUNDS_MAX} rounds"))
    }

    /// One of them merges the bundles there are, and all meet again.
    pub(super) fn merge_bundles(&mut self) -> Result<(), String> {
        let at = self.rng.index(self.owners.len());
        let before = self.owner(at)?.shown()?;
        for _ in 0..100 {
            if !self.consolidate_step(at)? {
                break;
            }
        }
        if self.owner(at)?.shown()? != before {
            return Err("merging bundles changed what is shown".to_owned());
        }
        self.meet()
    }

    fn give_all(&mut self, from: usize, to: usize) -> Result<bool, String> {
        let mut is_new = false;
        for _ in 0..10_000 {
            let theirs = self.owner(to)?.profile.version_vector().map_err(text)?;
            let delta = self.give(from, &theirs)?;
            is_new |= self.take_delta(to, &delta)?;
            if !delta.is_partial {
                return Ok(is_new);
            }
        }
        Err("a replica asked and asked and never had it all".to_owned())
    }

    /// Syncs, and takes in the bundles that are waited for; whether there were any.
    fn fetch_all(&mut self, at: usize) -> Result<bool, String> {
        self.sync(at)?;
        let report = self.owner(at)?.wallet.sync().map_err(text)?;
        for waiting in &report.waiting {
            self.take_bundle(at, &waiting.cid)?;
        }
        self.sync(at)?;
        let report = self.owner(at)?.wallet.sync().map_err(text)?;
        if !report.is_complete() {
            return Err(format!("device {at} still waits: {:?}", report.waiting));
        }
        Ok(!report.waiting.is_empty())
    }

    pub(super) fn judge(&mut self) -> Result<(), String> {
        let known = self.known();
        let expected = known.shown();
        self.counts.tokens = expected.len() as u64;
        let mut first: Option<Shown> = None;
        for (number, owner) in self.owners.iter().enumerate() {
            let at = |reason: String| format!("device {number}: {reason}");
            let shown = owner.shown()?;
            check(&shown, &expected).map_err(at)?;
            sound(owner).map_err(at)?;
            match &first {
                Some(first) if *first != shown => {
                    return Err(at(format!("{shown:?} instead of {first:?}")));
                }
                Some(_) => {}
                None => first = Some(shown),
            }
        }
        let first = first.unwrap_or_default();
        self.counts.conflicts = first
            .values()
            .filter(|(_, status, _)| *status == TokenStatus::Conflicting)
            .count() as u64;
        self.begin_with_nothing(&first)?;
        let last = self.rng.index(self.owners.len());
        let pulls_plug = self.rng.percent(50);
        let owner = self.owner(last)?;
        owner.flush()?;
        owner.restart(pulls_plug)?;
        if owner.shown()? == first {
            Ok(())
        } else {
            Err("other tokens after a restart".to_owned())
        }
    }

    /// A new device that is given the profile and the bundles it names.
    fn begin_with_nothing(&mut self, expected: &Shown) -> Result<(), String> {
        let seed = self.rng.next_u64();
        let owner = self.owner(0)?;
        let all = owner.profile.delta_for(&VersionVector::default(), 1 << 30);
        let (all, millis) = (all.map_err(text)?, owner.clock.millis());
        let fresh = Owner::new("fresh", millis, seed)?;
        fresh.profile.ingest(&all).map_err(text)?;
        for waiting in fresh.wallet.sync().map_err(text)?.waiting {
            let saved = self.bundle(&waiting.cid)?;
            let taken = fresh.wallet.add_bundle_car(&waiting.cid, &saved.car);
            taken.map_err(text)?;
        }
        let report = fresh.wallet.sync().map_err(text)?;
        if !report.is_complete() || fresh.shown()? != *expected {
            return Err(format!(
                "a device that began with nothing shows {:?} instead of {expected:?}",
                fresh.shown()?
            ));
        }
        sound(&fresh)
    }
}

/// Compares what is shown with what the model comes to.
fn check(
    shown: &Shown,
    expected: &std::collections::BTreeMap<usize, std::collections::BTreeSet<super::tokens::State>>,
) -> Result<(), String> {
    for (token, states) in expected {
        let Some((root, status, heads)) = shown.get(MATERIAL.id(*token)) else {
            return Err(format!("{states:?} are not shown"));
        };
        let roots = states.iter().map(|state| MATERIAL.root(*state));
        let mut roots = roots.collect::<Result<Vec<_>, _>>()?;
        roots.sort_unstable();
        let right = if roots.len() > 1 {
            *status == TokenStatus::Conflicting && *heads == roots
        } else {
            *status == TokenStatus::Valid && heads.is_empty()
        };
        if !right || !roots.contains(root) {
            return Err(format!(
                "{states:?} are shown as {status:?}, {:?} with {} heads",
                MATERIAL.state(root),
                heads.len()
            ));
        }
    }
    if shown.len() == expected.len() {
        Ok(())
    } else {
        let states = shown.values().map(|(root, ..)| MATERIAL.state(root));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let mut unexpected = states
            .iter()
            .filter(|one| !expected.contains_key(&one.token));
        Err(format!("{:?} is shown and was spent", unexpected.next()))
    }
}

/// The store is whole and every token can be put together.
fn sound(owner: &Owner) -> Result<(), String> {
    let report = owner.engine().check_integrity(&mut |_| {}).map_err(text)?;
    if let Some(problem) = report.problems.first() {
        return Err(problem.to_string());
    }
    for (id, (root, ..)) in owner.shown()? {
        owner.wallet.inventory().assemble(&id).map_err(text)?;
        if owner.wallet.inventory().root(&id).map_err(text)? != Some(root) {
            return Err(format!("{id} has another root in the inventory"));
        }
    }
    Ok(())
}

//! Consolidation: the steps of `bundles::consolidation`, each a commit.
//!
//! What was done is in the lock, in the references and in the rows, so the next step follows from what is stored alone: a
//! run that a crash or an error ended goes on where it was, in whatever process.

use uxf_codec::ElementHash;

use super::Wallet;
use super::change::Change;
use super::merged::Merged;
use super::sync::is_succeeded;
use crate::bundles::consolidation::{
    Begin, ConsolidationLock, LOCK_KEY, LOCK_TTL_S, LockResult, SETTLE_S, begin, expired,
    is_registered, recover, supersede,
};
use crate::bundles::{BundleRef, UnixSeconds};
use crate::error::Error;
use crate::oplog::identity::DeviceId;
use crate::profile::ProfileError;
use crate::tables::schema::WalletRowKind;

/// How far a consolidation is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Consolidation {
    /// There are few enough bundles, or merging them would not make them fewer.
    NotNeeded {
        /// Those that count.
        active: usize,
    },
    /// Another device is at it, until then at most.
    InProgress {
        /// When its lock is no longer fresh.
        until: UnixSeconds,
    },
    /// The lock is written, and another device's may still arrive. To be called again then.
    Settling {
        /// When there was enough time.
        until: UnixSeconds,
    },
    /// A step was done and more are to be done.
    Underway(ConsolidationStep),
    /// It is done.
    Done(ConsolidationReport),
}

/// A step that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsolidationStep {
    /// What somebody left behind was brought to an end.
    Recovered,
    /// The lock says who merges what.
    Locked,
    /// The lock names what comes of it.
    Named,
    /// The merged bundles are stored, pinned and registered.
    Registered,
    /// Those that were merged are superseded.
    Superseded,
    /// This device let go of one that was merged.
    Released,
}

/// What a consolidation came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ConsolidationReport {
    /// Ids of the merged bundles.
    pub results: Vec<String>,
    /// Ids of the bundles that are in them.
    pub merged: Vec<String>,
}

/// What was left to do by others, or by time, and was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether a consolidation that nobody went on with was brought to an end.
    pub ended_run: bool,
    /// Ids of the bundles that this superseded.
    pub superseded: Vec<String>,
    /// Ids of bundles that were superseded long ago, whose references are gone now.
    pub expired: Vec<String>,
}

impl Wallet {
    /// Merges bundles into fewer, if there are more than three that merging makes fewer.
    ///
    /// The merged bundles hold every state that one of the merged names, but for those that were spent and those that
    /// another has all of; they keep to the caps of other readers, so a large wallet needs several. Only bundles that are
    /// here, and are in the result token by token, are superseded. References go after the retention
    /// ([`WalletOptions::retention`](super::WalletOptions::retention)); the tokens stay.
    ///
    /// Another device may begin at the same time, so the lock lies for 30 seconds before anything else is done: until then
    /// this is [`Consolidation::Settling`]. A profile that only this device has written to does not wait. Nothing else
    /// waits for a consolidation; readers see the wallet before or after each step. It may be called by several threads.
    ///
    /// ```
    /// use uxf_engine::profile::keys::AddressId;
    /// use uxf_engine::profile::sealed::WalletSecret;
    /// use uxf_engine::wallet::{Consolidation, WalletOptions};
    /// use uxf_engine::{Engine, EngineOptions};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let profile = engine.profile(&WalletSecret::take(&mut [7; 32]), "phone").unwrap();
    /// let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
    /// let wallet = engine.wallet(&profile, &address, WalletOptions::new()).unwrap();
    /// assert_eq!(wallet.consolidate().unwrap(), Consolidation::NotNeeded { active: 0 });
    /// ```
    ///
    /// # Errors
    /// Those of a commit. What was done stays, and the next call goes on from there.
    pub fn consolidate(&self) -> Result<Consolidation, Error> {
        let span = tracing::info_span!("consolidate");
        let _entered = span.enter();
        loop {
            match self.consolidate_step()? {
                Consolidation::Underway(step) => tracing::debug!(?step, "done"),
                end => return Ok(end),
            }
        }
    }

    /// Does one step of [`consolidate`](Self::consolidate), which is one commit, for callers that have other things to do in
    /// between.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn consolidate_step(&self) -> Result<Consolidation, Error> {
        let now = UnixSeconds(self.now_secs());
        let (next, _) = self.change(|change| change.consolidate(now))?;
        Ok(next)
    }

    /// Does what nobody else will: ends a consolidation whose lock is stale, and removes the references of bundles that
    /// were superseded long ago and whose successors are here. [`sync`](Self::sync) does it too.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn recover(&self) -> Result<RecoveryReport, Error> {
        let now = UnixSeconds(self.now_secs());
        // Mostly there is nothing to do, and then nothing is to be committed.
        let report = self.dry_run(|change| change.recover(now))?;
        if report == RecoveryReport::default() {
            return Ok(report);
        }
        let (report, _) = self.change(|change| change.recover(now))?;
        Ok(report)
    }
}

/// What the profile says about bundles at the beginning of a step.
struct Scene {
    refs: Vec<BundleRef>,
    /// A lock that cannot be read keeps nobody from anything.
    lock: Option<ConsolidationLock>,
    now: UnixSeconds,
}

impl Change<'_> {
    fn scene(&mut self, now: UnixSeconds) -> Result<Scene, Error> {
        let profile = &self.wallet.profile;
        let view = self.snapshot.profile(profile);
        let version = view.version(LOCK_KEY)?;
        let lock = match view.get(LOCK_KEY) {
            Ok(value) => value.and_then(|value| {
                let text = core::str::from_utf8(value.as_bytes()).ok()?;
                ConsolidationLock::parse(text).ok()
            }),
            Err(Error::Profile(ProfileError::Open { .. })) => None,
            Err(error) => return Err(error),
        };
        let refs = Wallet::bundle_refs(&view)?.refs;
        // Each step rests on the lock, so another thread of this device that has taken a step meanwhile makes this one void.
        self.batch.expect_version(profile, LOCK_KEY, version)?;
        Ok(Scene { refs, lock, now })
    }

    fn consolidate(&mut self, now: UnixSeconds) -> Result<Consolidation, Error> {
        let scene = self.scene(now)?;
        let device = self.wallet.profile.device();
        let Some(lock) = &scene.lock else {
            return self.lock(&scene);
        };
        let is_ours = lock.device == run_name(device, lock.started_at);
        if !is_ours && lock.is_fresh(scene.now) {
            let until = lock.started_at.plus(LOCK_TTL_S);
            return Ok(Consolidation::InProgress { until });
        }
        match &lock.result {
            Some(result) if is_ours => self.finish(&scene, lock, result),
            None if is_ours && lock.is_fresh(scene.now) => self.name(&scene, lock),
            _ => {
                self.end_run(&scene, lock)?;
                Ok(Consolidation::Underway(ConsolidationStep::Recovered))
            }
        }
    }

    fn lock(&mut self, scene: &Scene) -> Result<Consolidation, Error> {
        let sources = self.worth_merging(&scene.refs)?;
        let refs: Vec<_> = scene
            .refs
            .iter()
            .filter(|bundle| sources.iter().any(|cid| cid == bundle.cid()))
            .cloned()
            .collect();
        let name = run_name(self.wallet.profile.device(), scene.now);
        match begin(&refs, None, scene.now, &name) {
            Begin::Start(lock) => {
                self.put_lock(&lock)?;
                Ok(Consolidation::Underway(ConsolidationStep::Locked))
            }
            _ => Ok(Consolidation::NotNeeded {
                active: scene.refs.iter().filter(|one| one.is_active()).count(),
            }),
        }
    }

    /// Names what comes of a run. What is named is not stored yet: from the next step on it is.
    fn name(&mut self, scene: &Scene, lock: &ConsolidationLock) -> Result<Consolidation, Error> {
        let until = lock.started_at.plus(self.settle_s()?);
        if scene.now < until {
            return Ok(Consolidation::Settling { until });
        }
        let merged = self.merge(lock)?;
        self.name_merged(scene, lock, &merged)
    }

    fn name_merged(
        &mut self,
        scene: &Scene,
        lock: &ConsolidationLock,
        merged: &Merged,
    ) -> Result<Consolidation, Error> {
        let cids = merged.cids();
        let cids: Vec<_> = cids.iter().map(String::as_str).collect();
        let Some((first, more)) = cids.split_first().filter(|_| merged.is_gain()) else {
            self.drop_lock()?;
            return Ok(Consolidation::NotNeeded {
                active: scene.refs.iter().filter(|one| one.is_active()).count(),
            });
        };
        // A merged bundle may be one that is there: of the same tokens, saved within the same second.
        let sources = merged.sources.iter().map(String::as_str);
        let sources: Vec<_> = sources.filter(|cid| !cids.contains(cid)).collect();
        let lock = lock.clone().with_result(first, &sources);
        self.put_lock(&lock.with_more_results(more))?;
        Ok(Consolidation::Underway(ConsolidationStep::Named))
    }

    /// What comes after the result was named.
    fn finish(
        &mut self,
        scene: &Scene,
        lock: &ConsolidationLock,
        result: &LockResult,
    ) -> Result<Consolidation, Error> {
        if !is_registered(&scene.refs, result) {
            let merged = self.merge(lock)?;
            if !merged.cids().iter().map(String::as_str).eq(result.cids()) {
                // A token was spent or joined anew since it was named.
                return self.name_merged(scene, lock, &merged);
            }
            self.register_merged(&merged, scene.now)?;
            return Ok(Consolidation::Underway(ConsolidationStep::Registered));
        }
        let changed = supersede(&scene.refs, lock, scene.now, self.wallet.options.retention);
        if !changed.is_empty() {
            self.put_refs(&changed)?;
            return Ok(Consolidation::Underway(ConsolidationStep::Superseded));
        }
        for cid in &result.merged_cids {
            let row = (self.wallet).row(&self.snapshot, WalletRowKind::Bundle, cid)?;
            if row.is_some() {
                self.release_bundle(cid)?;
                return Ok(Consolidation::Underway(ConsolidationStep::Released));
            }
        }
        self.drop_lock()?;
        Ok(Consolidation::Done(ConsolidationReport {
            results: result.cids().map(str::to_owned).collect(),
            merged: result.merged_cids.clone(),
        }))
    }

    fn register_merged(&mut self, merged: &Merged, now: UnixSeconds) -> Result<(), Error> {
        for (part, cid) in merged.parts.iter().zip(merged.cids()) {
            if self.bundle_row(&cid)?.is_some() {
                continue;
            }
            let row = self.put_blocks(&part.blocks, &part.manifest)?;
            self.make_bundle(&row, &part.manifest, now)?;
        }
        Ok(())
    }

    fn recover(&mut self, now: UnixSeconds) -> Result<RecoveryReport, Error> {
        let mut report = RecoveryReport::default();
        let scene = self.scene(now)?;
        if let Some(lock) = &scene.lock
            && !lock.is_fresh(scene.now)
        {
            report.superseded = self.end_run(&scene, lock)?;
            report.ended_run = true;
            return Ok(report);
        }
        let taken = self.wallet.bundle_rows(&self.snapshot)?.into_iter();
        let taken: Vec<_> = taken.map(|(cid, _)| cid).collect();
        let refs = scene.refs.iter();
        let by_cid = refs
            .map(|one| (one.cid().to_owned(), one.clone()))
            .collect();
        for bundle in expired(&scene.refs, scene.now) {
            // Without its successor the reference may be the only way to some tokens.
            if is_succeeded(bundle, &by_cid, &taken) {
                (self.batch).delete_value(&self.wallet.profile, &bundle.key())?;
                report.expired.push(bundle.cid().to_owned());
            }
        }
        Ok(report)
    }

    /// Ends a run that nobody goes on with; the bundles that this superseded.
    fn end_run(&mut self, scene: &Scene, lock: &ConsolidationLock) -> Result<Vec<String>, Error> {
        let retention = self.wallet.options.retention;
        let mut failed = None;
        let recovery = recover(&scene.refs, lock, scene.now, retention, |result, source| {
            self.has_all_of(result.cid(), source.cid())
                .unwrap_or_else(|error| {
                    failed = Some(error);
                    false
                })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        self.put_refs(&recovery.changed)?;
        self.drop_lock()?;
        let changed = recovery.changed.into_iter();
        Ok(changed.map(|bundle| bundle.cid().to_owned()).collect())
    }

    fn put_refs(&mut self, refs: &[BundleRef]) -> Result<(), Error> {
        for bundle in refs {
            let text = bundle.format();
            let profile = &self.wallet.profile;
            (self.batch).put_value(profile, &bundle.key(), text.as_bytes())?;
        }
        Ok(())
    }

    fn put_lock(&mut self, lock: &ConsolidationLock) -> Result<(), Error> {
        let text = lock.format();
        (self.batch).put_value(&self.wallet.profile, LOCK_KEY, text.as_bytes())
    }

    fn drop_lock(&mut self) -> Result<(), Error> {
        self.batch.delete_value(&self.wallet.profile, LOCK_KEY)
    }

    /// How long the lock lies before anything is done, in seconds.
    fn settle_s(&self) -> Result<u64, Error> {
        let profile = &self.wallet.profile;
        let own = profile.log_id();
        let vector = profile.version_vector()?;
        let is_alone = vector.iter().all(|(log, _)| log == own);
        Ok(if is_alone { 0 } else { SETTLE_S })
    }
}

/// The name of a run: eight hex digits that this device finds again in a lock of its own after it was started anew.
fn run_name(device: DeviceId, started_at: UnixSeconds) -> String {
    let mut bytes = b"uxf consolidation run".to_vec();
    bytes.extend_from_slice(device.as_bytes());
    bytes.extend_from_slice(&started_at.0.to_be_bytes());
    let digest = ElementHash::of(&bytes);
    let (first, _) = digest.as_bytes().as_chunks::<4>();
    const_hex::encode(first.first().copied().unwrap_or_default())
}

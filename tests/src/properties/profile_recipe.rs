//! Commits that a certified device may sign, made of a fuzzer's decisions.

use std::sync::{Arc, OnceLock};

use uxf_engine::oplog::identity::{Certificate, DeviceKey, Epoch, LogId, ProfileSigner};
use uxf_engine::oplog::{
    CommitBuilder, CommitStart, HybridTime, LogHead, OpKind, Operation as Written, SealedCommit,
};
use uxf_engine::profile::Profile;
use uxf_engine::profile::envelope::EntryKind;
use uxf_engine::profile::sealed::{Aad, Place, ProfileId, Sealer, SealingKey, WalletSecret};
use uxf_engine::{Clock, Engine, EngineOptions};

use super::{Violation, must, violation};
use crate::simulation::device::{SeededEntropy, SetClock};

/// What the clock of every store here shows.
pub(super) const NOW_MS: u64 = 1_800_000_000_000;

/// The wallet of the profile.
pub(super) fn secret() -> WalletSecret {
    WalletSecret::take(&mut [7; 32])
}

/// A store in memory with the profile.
pub(super) fn store(seed: u64) -> Result<Profile, Violation> {
    let options = EngineOptions::new()
        .cache_bytes(1 << 20)
        .index_bytes(1 << 20)
        .checkpoint_elements(16)
        .clock(SetClock::at(NOW_MS) as Arc<dyn Clock>)
        .entropy(Arc::new(SeededEntropy::new(seed)));
    let engine = must("no store", Engine::in_memory(options))?;
    must("no profile", engine.profile(&secret(), "device"))
}

/// Devices that are certified.
const WRITERS: u8 = 3;

fn key(number: u8) -> DeviceKey {
    DeviceKey::take(&mut [number.saturating_add(1); 32])
}

type Certified = Result<(ProfileId, Vec<Vec<u8>>), Violation>;

/// The profile, and the certificates of all devices: signed once, not for every input.
fn certified() -> &'static Certified {
    static CERTIFIED: OnceLock<Certified> = OnceLock::new();
    CERTIFIED.get_or_init(|| {
        let signer = must("the secret", ProfileSigner::new(&secret()))?;
        let certificate = |number| {
            let time = HybridTime::ZERO;
            let issued = Certificate::issue(&signer, key(number).id(), time, "certified");
            Ok(must("a certificate", issued)?.encode())
        };
        let all: Result<_, Violation> = (0..WRITERS).map(certificate).collect();
        Ok((*signer.profile(), all?))
    })
}

/// A device that the profile certified and that writes whatever it is told to.
pub(super) struct Writer {
    pub(super) certificate: Vec<u8>,
    pub(super) head: LogHead,
    key: DeviceKey,
    profile: ProfileId,
    sealer: Sealer,
    entropy: SeededEntropy,
}

impl Writer {
    /// The device of a number below [`WRITERS`].
    pub(super) fn new(number: u8) -> Result<Self, Violation> {
        let (profile, certificates) = certified().as_ref().map_err(Clone::clone)?;
        let key = key(number);
        let log = LogId {
            device: key.id(),
            epoch: Epoch::from_u64(1),
        };
        let certificate = certificates.get(usize::from(number));
        Ok(Self {
            certificate: certificate.cloned().unwrap_or_default(),
            head: LogHead::empty(log),
            profile: *profile,
            sealer: Sealer::new(&SealingKey::derive(&secret()), 0),
            entropy: SeededEntropy::new(u64::from(number) << 32),
            key,
        })
    }

    /// A value as it lies in an operation.
    pub(super) fn seal(&self, key: &str, value: &[u8]) -> Result<Vec<u8>, Violation> {
        let aad = Aad {
            profile: &self.profile,
            key,
            place: Place::Row,
        };
        let sealed = must("sealing", self.sealer.seal(&aad, value, &self.entropy))?;
        Ok(sealed.into_bytes())
    }

    /// How its next commit begins if it goes on where it ended.
    pub(super) fn start(&self, time: HybridTime) -> CommitStart {
        CommitStart {
            profile: self.profile,
            log: self.head.log,
            first_seq: self.head.next_seq,
            prev: self.head.head,
            heads: Vec::new(),
            time,
        }
    }

    /// Signs a commit; `None` if it is none that can be written.
    pub(super) fn sign(
        &self,
        start: CommitStart,
        operations: &[(&str, Option<Vec<u8>>)],
    ) -> Option<SealedCommit> {
        let mut builder = CommitBuilder::new(start).ok()?;
        for (key, value) in operations {
            let written = Written {
                kind: if value.is_some() {
                    OpKind::Put
                } else {
                    OpKind::Delete
                },
                entry: EntryKind::CacheIndex,
                key,
                value: value.as_deref().unwrap_or_default(),
            };
            builder.push(written).ok()?;
        }
        builder.finish(&self.key).ok()
    }

    /// Goes on after a commit.
    pub(super) fn advance(&mut self, commit: &SealedCommit) {
        self.head.advance(commit.header(), commit.id());
    }
}

/// What a profile shows, errors included: equal before and after whatever is refused.
pub(super) fn shown(profile: &Profile) -> Result<[u8; 32], Violation> {
    let snapshot = must("a snapshot", profile.engine().snapshot())?;
    let view = snapshot.profile(profile);
    let mut hasher = blake3::Hasher::new();
    for info in must("keys", view.keys(""))? {
        let info = must("a key", info)?;
        let value = match view.get(&info.key) {
            Ok(value) => value.map(|value| value.as_bytes().to_vec()),
            Err(error) => Some(error.code().as_bytes().to_vec()),
        };
        hasher.update(format!("{info:?} {value:?}").as_bytes());
    }
    let vector = must("the vector", profile.version_vector())?;
    let parked = must("what is parked", profile.parked())?;
    hasher.update(&vector.encode());
    hasher.update(format!("{parked:?}").as_bytes());
    Ok(*hasher.finalize().as_bytes())
}

/// Holds if a store is sound.
pub(super) fn is_sound(engine: &Engine) -> super::Verdict {
    let report = must("the check", engine.check_integrity(&mut |_| {}))?;
    match report.problems.first() {
        None => Ok(()),
        Some(problem) => violation(problem.to_string()),
    }
}

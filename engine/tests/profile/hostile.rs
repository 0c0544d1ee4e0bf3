//! What a peer may send that nothing may come of.

use uxf_engine::Error;
use uxf_engine::oplog::identity::{Certificate, DeviceKey, Epoch, LogId, ProfileSigner};
use uxf_engine::oplog::{
    Commit, CommitBuilder, CommitStart, HybridTime, LogError, OpKind, Operation, SealedCommit,
    VersionVector,
};
use uxf_engine::profile::envelope::EntryKind;
use uxf_engine::profile::sealed::{ProfileId, WalletSecret};
use uxf_engine::profile::{Delta, Profile, ProfileError};

use super::{NOW, device, give, secret, text};

/// A device whose key the test has.
struct Peer {
    key: DeviceKey,
    log: LogId,
    certificate: Vec<u8>,
}

impl Peer {
    fn of(wallet: &WalletSecret, seed: u8) -> Self {
        let key = DeviceKey::take(&mut [seed; 32]);
        let signer = ProfileSigner::new(wallet).unwrap();
        let time = HybridTime::new(NOW, 0).unwrap();
        let certificate = Certificate::issue(&signer, key.id(), time, "peer").unwrap();
        Self {
            log: LogId {
                device: key.id(),
                epoch: Epoch::from_u64(1),
            },
            certificate: certificate.encode(),
            key,
        }
    }

    fn start(&self, after: Option<&SealedCommit>, millis: u64) -> CommitStart {
        CommitStart {
            profile: ProfileId::of(&secret()).unwrap(),
            log: self.log,
            first_seq: after.map_or(1, |after| after.header().last_seq() + 1),
            prev: after.map(SealedCommit::id),
            heads: Vec::new(),
            time: HybridTime::new(millis, 0).unwrap(),
        }
    }

    fn commit(&self, start: CommitStart, value: &[u8]) -> SealedCommit {
        self.commit_of(start, "app.k", value)
    }

    fn commit_of(&self, start: CommitStart, key: &str, value: &[u8]) -> SealedCommit {
        let mut builder = CommitBuilder::new(start).unwrap();
        let operation = Operation {
            kind: OpKind::Put,
            entry: EntryKind::CacheIndex,
            key,
            value,
        };
        builder.push(operation).unwrap();
        builder.finish(&self.key).unwrap()
    }

    fn delta(&self, commits: &[&SealedCommit]) -> Delta {
        Delta {
            certificates: vec![self.certificate.clone()],
            commits: commits
                .iter()
                .map(|commit| commit.as_bytes().to_vec())
                .collect(),
            ..Delta::default()
        }
    }
}

/// A replica with a value that no hostile delta may touch.
struct Victim {
    profile: Profile,
    state: (Vec<u8>, u64),
}

impl Victim {
    fn new() -> Self {
        let profile = device("victim");
        profile.put("app.k", b"mine").unwrap();
        let state = Self::state(&profile);
        Self { profile, state }
    }

    fn state(profile: &Profile) -> (Vec<u8>, u64) {
        let vector = profile.version_vector().unwrap().encode();
        (vector, profile.engine().stats().unwrap().elements)
    }

    /// Refused with this code, and nothing is other than it was.
    fn refuses(&self, delta: &Delta, code: &str) -> Error {
        let refused = self.profile.ingest(delta).unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        assert_eq!(Self::state(&self.profile), self.state);
        assert_eq!(text(&self.profile, "app.k").as_deref(), Some("mine"));
        assert!(self.profile.parked().unwrap().is_empty());
        refused
    }
}

#[test]
fn every_changed_bit_of_a_commit_is_noticed() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    let good = peer.commit(peer.start(None, NOW + 1), &[1; 40]);
    for at in 0..good.as_bytes().len() {
        let mut delta = peer.delta(&[&good]);
        delta.commits[0][at] ^= 1 << (at % 8);
        let refused = victim.profile.ingest(&delta).unwrap_err();
        assert!(
            ["COMMIT", "OTHER_PROFILE", "UNCERTIFIED"].contains(&refused.code()),
            "byte {at}: {refused:?}"
        );
    }
    assert_eq!(Victim::state(&victim.profile), victim.state);
}

#[test]
fn a_signature_by_another_key_and_a_swapped_key_are_refused() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    let good = peer.commit(peer.start(None, NOW + 1), &[1; 40]);
    let other = peer.commit(peer.start(None, NOW + 2), &[1; 40]);
    let mut delta = peer.delta(&[&good]);
    let len = delta.commits[0].len();
    delta.commits[0][len - 64..].copy_from_slice(&other.as_bytes()[len - 64..]);
    victim.refuses(&delta, "COMMIT");
    // The key of an operation changed for another of the same length: the tree does not fit any more.
    let mut delta = peer.delta(&[&good]);
    let bytes = &mut delta.commits[0];
    let at = bytes
        .windows(5)
        .position(|window| window == b"app.k")
        .unwrap();
    bytes[at + 4] = b'j';
    victim.refuses(&delta, "COMMIT");
}

#[test]
fn a_device_without_a_certificate_of_this_profile_is_not_heard() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    let good = peer.commit(peer.start(None, NOW + 1), &[1; 40]);
    let mut delta = peer.delta(&[&good]);
    delta.certificates.clear();
    victim.refuses(&delta, "UNCERTIFIED");
    let stranger = Peer::of(&WalletSecret::take(&mut [8; 32]), 9);
    delta.certificates = vec![stranger.certificate];
    victim.refuses(&delta, "IDENTITY");
    let mut start = peer.start(None, NOW + 1);
    start.profile = ProfileId::of(&WalletSecret::take(&mut [8; 32])).unwrap();
    let foreign = peer.commit(start, &[1; 40]);
    victim.refuses(&peer.delta(&[&foreign]), "OTHER_PROFILE");
}

#[test]
fn a_certificate_of_a_device_that_is_held_already_is_believed_only_as_it_is() {
    let (profile, peer) = (device("holds"), Peer::of(&secret(), 9));
    let good = peer.commit(peer.start(None, NOW + 1), &[1; 40]);
    assert_eq!(profile.ingest(&peer.delta(&[&good])).unwrap().applied, 1);
    let held = profile.devices().unwrap();
    assert_eq!(profile.ingest(&peer.delta(&[&good])).unwrap().known, 1);
    let len = peer.certificate.len();
    // Its name, then its signature.
    let name = peer.certificate.windows(4).position(|part| part == b"peer");
    for at in [name.unwrap(), len - 1] {
        let mut delta = peer.delta(&[&good]);
        delta.certificates[0][at] ^= 1;
        assert_eq!(profile.ingest(&delta).unwrap_err().code(), "IDENTITY");
    }
    assert_eq!(profile.devices().unwrap(), held);
}

#[test]
fn gaps_broken_chains_and_times_going_backwards_are_refused_whole() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    let one = peer.commit(peer.start(None, NOW + 1), &[1; 40]);
    let two = peer.commit(peer.start(Some(&one), NOW + 2), &[2; 40]);
    let refused = victim.refuses(&peer.delta(&[&two]), "LOG");
    let Error::Profile(ProfileError::Log { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(
        *source,
        LogError::Gap {
            expected: 1,
            found: 2
        }
    ));
    let other = peer.commit(peer.start(None, NOW + 1), &[3; 40]);
    let broken = peer.commit(peer.start(Some(&other), NOW + 2), &[2; 40]);
    victim.refuses(&peer.delta(&[&one, &broken]), "LOG");
    let backwards = peer.commit(peer.start(Some(&one), NOW), &[2; 40]);
    victim.refuses(&peer.delta(&[&one, &backwards]), "LOG");
    // In order it is taken: the checks above refused these and not everything. Its value is not sealed for the key,
    // which shows when it is read.
    victim.profile.ingest(&peer.delta(&[&one, &two])).unwrap();
    let unsealed = victim.profile.get("app.k").unwrap_err();
    assert_eq!(unsealed.code(), "DECRYPTION_FAILED");
}

#[test]
fn a_sequence_number_used_twice_freezes_the_log_and_leaves_evidence() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    let one = peer.commit(peer.start(None, NOW - 10), &[1; 40]);
    let two = peer.commit(peer.start(Some(&one), NOW - 8), &[2; 40]);
    let other = peer.commit(peer.start(Some(&one), NOW - 9), &[3; 40]);
    victim.profile.ingest(&peer.delta(&[&one, &two])).unwrap();
    let refused = victim.profile.ingest(&peer.delta(&[&other])).unwrap_err();
    assert_eq!(refused.code(), "LOG");
    let Error::Profile(ProfileError::Log { log, source }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(log, peer.log);
    assert!(matches!(*source, LogError::Equivocation { seq: 2, .. }));
    let proofs = victim.profile.forks().unwrap();
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].log(), peer.log);
    let three = peer.commit(peer.start(Some(&two), NOW + 3), &[4; 40]);
    let refused = victim.profile.ingest(&peer.delta(&[&three])).unwrap_err();
    let Error::Profile(ProfileError::Log { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*source, LogError::Forked);
    // The evidence convinces others too, who take what is before the fork and nothing after it.
    let tablet = device("tablet");
    give(&victim.profile, &tablet);
    assert_eq!(tablet.forks().unwrap().len(), 1);
    let reached = tablet.version_vector().unwrap().get(&peer.log).unwrap();
    assert_eq!((reached.next_seq, reached.head), (2, one.id()));
    assert!(tablet.ingest(&peer.delta(&[&three])).is_err());
}

#[test]
fn a_fork_within_one_delta_is_evidence_too_and_nothing_of_it_is_applied() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    let one = peer.commit(peer.start(None, NOW - 10), &[1; 40]);
    let other = peer.commit(peer.start(None, NOW - 9), &[3; 40]);
    let refused = victim
        .profile
        .ingest(&peer.delta(&[&one, &other]))
        .unwrap_err();
    assert_eq!(refused.code(), "LOG");
    assert_eq!(victim.profile.forks().unwrap().len(), 1);
    assert_eq!(Victim::state(&victim.profile), victim.state);
}

#[test]
fn a_ciphertext_moved_to_another_key_does_not_open() {
    let (phone, victim) = (device("phone"), Victim::new());
    phone.put("app.l", b"ten coins").unwrap();
    let delta = phone.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    let commit = Commit::decode(&delta.commits[0]).unwrap();
    let sealed = commit.operations().next().unwrap().0.value.to_vec();
    let peer = Peer::of(&secret(), 9);
    let moved = peer.commit(peer.start(None, NOW + 1), &sealed);
    victim.profile.ingest(&peer.delta(&[&moved])).unwrap();
    assert_eq!(
        victim.profile.get("app.k").unwrap_err().code(),
        "DECRYPTION_FAILED"
    );
    // It is one key that is spoilt, by a device that may write; every other one is as it was.
    victim.profile.put("app.k", b"mine again").unwrap();
    assert_eq!(
        text(&victim.profile, "app.k").as_deref(),
        Some("mine again")
    );
}

#[test]
fn a_commit_that_names_a_block_nobody_has_is_refused() {
    let (phone, victim) = (device("phone"), Victim::new());
    phone.put("app.long", &[1; 5_000]).unwrap();
    let mut delta = phone.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    let block = delta.blocks.pop().unwrap();
    victim.refuses(&delta, "MISSING_ELEMENT");
    delta.blocks.push(block);
    victim.profile.ingest(&delta).unwrap();
    assert_eq!(
        victim.profile.get("app.long").unwrap().unwrap(),
        &[1; 5_000]
    );
}

#[test]
fn a_replayed_delta_changes_nothing() {
    let (phone, victim) = (device("phone"), Victim::new());
    phone.put("app.a", b"1").unwrap();
    let old = phone.delta_for(&VersionVector::default(), 1 << 20).unwrap();
    phone.put("app.a", b"2").unwrap();
    give(&phone, &victim.profile);
    let state = Victim::state(&victim.profile);
    let outcome = victim.profile.ingest(&old).unwrap();
    assert_eq!((outcome.applied, outcome.known), (0, 1));
    assert_eq!(Victim::state(&victim.profile), state);
    assert_eq!(text(&victim.profile, "app.a").as_deref(), Some("2"));
}

#[test]
fn what_a_peer_writes_to_a_key_that_stays_on_devices_is_not_seen() {
    let (victim, peer) = (Victim::new(), Peer::of(&secret(), 9));
    victim.profile.put("identity.mnemonic", b"words").unwrap();
    let commit = peer.commit_of(peer.start(None, NOW + 1), "identity.mnemonic", &[1; 40]);
    victim.profile.ingest(&peer.delta(&[&commit])).unwrap();
    assert_eq!(
        text(&victim.profile, "identity.mnemonic").as_deref(),
        Some("words")
    );
    let snapshot = victim.profile.engine().snapshot().unwrap();
    let view = snapshot.profile(&victim.profile);
    assert_eq!(view.prefix("").unwrap().map(Result::unwrap).count(), 1);
}

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, Automerge, Change};
use uxf_codec::ElementHash;

use super::extra::Extra;
use super::{AutomergeError, actor_of, guarded, load};
use crate::oplog::identity::{Certificate, DeviceId, LogId, Revocation};
use crate::oplog::{
    CheckpointReader, Commit, CommitId, DeltaRecordKind, ForkProof, SignedCheckpoint,
};
use crate::profile::change::{ReadCommit, ReadSegment};
use crate::profile::sealed::ProfileId;

/// What the signatures in a document say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutomergeReport {
    /// The profile that all signed records are of; `None` if there are none. That it is the right one is for the caller
    /// to compare.
    pub profile: Option<ProfileId>,
    /// Commits, each with a good signature of its device.
    pub commits: u64,
    /// Checkpoints, each with a good signature and all it was signed for.
    pub checkpoints: u64,
    /// Operations of both.
    pub operations: u64,
    /// Certificates, revocations and proofs of forks, all good.
    pub statements: u64,
    /// Changes that carry nothing of ours.
    pub unsigned: u64,
    /// The logs, and the last operation of each that is signed for.
    pub logs: BTreeMap<LogId, u64>,
    /// Devices that have signed but have no certificate of the profile in the document.
    pub uncertified: BTreeSet<DeviceId>,
}

/// Verifies the signatures that a document carries: those of every commit and checkpoint by its device, those of every
/// certificate and revocation by the profile, that commits of one log that follow each other are one chain, that each
/// stands in a change of its log's actor, and that the sealed blocks they name are there.
///
/// What is signed are the sealed values. That the map `values` has what was sealed only a holder of the profile's key
/// can tell, by ingesting the records.
///
/// # Errors
/// [`AutomergeError`]: everything that is signed is good, or the first that is not is named.
pub fn verify_automerge(bytes: &[u8]) -> Result<AutomergeReport, AutomergeError> {
    let changes = guarded(|| {
        let document: Automerge = load(bytes)?;
        Ok(document.get_changes(&[]))
    })?;
    let mut verifier = Verifier::default();
    for change in &changes {
        verifier.change(change)?;
    }
    Ok(verifier.finish())
}

#[derive(Default)]
struct Verifier {
    report: AutomergeReport,
    /// The last operation of each log, and the commit that ends there.
    heads: BTreeMap<LogId, (u64, CommitId)>,
    certified: BTreeSet<DeviceId>,
}

impl Verifier {
    fn change(&mut self, change: &Change) -> Result<(), AutomergeError> {
        let actor = change.actor_id();
        let Some(extra) = Extra::read(actor, change.extra_bytes())? else {
            self.report.unsigned += 1;
            return Ok(());
        };
        if *self.report.profile.get_or_insert(extra.profile) != extra.profile {
            return Err(AutomergeError::OtherProfile);
        }
        let mut commits = extra.of(DeltaRecordKind::Commit);
        let mut checkpoints = extra.of(DeltaRecordKind::Checkpoint);
        match (commits.next(), checkpoints.next()) {
            (Some(commit), None) if commits.next().is_none() => self.commit(actor, commit, &extra),
            (None, Some(checkpoint)) if checkpoints.next().is_none() => {
                self.checkpoint(actor, checkpoint, &extra)
            }
            (None, None) => self.statements(&extra),
            _ => Err(AutomergeError::Records {
                actor: actor.clone(),
            }),
        }
    }

    fn commit(
        &mut self,
        actor: &ActorId,
        bytes: &[u8],
        extra: &Extra,
    ) -> Result<(), AutomergeError> {
        let commit = Commit::decode(bytes)?;
        let header = commit.header();
        let log = header.log;
        self.belongs(actor, log, &header.profile)?;
        commit.verify()?;
        if let Some((last, id)) = self.heads.get(&log) {
            // Between commits that do not follow there may be others, which were compacted away.
            let follows = header.prev == Some(*id);
            let next = last.checked_add(1);
            if header.first_seq <= *last || (Some(header.first_seq) == next) != follows {
                return Err(AutomergeError::Chain {
                    log,
                    seq: header.first_seq,
                });
            }
        }
        let links = ReadCommit::of(&commit).links().collect();
        has_blocks(actor, extra, &links)?;
        self.heads.insert(log, (header.last_seq(), commit.id()));
        self.report.logs.insert(log, header.last_seq());
        self.report.commits += 1;
        self.report.operations += u64::from(header.count);
        Ok(())
    }

    fn checkpoint(
        &mut self,
        actor: &ActorId,
        bytes: &[u8],
        extra: &Extra,
    ) -> Result<(), AutomergeError> {
        let signed = SignedCheckpoint::decode(bytes)?;
        let header = signed.header();
        self.belongs(actor, header.log, &header.profile)?;
        signed.verify()?;
        let mut reader = CheckpointReader::new(&signed);
        let mut links = BTreeSet::new();
        for segment in extra.of(DeltaRecordKind::Segment) {
            links.extend(ReadSegment::of(&reader.segment(segment)?).links());
        }
        reader.finish()?;
        has_blocks(actor, extra, &links)?;
        // Commits that are older are kept for an operation that counts here; where they are, the chain is theirs.
        let head = self.heads.entry(header.log);
        let head = head.or_insert((header.until, header.head));
        if head.0 < header.until {
            *head = (header.until, header.head);
        }
        let (until, _) = *head;
        self.report.logs.insert(header.log, until);
        self.report.checkpoints += 1;
        self.report.operations += u64::from(header.count);
        Ok(())
    }

    fn statements(&mut self, extra: &Extra) -> Result<(), AutomergeError> {
        for bytes in extra.of(DeltaRecordKind::Certificate) {
            let certificate = Certificate::decode(bytes)?;
            certificate.verify(&extra.profile)?;
            self.certified.insert(certificate.device());
        }
        for bytes in extra.of(DeltaRecordKind::Revocation) {
            Revocation::decode(bytes)?.verify(&extra.profile)?;
        }
        for bytes in extra.of(DeltaRecordKind::ForkProof) {
            // Reading it has checked the signatures, and that both are of one profile.
            let proof = ForkProof::decode(bytes)?;
            let (one, _) = proof.headers();
            if one.header().profile != extra.profile {
                return Err(AutomergeError::OtherProfile);
            }
        }
        self.report.statements += extra.records.len() as u64;
        Ok(())
    }

    fn belongs(
        &self,
        actor: &ActorId,
        log: LogId,
        profile: &ProfileId,
    ) -> Result<(), AutomergeError> {
        if self.report.profile.as_ref() != Some(profile) {
            return Err(AutomergeError::OtherProfile);
        }
        if *actor != actor_of(log) {
            return Err(AutomergeError::OtherActor {
                log,
                actor: actor.clone(),
            });
        }
        Ok(())
    }

    fn finish(mut self) -> AutomergeReport {
        let devices = self.heads.keys().map(|log| log.device);
        let uncertified = devices.filter(|device| !self.certified.contains(device));
        self.report.uncertified = uncertified.collect();
        self.report
    }
}

/// Checks that the blocks of a change are those that its operations name.
fn has_blocks(
    actor: &ActorId,
    extra: &Extra,
    links: &BTreeSet<ElementHash>,
) -> Result<(), AutomergeError> {
    let blocks = extra.of(DeltaRecordKind::Block);
    let blocks: BTreeSet<ElementHash> = blocks.map(ElementHash::of).collect();
    if blocks == *links {
        return Ok(());
    }
    Err(AutomergeError::Records {
        actor: actor.clone(),
    })
}

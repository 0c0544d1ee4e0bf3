//! Taking in what other replicas give.

use std::sync::Arc;

use super::delta::Delta;
use crate::error::Error;
use crate::oplog::identity::{Certificate, Revocation};
use crate::oplog::{CheckpointReader, Commit, ForkProof, SignedCheckpoint, verify_batch};
use crate::profile::ProfileError;
use crate::profile::change::{
    ForeignPart, ProfilePart, ReadCheckpoint, ReadCommit, ReadOperation, ReadSegment,
};
use crate::profile::handle::Profile;
use crate::profile::sealed::ProfileId;

/// What taking in a [`Delta`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngestOutcome {
    /// Commits that were new and are applied.
    pub applied: u64,
    /// Checkpoints that were new and are taken in.
    pub checkpoints: u64,
    /// Commits that were there already.
    pub known: u64,
    /// Commits that are too far ahead of this device's clock; they are applied when their time comes.
    pub parked: u64,
    /// Operations that came alone and were stored.
    pub alone: u64,
    /// Operations that came alone and were left out: their devices are not known to be allowed to write them, their time
    /// has not come, or the block is missing that they refer to. They may come again.
    pub left_out: u64,
}

impl Profile {
    /// Takes in what other replicas wrote. Every signature, certificate, chain, time and size is checked before
    /// anything is applied; all of it is applied in one step, or nothing.
    ///
    /// # Errors
    /// [`ProfileError`] says what is wrong with it; after `Log` with an equivocation the evidence is stored and the
    /// log frozen. [`Error::MissingElement`] if a value's block is neither in the delta nor in the store; those of a
    /// commit.
    pub fn ingest(&self, delta: &Delta) -> Result<IngestOutcome, Error> {
        let part = self.checked(delta)?;
        let mut batch = self.engine.begin();
        for block in &delta.blocks {
            batch.put_opaque(block)?;
        }
        let segments = part.checkpoints.iter().flat_map(|one| &one.segments);
        let links: Vec<_> = segments.flat_map(|segment| segment.links()).collect();
        let commits = part.commits.iter();
        let links = links
            .into_iter()
            .chain(part.alone.iter().filter_map(|one| one.link()));
        for link in commits.flat_map(|commit| commit.links()).chain(links) {
            batch.name(&link)?;
        }
        *batch.profile_part() = Some(Box::new(ProfilePart::Foreign(part)));
        let outcome = batch.commit()?;
        Ok(IngestOutcome {
            applied: outcome.commits,
            checkpoints: outcome.checkpoints,
            known: outcome.commits_known,
            parked: outcome.commits_parked,
            alone: outcome.alone,
            left_out: outcome.left_out,
        })
    }

    /// Decodes and verifies everything that can be checked without the store.
    fn checked(&self, delta: &Delta) -> Result<ForeignPart, Error> {
        let id = &self.session.id;
        // What is held was verified when it came, and every delta brings all of it again.
        let held = self.replica()?;
        let mut part = ForeignPart {
            session: Arc::clone(&self.session),
            certificates: Vec::with_capacity(delta.certificates.len()),
            revocations: Vec::with_capacity(delta.revocations.len()),
            forks: Vec::with_capacity(delta.forks.len()),
            checkpoints: Vec::with_capacity(delta.checkpoints.len()),
            commits: Vec::with_capacity(delta.commits.len()),
            alone: Vec::with_capacity(delta.alone.len()),
        };
        for bytes in &delta.certificates {
            let certificate = Certificate::decode(bytes).map_err(ProfileError::from)?;
            if held.devices.get(&certificate.device()) != Some(&certificate) {
                certificate.verify(id).map_err(ProfileError::from)?;
            }
            part.certificates.push(certificate);
        }
        for bytes in &delta.revocations {
            let revocation = Revocation::decode(bytes).map_err(ProfileError::from)?;
            if !held.revocations.contains(&revocation) {
                revocation.verify(id).map_err(ProfileError::from)?;
            }
            part.revocations.push(revocation);
        }
        drop(held);
        for bytes in &delta.forks {
            let proof = ForkProof::decode(bytes).map_err(ProfileError::from)?;
            let (one, other) = proof.headers();
            if one.header().profile != *id || other.header().profile != *id {
                return Err(ProfileError::OtherProfile.into());
            }
            part.forks.push(proof);
        }
        for parts in &delta.checkpoints {
            let signed = SignedCheckpoint::decode(&parts.signed).map_err(ProfileError::from)?;
            if signed.header().profile != *id {
                return Err(ProfileError::OtherProfile.into());
            }
            signed.verify().map_err(ProfileError::from)?;
            let mut reader = CheckpointReader::new(&signed);
            let mut segments = Vec::with_capacity(parts.segments.len());
            for bytes in &parts.segments {
                let segment = reader.segment(bytes).map_err(ProfileError::from)?;
                segments.push(Arc::new(ReadSegment::of(&segment)));
            }
            reader.finish().map_err(ProfileError::from)?;
            let read = ReadCheckpoint { signed, segments };
            part.checkpoints.push(Arc::new(read));
        }
        part.commits = checked_commits(id, &delta.commits)?;
        for bytes in &delta.alone {
            let alone = ReadOperation::verify(bytes).map_err(ProfileError::from)?;
            if alone.profile != *id {
                return Err(ProfileError::OtherProfile.into());
            }
            part.alone.push(Arc::new(alone));
        }
        Ok(part)
    }
}

/// Decodes and verifies commits.
fn checked_commits(
    profile: &ProfileId,
    encoded: &[Vec<u8>],
) -> Result<Vec<Arc<ReadCommit>>, Error> {
    let mut commits = Vec::with_capacity(encoded.len());
    for bytes in encoded {
        let commit = Commit::decode(bytes).map_err(ProfileError::from)?;
        if commit.header().profile != *profile {
            return Err(ProfileError::OtherProfile.into());
        }
        commits.push(commit);
    }
    if let Err(bad) = verify_batch(&commits) {
        let verified = commits.get(bad).map(Commit::verify);
        verified.transpose().map_err(ProfileError::from)?;
    }
    let read = commits.iter();
    Ok(read
        .map(|commit| Arc::new(ReadCommit::of(commit)))
        .collect())
}

use ed25519_dalek::{Signature, VerifyingKey};

use super::{Commit, CommitError};
use crate::oplog::identity::DeviceId;

impl Commit<'_> {
    /// Checks that the device has signed it, by the strict rules: no key and no commitment of small order, no value of
    /// s or of a point written in a second way.
    ///
    /// # Errors
    /// [`CommitError::Signature`] if it has not.
    pub fn verify(&self) -> Result<(), CommitError> {
        let key = self.header.log.device.verifying_key();
        let key = key.map_err(|_| CommitError::Signature)?;
        self.verify_with(&key)
    }

    fn verify_with(&self, key: &VerifyingKey) -> Result<(), CommitError> {
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.id.message(), &signature)
            .map_err(|_| CommitError::Signature)
    }
}

/// Checks the signatures of many commits, accepting exactly what [`Commit::verify`] accepts. Commits of one device
/// should lie side by side, because its key is then unpacked once.
///
/// ```
/// use uxf_engine::oplog::verify_batch;
///
/// assert_eq!(verify_batch(&[]), Ok(()));
/// ```
///
/// # Errors
/// The index of the first commit whose device has not signed it.
///
// Implementation notes
//
// The usual batch equation, a random combination of all signatures, is not used on purpose. Where a signer adds a point
// of small order to a commitment, the combination vanishes by chance, one time in two to eight, although the signature
// alone fails; and two such errors can cancel whatever the random factors. One replica would keep a commit that
// another refuses. Checking the order of every commitment costs more than the batch saves.
pub fn verify_batch(commits: &[Commit<'_>]) -> Result<(), usize> {
    let mut known: Option<(DeviceId, VerifyingKey)> = None;
    for (index, commit) in commits.iter().enumerate() {
        let device = commit.header.log.device;
        let key = match known {
            Some((of, key)) if of == device => key,
            _ => device.verifying_key().map_err(|_| index)?,
        };
        known = Some((device, key));
        commit.verify_with(&key).map_err(|_| index)?;
    }
    Ok(())
}

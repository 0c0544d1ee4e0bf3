use super::Profile;
use crate::error::Error;
use crate::oplog::identity::{DeviceId, MembershipProof};
use crate::profile::ProfileError;

impl Profile {
    /// This device's proof, for one end of one connection, that it is a member of the profile.
    ///
    /// # Errors
    /// [`ProfileError::Uncertified`]; [`Error::Poisoned`], [`Error::Closed`].
    pub fn prove_membership(&self, binding: &[u8; 32]) -> Result<MembershipProof, Error> {
        let device = self.device();
        let view = self.replica()?;
        let certificate = view.devices.get(&device).cloned();
        let certificate = certificate.ok_or(ProfileError::Uncertified { device })?;
        let key = &self.session.device;
        Ok(MembershipProof::sign(key, certificate, self.id(), binding))
    }

    /// Checks that the other end of a connection is a device of the profile that was not revoked, and says which.
    ///
    /// # Errors
    /// [`ProfileError::Identity`]; [`ProfileError::RevokedDevice`], also where only this store knows of the revocation;
    /// [`Error::Poisoned`], [`Error::Closed`].
    pub fn check_membership(
        &self,
        proof: &MembershipProof,
        binding: &[u8; 32],
    ) -> Result<DeviceId, Error> {
        let device = proof.verify(self.id(), binding);
        let device = device.map_err(ProfileError::from)?;
        let view = self.replica()?;
        let mut revocations = view.revocations.iter();
        if revocations.any(|one| one.device() == device && one.epoch().is_none()) {
            return Err(ProfileError::RevokedDevice { device }.into());
        }
        Ok(device)
    }
}

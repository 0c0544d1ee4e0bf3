use super::certificate::{CERTIFICATE_BYTES_MAX, Certificate};
use super::device::{DeviceId, DeviceKey};
use super::profile_key::IdentityError;
use crate::cbor::{self, Cursor};
use crate::profile::sealed::ProfileId;

/// Longest encoding, in bytes: what the fields at their longest come to.
pub const MEMBERSHIP_BYTES_MAX: usize = 1 + (2 + CERTIFICATE_BYTES_MAX) + (2 + 64);

const LABEL: &[u8] = b"uxf/membership/1\0";

/// A device's word that it is one end of a connection, with the certificate that makes it a member of the profile.
///
/// What is signed is a label, the profile and the connection's binding: 32 bytes that both ends know, that no other
/// connection has, and that say which end the device is. So what one peer was shown is worth nothing to another.
///
/// ```
/// use uxf_engine::oplog::HybridTime;
/// use uxf_engine::oplog::identity::{Certificate, DeviceKey, MembershipProof, ProfileSigner};
/// use uxf_engine::profile::sealed::WalletSecret;
///
/// let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
/// let device = DeviceKey::take(&mut [7; 32]);
/// let certificate = Certificate::issue(&signer, device.id(), HybridTime::ZERO, "phone").unwrap();
/// let proof = MembershipProof::sign(&device, certificate, signer.profile(), &[3; 32]);
///
/// let read = MembershipProof::decode(&proof.encode()).unwrap();
/// assert_eq!(read.verify(signer.profile(), &[3; 32]), Ok(device.id()));
/// assert!(read.verify(signer.profile(), &[4; 32]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipProof {
    certificate: Certificate,
    signature: [u8; 64],
}

impl MembershipProof {
    /// Signs a connection's binding.
    pub fn sign(
        key: &DeviceKey,
        certificate: Certificate,
        profile: &ProfileId,
        binding: &[u8; 32],
    ) -> Self {
        Self {
            certificate,
            signature: key.sign(&message(profile, binding)),
        }
    }

    /// The certificate it comes with.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The canonical bytes: an array of the encoded certificate and the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x82];
        cbor::bytes(&mut out, &self.certificate.encode());
        cbor::bytes(&mut out, &self.signature);
        out
    }

    /// Reads canonical bytes. Checks no signature; see [`MembershipProof::verify`].
    ///
    /// # Errors
    /// All of [`IdentityError`] but `Signature` and `Binding`.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        if bytes.len() > MEMBERSHIP_BYTES_MAX {
            return Err(IdentityError::TooLarge {
                found: bytes.len(),
                limit: MEMBERSHIP_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x82", "an array of two")?;
        let certificate = Certificate::decode(cursor.string(cbor::BYTES, "a certificate")?)?;
        let signature = cursor.array("64 bytes")?;
        cursor.end()?;
        Ok(Self {
            certificate,
            signature,
        })
    }

    /// Checks that the profile has certified the device and the device has signed the binding. Whether the device was
    /// revoked since is not looked at.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] for the certificate, [`IdentityError::Binding`] for the connection.
    pub fn verify(
        &self,
        profile: &ProfileId,
        binding: &[u8; 32],
    ) -> Result<DeviceId, IdentityError> {
        let device = self.certificate.device();
        if !device.has_signed(&message(profile, binding), &self.signature) {
            return Err(IdentityError::Binding);
        }
        self.certificate.verify(profile)?;
        Ok(device)
    }
}

fn message(profile: &ProfileId, binding: &[u8; 32]) -> Vec<u8> {
    [LABEL, profile.as_bytes(), binding].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::HybridTime;
    use crate::oplog::identity::ProfileSigner;
    use crate::profile::sealed::WalletSecret;

    fn sample(name: &str) -> (MembershipProof, ProfileId) {
        let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
        let device = DeviceKey::take(&mut [7; 32]);
        let time = HybridTime::from_u64(u64::MAX);
        let certificate = Certificate::issue(&signer, device.id(), time, name).unwrap();
        let proof = MembershipProof::sign(&device, certificate, signer.profile(), &[3; 32]);
        (proof, *signer.profile())
    }

    #[test]
    fn no_changed_bit_and_no_cut_of_a_membership_proof_verifies() {
        let (proof, profile) = sample("phone");
        let bytes = proof.encode();
        assert_eq!(MembershipProof::decode(&bytes), Ok(proof));
        for at in 0..bytes.len() {
            assert!(MembershipProof::decode(&bytes[..at]).is_err());
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let read = MembershipProof::decode(&changed);
                let accepted = read.map(|read| read.verify(&profile, &[3; 32]));
                assert!(!matches!(accepted, Ok(Ok(_))), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_proof_for_another_connection_or_profile_or_of_another_device_is_refused() {
        let (proof, profile) = sample(&"n".repeat(64));
        assert_eq!(proof.encode().len(), MEMBERSHIP_BYTES_MAX);
        assert_eq!(
            proof.verify(&profile, &[4; 32]),
            Err(IdentityError::Binding)
        );
        let other = ProfileId::of(&WalletSecret::take(&mut [2; 32])).unwrap();
        assert!(proof.verify(&other, &[3; 32]).is_err());
        let stranger = DeviceKey::take(&mut [8; 32]);
        let stolen =
            MembershipProof::sign(&stranger, proof.certificate.clone(), &profile, &[3; 32]);
        assert_eq!(
            stolen.verify(&profile, &[3; 32]),
            Err(IdentityError::Binding)
        );
    }
}

use super::device::DeviceId;
use super::profile_key::{IdentityError, ProfileSigner, verify};
use crate::cbor::{self, Cursor, UNSIGNED};
use crate::oplog::HybridTime;
use crate::profile::sealed::ProfileId;

/// Longest name of a device, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 64;
/// Longest encoding, in bytes: what the fields at their longest come to.
pub const CERTIFICATE_BYTES_MAX: usize = 197;

const LABEL: &[u8] = b"uxf/certificate/1\0";

/// The profile's word that a device may write.
///
/// ```
/// use uxf_engine::oplog::HybridTime;
/// use uxf_engine::oplog::identity::{Certificate, DeviceKey, ProfileSigner};
/// use uxf_engine::profile::sealed::{ProfileId, WalletSecret};
///
/// let wallet = WalletSecret::take(&mut [1; 32]);
/// let signer = ProfileSigner::new(&wallet).unwrap();
/// let device = DeviceKey::take(&mut [7; 32]);
/// let time = HybridTime::new(1_700_000_000_000, 0).unwrap();
/// let issued = Certificate::issue(&signer, device.id(), time, "phone").unwrap();
///
/// let read = Certificate::decode(&issued.encode()).unwrap();
/// assert_eq!(read, issued);
/// assert!(read.verify(&ProfileId::of(&wallet).unwrap()).is_ok());
/// let other = ProfileId::of(&WalletSecret::take(&mut [2; 32])).unwrap();
/// assert!(read.verify(&other).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    device: DeviceId,
    time: HybridTime,
    name: String,
    signature: [u8; 64],
}

impl Certificate {
    /// Signs that a device may write, from a time on that is only information, under a name for people.
    ///
    /// # Errors
    /// [`IdentityError::NameTooLong`], and [`IdentityError::Device`] if the device is no usable key.
    pub fn issue(
        signer: &ProfileSigner,
        device: DeviceId,
        time: HybridTime,
        name: &str,
    ) -> Result<Self, IdentityError> {
        let mut certificate = Self {
            device,
            time,
            name: name.to_owned(),
            signature: [0; 64],
        };
        certificate.check()?;
        certificate.signature = signer.sign(LABEL, &certificate.body());
        Ok(certificate)
    }

    /// The device that may write.
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// When it was issued.
    pub const fn time(&self) -> HybridTime {
        self.time
    }

    /// What people call the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The canonical bytes: an array of the signed map and the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x82];
        out.extend_from_slice(&self.body());
        cbor::bytes(&mut out, &self.signature);
        out
    }

    /// Reads canonical bytes. Does not check the signature; see [`Certificate::verify`].
    ///
    /// # Errors
    /// All of [`IdentityError`] but `Signature`.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(IdentityError::TooLarge {
                found: bytes.len(),
                limit: CERTIFICATE_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x82\xa4\x61v\x01", "a certificate of version 1")?;
        cursor.literal(b"\x64name", "name")?;
        let name = cursor.text("text")?.to_owned();
        cursor.literal(b"\x64time", "time")?;
        let time = HybridTime::from_u64(cursor.head(UNSIGNED, "an unsigned integer")?);
        cursor.literal(b"\x66device", "device")?;
        let device = DeviceId::unchecked(cursor.array("32 bytes")?);
        let signature = cursor.array("64 bytes")?;
        cursor.end()?;
        let certificate = Self {
            device,
            time,
            name,
            signature,
        };
        certificate.check()?;
        Ok(certificate)
    }

    /// Checks that the key of a profile has signed it.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] if it has not.
    pub fn verify(&self, profile: &ProfileId) -> Result<(), IdentityError> {
        verify(profile, LABEL, &self.body(), &self.signature)
    }

    fn check(&self) -> Result<(), IdentityError> {
        if self.name.len() > DEVICE_NAME_BYTES_MAX {
            return Err(IdentityError::NameTooLong {
                found: self.name.len(),
                limit: DEVICE_NAME_BYTES_MAX,
            });
        }
        DeviceId::from_bytes(*self.device.as_bytes())
            .map(|_| ())
            .map_err(IdentityError::Device)
    }

    /// The part that is signed.
    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(CERTIFICATE_BYTES_MAX);
        out.extend_from_slice(b"\xa4\x61v\x01\x64name");
        cbor::text(&mut out, &self.name);
        out.extend_from_slice(b"\x64time");
        cbor::head(&mut out, UNSIGNED, self.time.as_u64());
        out.extend_from_slice(b"\x66device");
        cbor::bytes(&mut out, self.device.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::identity::DeviceKey;
    use crate::profile::sealed::WalletSecret;

    fn sample(name: &str) -> (Certificate, ProfileId) {
        let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
        let device = DeviceKey::take(&mut [7; 32]).id();
        let time = HybridTime::from_u64(u64::MAX);
        let issued = Certificate::issue(&signer, device, time, name).unwrap();
        (issued, *signer.profile())
    }

    #[test]
    fn no_changed_bit_and_no_cut_of_a_certificate_verifies() {
        let (issued, profile) = sample("phone");
        let bytes = issued.encode();
        for at in 0..bytes.len() {
            assert!(Certificate::decode(&bytes[..at]).is_err());
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let accepted = Certificate::decode(&changed).map(|read| read.verify(&profile));
                assert!(!matches!(accepted, Ok(Ok(()))), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn the_longest_certificate_has_the_longest_length_and_a_longer_name_is_refused() {
        let name = "n".repeat(DEVICE_NAME_BYTES_MAX);
        let bytes = sample(&name).0.encode();
        assert_eq!(bytes.len(), CERTIFICATE_BYTES_MAX);
        let longer = [bytes, vec![0]].concat();
        assert!(matches!(
            Certificate::decode(&longer),
            Err(IdentityError::TooLarge { .. })
        ));
        let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
        let device = DeviceKey::take(&mut [7; 32]).id();
        let refused = Certificate::issue(&signer, device, HybridTime::ZERO, &format!("{name}n"));
        assert!(matches!(
            refused,
            Err(IdentityError::NameTooLong { found: 65, .. })
        ));
    }

    #[test]
    fn the_other_value_of_s_is_refused() {
        let (mut issued, profile) = sample("phone");
        let signature = k256::ecdsa::Signature::from_slice(&issued.signature).unwrap();
        let (r, s) = signature.split_scalars();
        let other = k256::ecdsa::Signature::from_scalars(r, -*s).unwrap();
        issued.signature = other.to_bytes().into();
        assert_eq!(issued.verify(&profile), Err(IdentityError::Signature));
    }

    #[test]
    fn a_certificate_for_a_key_of_small_order_is_neither_made_nor_read() {
        let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
        let weak = DeviceId::unchecked([0; 32]);
        let made = Certificate::issue(&signer, weak, HybridTime::ZERO, "x");
        assert!(matches!(made, Err(IdentityError::Device(_))));
        let mut forced = sample("x").0;
        forced.device = weak;
        forced.signature = signer.sign(LABEL, &forced.body());
        assert!(matches!(
            Certificate::decode(&forced.encode()),
            Err(IdentityError::Device(_))
        ));
    }
}

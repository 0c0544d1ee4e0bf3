use core::fmt;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::Sha512;
use thiserror::Error;
use zeroize::Zeroize as _;

use crate::profile::sealed::{DEEP, SHALLOW, SecretBytes, then_wipe};

/// Thirty-two bytes that are no device's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceIdError {
    /// No point of the curve, or written in another way than the shortest.
    #[error("the bytes are no Ed25519 public key")]
    NotAPoint,
    /// A point of small order, under which anybody can make a signature.
    #[error("the Ed25519 public key is of small order")]
    SmallOrder,
}

/// Who a device is: its Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 32]);

impl DeviceId {
    /// A device of its public key, which is checked.
    ///
    /// ```
    /// use uxf_engine::oplog::identity::{DeviceId, DeviceIdError, DeviceKey};
    ///
    /// let id = DeviceKey::take(&mut [7; 32]).id();
    /// assert_eq!(DeviceId::from_bytes(*id.as_bytes()), Ok(id));
    /// assert_eq!(DeviceId::from_bytes([0; 32]), Err(DeviceIdError::SmallOrder));
    /// ```
    ///
    /// # Errors
    /// [`DeviceIdError`] if no device can have this key.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, DeviceIdError> {
        Self(bytes).verifying_key().map(|_| Self(bytes))
    }

    /// A device as it was stored or named by a peer; whether it is a key is not looked at. Nothing verifies under a
    /// device that is none.
    pub const fn unchecked(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The point of the key, if it is one that signatures may be checked with.
    pub(in crate::oplog) fn verifying_key(&self) -> Result<VerifyingKey, DeviceIdError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| DeviceIdError::NotAPoint)?;
        if key.is_weak() {
            return Err(DeviceIdError::SmallOrder);
        }
        // One key must have one id: the y of the point is below 2^255 - 19.
        let [low, middle @ .., high] = &self.0;
        if *low >= 0xed && high & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff) {
            return Err(DeviceIdError::NotAPoint);
        }
        Ok(key)
    }

    /// Whether the device has signed a message, by the strict rules: no key and no commitment of small order, no value
    /// of s or of a point written in a second way.
    pub(in crate::oplog) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.verifying_key()
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..4).unwrap_or_default();
        write!(f, "DeviceId({}..)", const_hex::encode(start))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

/// One life of a device's store. A random number; a restored or copied store gets another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a number, which the caller drew at random.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// One log: the commits of one device in one epoch. Ordered by the device's bytes, then the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The device that writes it.
    pub device: DeviceId,
    /// The epoch it writes it in.
    pub epoch: Epoch,
}

/// A device's signing key.
///
/// Shows nothing in `Debug`, cannot be cloned and is wiped on drop. The seed has one place in memory; what a signature
/// needs is made of it for that signature and wiped.
pub struct DeviceKey {
    seed: SecretBytes,
    public: VerifyingKey,
}

impl DeviceKey {
    /// Takes the key out of a buffer, which is wiped. Every 32 bytes are a key; the caller draws them at random.
    ///
    /// ```
    /// use uxf_engine::oplog::identity::DeviceKey;
    ///
    /// let mut bytes = [7; 32];
    /// let key = DeviceKey::take(&mut bytes);
    /// assert_eq!(bytes, [0; 32]);
    /// assert_eq!(format!("{key:?}"), "DeviceKey(..)");
    /// ```
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let mut seed = SecretBytes::zeroed();
        seed.as_bytes_mut().copy_from_slice(bytes);
        bytes.zeroize();
        let public =
            then_wipe::<DEEP, _>(|| VerifyingKey::from(&ExpandedSecretKey::from(seed.as_bytes())));
        Self { seed, public }
    }

    /// The device of this key.
    pub fn id(&self) -> DeviceId {
        DeviceId(self.public.to_bytes())
    }

    pub(in crate::oplog) fn sign(&self, message: &[u8]) -> [u8; 64] {
        then_wipe::<SHALLOW, _>(|| {
            let expanded = ExpandedSecretKey::from(self.seed.as_bytes());
            raw_sign::<Sha512>(&expanded, message, &self.public).to_bytes()
        })
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_what_verifies_under_its_id_alone() {
        let key = DeviceKey::take(&mut [7; 32]);
        let signature = Signature::from_bytes(&key.sign(b"message"));
        let public = key.id().verifying_key().unwrap();
        assert!(public.verify_strict(b"message", &signature).is_ok());
        assert!(public.verify_strict(b"messagf", &signature).is_err());
        let other = DeviceKey::take(&mut [8; 32]).id().verifying_key().unwrap();
        assert!(other.verify_strict(b"message", &signature).is_err());
    }

    #[test]
    fn the_first_vector_of_rfc_8032_comes_out() {
        let mut seed = [0; 32];
        let text = b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        const_hex::decode_to_slice(text, &mut seed).unwrap();
        let key = DeviceKey::take(&mut seed);
        assert_eq!(
            key.id().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert_eq!(
            const_hex::encode(key.sign(b"")),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
    }

    #[test]
    fn keys_that_are_no_points_or_of_small_order_or_written_twice_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        for weak in [[0; 32], one] {
            assert_eq!(DeviceId::from_bytes(weak), Err(DeviceIdError::SmallOrder));
        }
        let mut none = [0; 32];
        none[0] = 2;
        assert_eq!(DeviceId::from_bytes(none), Err(DeviceIdError::NotAPoint));
        // y = 3 is a point; written as 3 + (2^255 - 19) it must not be another device.
        let mut three = [0; 32];
        three[0] = 3;
        let mut other = [0xff; 32];
        (other[0], other[31]) = (0xed + 3, 0x7f);
        assert!(DeviceId::from_bytes(three).is_ok());
        assert!(VerifyingKey::from_bytes(&other).is_ok());
        assert_eq!(DeviceId::from_bytes(other), Err(DeviceIdError::NotAPoint));
    }
}

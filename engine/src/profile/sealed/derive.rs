use core::fmt;

use hkdf::Hkdf;
use k256::SecretKey;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use sha2::Sha256;
use thiserror::Error;

use super::secret::{SecretBytes, WalletSecret};
use super::stack::{DEEP, SHALLOW, then_wipe};

/// Salt of the derivation, as the reference has it.
const SALT: &[u8] = b"sphere-profile-v1";
/// Purpose of the derivation, as the reference has it.
const INFO: &[u8] = b"uxf-profile-encryption";
/// Start of the name the reference gives to a profile's database.
const DATABASE_PREFIX: &str = "sphere-profile-";
/// Bytes of the public key in that name.
const DATABASE_KEY_BYTES: usize = 8;

/// The secret is zero or not below the order of secp256k1, so it has no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the wallet secret is no secp256k1 private key")]
pub struct ProfileKeyError;

/// The key under which a profile's values are sealed: 32 bytes, the same on every device of the wallet.
///
/// Shows nothing in `Debug`, compares in constant time and is wiped on drop.
pub struct SealingKey(SecretBytes);

impl SealingKey {
    /// Derives the key: HKDF-SHA-256 of the secret, salt `sphere-profile-v1`, info `uxf-profile-encryption`, 32 bytes.
    pub fn derive(secret: &WalletSecret) -> Self {
        Self::derive_of_any_length(secret.as_bytes())
    }

    /// The same derivation for an input of any length, which the reference does not check either.
    ///
    /// Only for reading what was sealed that way. A short input makes a weak key, and of an empty one everybody knows
    /// the key; wiping the input is the caller's part.
    pub fn derive_of_any_length(input: &[u8]) -> Self {
        let mut key = SecretBytes::zeroed();
        let expanded = then_wipe::<SHALLOW, _>(|| {
            Hkdf::<Sha256>::new(Some(SALT), input).expand(INFO, key.as_bytes_mut())
        });
        // Only lengths beyond 255 times 32 bytes are refused.
        debug_assert!(expanded.is_ok());
        Self(key)
    }

    /// A key that is already known, taken out of a buffer, which is wiped.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        use zeroize::Zeroize as _;

        let mut key = SecretBytes::zeroed();
        key.as_bytes_mut().copy_from_slice(bytes);
        bytes.zeroize();
        Self(key)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

impl PartialEq for SealingKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }
}

impl Eq for SealingKey {}

/// Who a profile is: the compressed secp256k1 public key of its wallet secret, 33 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId([u8; 33]);

impl ProfileId {
    /// The profile of a wallet secret.
    ///
    /// # Errors
    /// [`ProfileKeyError`] if the secret is zero or not below the order of the curve.
    pub fn of(secret: &WalletSecret) -> Result<Self, ProfileKeyError> {
        let point = then_wipe::<DEEP, _>(|| {
            let key = SecretKey::from_slice(secret.as_bytes()).map_err(|_| ProfileKeyError)?;
            Ok(key.public_key().to_sec1_point(true))
        })?;
        let bytes = <[u8; 33]>::try_from(point.as_bytes()).map_err(|_| ProfileKeyError)?;
        Ok(Self(bytes))
    }

    /// An id as it was stored; whether it is a point of the curve is not looked at.
    pub const fn from_bytes(bytes: [u8; 33]) -> Self {
        Self(bytes)
    }

    /// The compressed public key.
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// The name the reference gives to this profile's database: `sphere-profile-` and 16 hex digits.
    pub fn database_name(&self) -> String {
        let start = self.0.get(..DATABASE_KEY_BYTES).unwrap_or_default();
        format!("{DATABASE_PREFIX}{}", const_hex::encode(start))
    }
}

impl fmt::Debug for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.get(..4).unwrap_or_default();
        write!(f, "ProfileId({}..)", const_hex::encode(start))
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&const_hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_secret_gives_the_same_key_and_another_secret_another() {
        let key = |byte| SealingKey::derive(&WalletSecret::take(&mut [byte; 32]));
        assert_eq!(key(1), key(1));
        assert_ne!(key(1), key(2));
        assert_eq!(
            const_hex::encode(key(1).as_bytes()),
            "92705fd85219dc67111ca17fa6339fd5770c4bb6cb8d874aee13cf99644632a3"
        );
    }

    #[test]
    fn a_secret_that_is_no_scalar_seals_but_has_no_profile_id() {
        let zero = WalletSecret::take(&mut [0; 32]);
        assert_eq!(ProfileId::of(&zero), Err(ProfileKeyError));
        assert_eq!(
            ProfileId::of(&WalletSecret::take(&mut [0xff; 32])),
            Err(ProfileKeyError)
        );
        assert_ne!(SealingKey::derive(&zero).as_bytes(), &[0; 32]);
    }

    #[test]
    fn debug_of_a_secret_shows_none_of_it() {
        let secret = WalletSecret::take(&mut [0x41; 32]);
        let shown = format!("{secret:?} {:?}", SealingKey::derive(&secret));
        assert_eq!(shown, "WalletSecret(..) SealingKey(..)");
    }
}

use core::fmt;

use k256::SecretKey;
use k256::ecdsa::signature::{Signer as _, Verifier as _};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use thiserror::Error;

use crate::cbor::Malformed;
use crate::profile::sealed::{DEEP, ProfileId, ProfileKeyError, WalletSecret, then_wipe};

/// Why a certificate or a revocation is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Longer than such a statement can be.
    #[error("a statement of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// Not the canonical bytes of such a statement.
    #[error("no canonical statement at byte {offset}: {expected} was expected")]
    Malformed {
        /// Where, in bytes.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The device's name is too long.
    #[error("a device name of {found} bytes, the most is {limit}")]
    NameTooLong {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// The device it speaks of is no usable key.
    #[error("the statement is about no device")]
    Device(#[source] super::DeviceIdError),
    /// The profile's key did not sign it.
    #[error("the signature is not that of the profile")]
    Signature,
    /// The device did not sign this connection.
    #[error("the device has not signed this end of this connection")]
    Binding,
}

impl From<Malformed> for IdentityError {
    fn from(Malformed { offset, expected }: Malformed) -> Self {
        Self::Malformed { offset, expected }
    }
}

/// The profile's secp256k1 key, for statements about devices.
///
/// Signatures are deterministic (RFC 6979) with the lower of the two values of s, so that a statement has one
/// signature. Wiped on drop; shows nothing in `Debug`. The key has one place in memory: whoever moves a signer, out of a
/// request for example, leaves no copy behind.
pub struct ProfileSigner {
    key: Box<SigningKey>,
    profile: ProfileId,
}

impl ProfileSigner {
    /// The signer of a wallet's profile.
    ///
    /// # Errors
    /// [`ProfileKeyError`] if the secret is no private key.
    pub fn new(secret: &WalletSecret) -> Result<Self, ProfileKeyError> {
        let key = then_wipe::<DEEP, _>(|| {
            let key = SecretKey::from_slice(secret.as_bytes()).map_err(|_| ProfileKeyError)?;
            Ok(Box::new(SigningKey::from(key)))
        })?;
        Ok(Self {
            key,
            profile: ProfileId::of(secret)?,
        })
    }

    /// The profile it signs for.
    pub const fn profile(&self) -> &ProfileId {
        &self.profile
    }

    pub(super) fn sign(&self, label: &[u8], body: &[u8]) -> [u8; 64] {
        let message = message(label, &self.profile, body);
        let signature: Signature = then_wipe::<DEEP, _>(|| self.key.sign(&message));
        signature.to_bytes().into()
    }
}

impl fmt::Debug for ProfileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfileSigner(..)")
    }
}

/// Checks what [`ProfileSigner::sign`] made; the greater value of s is refused.
pub(super) fn verify(
    profile: &ProfileId,
    label: &[u8],
    body: &[u8],
    signature: &[u8; 64],
) -> Result<(), IdentityError> {
    let refused = |_| IdentityError::Signature;
    let key = VerifyingKey::from_sec1_bytes(profile.as_bytes()).map_err(refused)?;
    let signature = Signature::from_slice(signature).map_err(refused)?;
    if signature.normalize_s() != signature {
        return Err(IdentityError::Signature);
    }
    key.verify(&message(label, profile, body), &signature)
        .map_err(refused)
}

/// What is signed: a label that no other kind of statement has, the profile, the statement.
fn message(label: &[u8], profile: &ProfileId, body: &[u8]) -> Vec<u8> {
    [label, profile.as_bytes(), body].concat()
}

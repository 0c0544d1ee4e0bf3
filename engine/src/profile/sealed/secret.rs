use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

/// Thirty-two secret bytes in one heap allocation, so that moving the value leaves no copy behind.
pub(crate) struct SecretBytes(Box<[u8; 32]>);

impl SecretBytes {
    /// Bytes to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; 32]))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_ref()).into()
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The wallet's 32-byte secret, of which the profile's keys are derived.
///
/// Shows nothing in `Debug`, compares in constant time, is wiped on drop and cannot be cloned.
pub struct WalletSecret(SecretBytes);

impl WalletSecret {
    /// Takes the secret out of a buffer, which is wiped.
    ///
    /// ```
    /// use uxf_engine::profile::sealed::WalletSecret;
    ///
    /// let mut bytes = [7; 32];
    /// let secret = WalletSecret::take(&mut bytes);
    /// assert_eq!(bytes, [0; 32]);
    /// assert_eq!(format!("{secret:?}"), "WalletSecret(..)");
    /// ```
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let mut secret = SecretBytes::zeroed();
        secret.as_bytes_mut().copy_from_slice(bytes);
        bytes.zeroize();
        Self(secret)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for WalletSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WalletSecret(..)")
    }
}

impl PartialEq for WalletSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(&other.0)
    }
}

impl Eq for WalletSecret {}

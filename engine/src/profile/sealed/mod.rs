//! Sealed values: what the replicated store holds instead of an application's bytes (profile notes, section 2).
//!
//! A value is sealed with AES-256-GCM under a key that HKDF-SHA-256 makes of the wallet's secret, so that every device
//! of a wallet has the same key and nothing needs to be exchanged. Layout: 12 random bytes of nonce, the ciphertext, 16
//! bytes of tag. The additional data binds a sealed value to its profile, its key and its place (in a row, or a block
//! of its own), so that nobody can put a ciphertext under another key; see [`Aad`]. Ciphertexts of the reference, which
//! have no additional data, are read with [`open_reference`] and never written.
//!
//! A nonce is made only inside [`Sealer::seal`], from entropy the caller passes in, and every seal is counted against
//! the bound for random nonces. Secrets live in one heap allocation each, are compared in constant time, show nothing
//! in `Debug` and are wiped on drop; plaintext is handed out in buffers that are wiped as well.

mod aad;
mod derive;
mod open;
mod seal;
mod secret;
mod stack;
mod value_ref;

pub use aad::{Aad, KEY_BYTES_MAX, Place};
pub use derive::{ProfileId, ProfileKeyError, SealingKey};
pub use open::{OpenError, open, open_reference, open_reference_with};
pub(crate) use seal::Nonces;
pub use seal::{SEALS_MAX, SEALS_WARNING, SealError, SealedValue, Sealer};
pub(crate) use secret::SecretBytes;
pub use secret::WalletSecret;
pub(crate) use stack::{DEEP, SHALLOW, then_wipe};
pub use value_ref::{
    FETCH_BYTES_MAX, FETCH_SLACK_BYTES, INLINE_BYTES_MAX, ValueRef, ValueRefError,
};

/// Length of a nonce in bytes.
pub const NONCE_LEN: usize = 12;
/// Length of an authentication tag in bytes.
pub const TAG_LEN: usize = 16;
/// What sealing adds to a value, in bytes.
pub const OVERHEAD_BYTES: usize = NONCE_LEN + TAG_LEN;

/// A source of one byte over and over, for tests.
#[cfg(test)]
#[derive(Debug)]
struct Fixed(u8);

#[cfg(test)]
impl crate::Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        out.fill(self.0);
        Ok(())
    }
}

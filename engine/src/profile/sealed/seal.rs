use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use thiserror::Error;
use zeroize::Zeroizing;

use super::aad::{Aad, KEY_BYTES_MAX};
use super::derive::SealingKey;
use super::open::{OpenError, open_with};
use super::stack::{SHALLOW, SLIGHT, then_wipe};
use super::{NONCE_LEN, OVERHEAD_BYTES};
use crate::Entropy;

/// Most values one key may seal: 2^32, the bound for random 96-bit nonces (NIST SP 800-38D, section 8.3). At that
/// number two nonces are equal with a probability of 2^-33.
pub const SEALS_MAX: u64 = 1 << 32;
/// From this many seals on, [`Sealer::is_near_bound`] says so: a hundred million are left to react in.
pub const SEALS_WARNING: u64 = SEALS_MAX - 100_000_000;

/// Why a value was not sealed. Nothing was written; there is no way to store it in the clear instead.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The source of randomness failed.
    #[error("no randomness for a nonce")]
    Entropy(#[source] std::io::Error),
    /// The key has sealed as much as it may.
    #[error("this key has sealed {sealed} values, which is all it may; derive a new one")]
    KeyWornOut {
        /// Values sealed so far.
        sealed: u64,
    },
    /// The name of the key is longer than a key may be.
    #[error("the key has {found} bytes, the most is {limit}")]
    KeyTooLong {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// The cipher refused the value: it is beyond the 64 GiB that AES-GCM can seal.
    #[error("a value of {len} bytes cannot be sealed")]
    ValueTooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl SealError {
    /// The code of the reference.
    pub const fn code(&self) -> &'static str {
        "ENCRYPTION_FAILED"
    }
}

/// A sealed value: nonce, ciphertext, tag.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue(Vec<u8>);

impl SealedValue {
    /// The stored bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stored bytes, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({} bytes)", self.0.len())
    }
}

/// Made here, used once: there is no other way to get one, to copy one or to choose one.
struct FreshNonce([u8; NONCE_LEN]);

/// Most nonces that are drawn at once.
const NONCES_MAX: usize = 64;

/// Nonces drawn some at a time, because asking the operating system takes longer than sealing a short value. Twice as
/// many every time, so that one value alone draws one.
///
/// Whoever seals many values in a row has one of these for that long. It is not kept any longer: a copy of the
/// process would have a copy of its nonces.
pub(crate) struct Nonces {
    unused: Vec<u8>,
    /// Bytes to draw the next time.
    draw: usize,
}

impl Nonces {
    pub(crate) const fn new() -> Self {
        Self {
            unused: Vec::new(),
            draw: NONCE_LEN,
        }
    }

    fn next(&mut self, entropy: &dyn Entropy) -> Result<FreshNonce, SealError> {
        if let Some(nonce) = self.take() {
            return Ok(nonce);
        }
        let mut fresh = vec![0; self.draw];
        entropy.fill(&mut fresh).map_err(SealError::Entropy)?;
        self.unused = fresh;
        self.draw = (self.draw * 2).min(NONCES_MAX * NONCE_LEN);
        self.take().ok_or_else(|| {
            SealError::Entropy(std::io::Error::other("no bytes for a nonce were drawn"))
        })
    }

    fn take(&mut self) -> Option<FreshNonce> {
        let (rest, nonce) = self.unused.split_last_chunk()?;
        let (rest, nonce) = (rest.len(), *nonce);
        self.unused.truncate(rest);
        Some(FreshNonce(nonce))
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonces({} left)", self.unused.len() / NONCE_LEN)
    }
}

/// Seals values under one key, on any number of threads, and counts them.
///
/// The count is the caller's to keep: a store writes [`Sealer::sealed`] with its commits and gives it back when it is
/// opened again. Each device counts its own seals. Nonces are random, so devices that share a key share its bound; the
/// warning level leaves room for a few dozen of them.
pub struct Sealer {
    cipher: Box<Aes256Gcm>,
    sealed: AtomicU64,
}

impl Sealer {
    /// A sealer for a key that has sealed `sealed` values before.
    pub fn new(key: &SealingKey, sealed: u64) -> Self {
        let key: &Key<Aes256Gcm> = key.as_bytes().into();
        Self {
            cipher: then_wipe::<SHALLOW, _>(|| Box::new(Aes256Gcm::new(key))),
            sealed: AtomicU64::new(sealed),
        }
    }

    /// Values sealed under this key so far, failed attempts included.
    pub fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::Relaxed)
    }

    /// Whether the bound on nonces is near enough for the operator to be told.
    pub fn is_near_bound(&self) -> bool {
        self.sealed() >= SEALS_WARNING
    }

    /// Seals a value for one place of one profile. The source of randomness is asked for the 12 bytes of a nonce.
    ///
    /// ```
    /// use uxf_engine::SystemEntropy;
    /// use uxf_engine::profile::sealed::{Aad, Place, ProfileId, Sealer, SealingKey, WalletSecret, open};
    ///
    /// let secret = WalletSecret::take(&mut [1; 32]);
    /// let (key, profile) = (SealingKey::derive(&secret), ProfileId::of(&secret).unwrap());
    /// let aad = Aad { profile: &profile, key: "addresses.tracked", place: Place::Row };
    /// let sealer = Sealer::new(&key, 0);
    /// let sealed = sealer.seal(&aad, b"value", &SystemEntropy).unwrap();
    /// assert_eq!(open(&key, &aad, sealed.as_bytes()).unwrap().as_slice(), b"value");
    /// assert_eq!(sealer.sealed(), 1);
    /// ```
    ///
    /// # Errors
    /// All of [`SealError`].
    pub fn seal(
        &self,
        aad: &Aad<'_>,
        value: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<SealedValue, SealError> {
        self.seal_next(aad, value, &mut Nonces::new(), entropy)
    }

    /// The same with one of several nonces that were drawn together.
    pub(crate) fn seal_next(
        &self,
        aad: &Aad<'_>,
        value: &[u8],
        nonces: &mut Nonces,
        entropy: &dyn Entropy,
    ) -> Result<SealedValue, SealError> {
        if aad.key.len() > KEY_BYTES_MAX {
            return Err(SealError::KeyTooLong {
                found: aad.key.len(),
                limit: KEY_BYTES_MAX,
            });
        }
        self.count_one()?;
        let nonce = nonces.next(entropy)?;
        let mut bytes = Vec::with_capacity(value.len().saturating_add(OVERHEAD_BYTES));
        bytes.extend_from_slice(&nonce.0);
        bytes.extend_from_slice(value);
        let too_long = SealError::ValueTooLong { len: value.len() };
        let Some(body) = bytes.get_mut(NONCE_LEN..) else {
            return Err(too_long);
        };
        let nonce: &Nonce<_> = (&nonce.0).into();
        let aad = aad.to_bytes();
        let tag = then_wipe::<SLIGHT, _>(|| {
            let cipher = &self.cipher;
            cipher.encrypt_inout_detached(nonce, &aad, body.into())
        });
        let Ok(tag) = tag else {
            zeroize::Zeroize::zeroize(&mut bytes);
            return Err(too_long);
        };
        bytes.extend_from_slice(&tag);
        Ok(SealedValue(bytes))
    }

    /// Opens a sealed value at the place it was sealed for, as [`open`](super::open) does, without expanding the key
    /// once more.
    ///
    /// # Errors
    /// Those of [`open`](super::open).
    pub fn open(&self, aad: &Aad<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open_with(&self.cipher, &aad.to_bytes(), sealed)
    }

    /// Takes one of the seals that are left.
    fn count_one(&self) -> Result<(), SealError> {
        let one_more = |sealed| (sealed < SEALS_MAX).then_some(sealed + 1);
        let counted = self
            .sealed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        match counted {
            Ok(_) => Ok(()),
            Err(sealed) => Err(SealError::KeyWornOut { sealed }),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("sealed", &self.sealed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fixed, Place, ProfileId, WalletSecret, open};
    use super::*;

    #[derive(Debug)]
    struct Dry;

    impl Entropy for Dry {
        fn fill(&self, _: &mut [u8]) -> std::io::Result<()> {
            Err(std::io::Error::other("dry"))
        }
    }

    fn key() -> SealingKey {
        SealingKey::derive(&WalletSecret::take(&mut [9; 32]))
    }

    fn aad<'a>(profile: &'a ProfileId, key: &'a str) -> Aad<'a> {
        Aad {
            profile,
            key,
            place: Place::Row,
        }
    }

    #[test]
    fn two_seals_of_one_value_differ_and_both_open() {
        let profile = ProfileId::from_bytes([2; 33]);
        let aad = aad(&profile, "k");
        let sealer = Sealer::new(&key(), 0);
        let one = sealer.seal(&aad, b"", &Fixed(1)).unwrap();
        let two = sealer.seal(&aad, b"", &Fixed(2)).unwrap();
        assert_ne!(one, two);
        assert_eq!(one.as_bytes().len(), OVERHEAD_BYTES);
        assert!(open(&key(), &aad, one.as_bytes()).unwrap().is_empty());
        assert!(open(&key(), &aad, two.as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn a_failed_source_of_randomness_seals_nothing() {
        let profile = ProfileId::from_bytes([2; 33]);
        let sealer = Sealer::new(&key(), 0);
        let failed = sealer.seal(&aad(&profile, "k"), b"v", &Dry);
        assert!(matches!(failed, Err(SealError::Entropy(_))));
        assert_eq!(failed.unwrap_err().code(), "ENCRYPTION_FAILED");
    }

    /// Counts up, so that bytes which were given out twice would show.
    #[derive(Debug, Default)]
    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
            for nonce in out.chunks_mut(NONCE_LEN) {
                let number = self.0.fetch_add(1, Ordering::Relaxed);
                let (number, nonce) = (number.to_be_bytes(), nonce.iter_mut().rev());
                nonce
                    .zip(number.iter().rev())
                    .for_each(|(to, from)| *to = *from);
            }
            Ok(())
        }
    }

    #[test]
    fn nonces_drawn_together_are_each_used_once() {
        let (mut nonces, entropy) = (Nonces::new(), Counting::default());
        let mut seen = std::collections::BTreeSet::new();
        for used in 1..=1_000 {
            assert!(
                seen.insert(nonces.next(&entropy).unwrap().0),
                "nonce {used} is an old one"
            );
            let drawn = entropy.0.load(Ordering::Relaxed);
            assert!(
                drawn < used * 2 && drawn <= used + 63,
                "{drawn} drawn for {used}"
            );
        }
        let mut nonces = Nonces::new();
        assert!(nonces.next(&Dry).is_err() && nonces.next(&Dry).is_err());
        assert_eq!(format!("{nonces:?}"), "Nonces(0 left)");
    }

    #[test]
    fn a_worn_out_key_seals_no_more() {
        let profile = ProfileId::from_bytes([2; 33]);
        let sealer = Sealer::new(&key(), SEALS_MAX - 1);
        assert!(sealer.is_near_bound());
        assert!(sealer.seal(&aad(&profile, "k"), b"v", &Fixed(0)).is_ok());
        let refused = sealer.seal(&aad(&profile, "k"), b"v", &Fixed(0));
        assert!(matches!(
            refused,
            Err(SealError::KeyWornOut { sealed: SEALS_MAX })
        ));
        assert!(!Sealer::new(&key(), SEALS_WARNING - 1).is_near_bound());
    }

    #[test]
    fn a_key_name_over_the_cap_is_refused() {
        let profile = ProfileId::from_bytes([2; 33]);
        let sealer = Sealer::new(&key(), 0);
        let name = "k".repeat(KEY_BYTES_MAX + 1);
        let refused = sealer.seal(&aad(&profile, &name), b"v", &Fixed(0));
        assert!(matches!(
            refused,
            Err(SealError::KeyTooLong {
                found: 513,
                limit: 512
            })
        ));
    }
}

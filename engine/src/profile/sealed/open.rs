use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use super::aad::Aad;
use super::derive::SealingKey;
use super::stack::{SHALLOW, SLIGHT, then_wipe};
use super::{NONCE_LEN, OVERHEAD_BYTES, TAG_LEN};

/// Why a sealed value did not open. Nothing of it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Too short to hold a nonce and a tag.
    #[error("a sealed value has at least {least} bytes, this one has {found}")]
    TooShort {
        /// Its length in bytes.
        found: usize,
        /// The shortest possible length in bytes.
        least: usize,
    },
    /// Another key, a changed byte, a missing or an added one, or another place than it was sealed for.
    #[error("the sealed value is damaged, or was sealed with another key or for another place")]
    NotAuthentic,
    /// Empty additional data, which the reference refuses too: it would bind to nothing while seeming to.
    #[error("the additional data is empty")]
    EmptyAad,
}

impl OpenError {
    /// The code of the reference.
    pub const fn code(&self) -> &'static str {
        "DECRYPTION_FAILED"
    }
}

/// Opens a sealed value at the place it was sealed for.
///
/// # Errors
/// [`OpenError::TooShort`] and [`OpenError::NotAuthentic`]; the buffer of the attempt is wiped.
pub fn open(
    key: &SealingKey,
    aad: &Aad<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    open_bytes(key, &aad.to_bytes(), sealed)
}

/// Opens a ciphertext of the reference, which has no additional data. For import only: nothing binds it to its key.
///
/// # Errors
/// As [`open`].
pub fn open_reference(key: &SealingKey, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    open_bytes(key, &[], sealed)
}

/// Opens a ciphertext that the reference's functions made with additional data of their own, which none of its profile
/// writers does.
///
/// # Errors
/// As [`open`], and [`OpenError::EmptyAad`].
pub fn open_reference_with(
    key: &SealingKey,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if aad.is_empty() {
        return Err(OpenError::EmptyAad);
    }
    open_bytes(key, aad, sealed)
}

fn open_bytes(
    key: &SealingKey,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let key: &Key<Aes256Gcm> = key.as_bytes().into();
    let cipher = then_wipe::<SHALLOW, _>(|| Box::new(Aes256Gcm::new(key)));
    open_with(&cipher, aad, sealed)
}

pub(super) fn open_with(
    cipher: &Aes256Gcm,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let too_short = OpenError::TooShort {
        found: sealed.len(),
        least: OVERHEAD_BYTES,
    };
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(too_short)?;
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(too_short)?;
    let mut value = Zeroizing::new(body.to_vec());
    let (nonce, tag): (&Nonce<_>, &Tag) = (nonce.into(), tag.into());
    let body = value.as_mut_slice().into();
    let opened = then_wipe::<SLIGHT, _>(|| cipher.decrypt_inout_detached(nonce, aad, body, tag));
    if opened.is_err() {
        value.zeroize();
        return Err(OpenError::NotAuthentic);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::{Fixed, Place, ProfileId, Sealer, WalletSecret};
    use super::*;

    #[test]
    fn a_sealed_value_opens_nowhere_but_where_it_was_sealed_for() {
        let key = SealingKey::derive(&WalletSecret::take(&mut [9; 32]));
        let other_key = SealingKey::derive(&WalletSecret::take(&mut [8; 32]));
        let (profile, other) = (
            ProfileId::from_bytes([2; 33]),
            ProfileId::from_bytes([3; 33]),
        );
        let here = Aad {
            profile: &profile,
            key: "outbox.1",
            place: Place::Row,
        };
        let sealed = Sealer::new(&key, 0)
            .seal(&here, b"ten coins", &Fixed(0))
            .unwrap();
        let bytes = sealed.as_bytes();
        assert_eq!(open(&key, &here, bytes).unwrap().as_slice(), b"ten coins");
        let elsewhere = [
            Aad {
                key: "outbox.2",
                ..here
            },
            Aad {
                profile: &other,
                ..here
            },
            Aad {
                place: Place::Block,
                ..here
            },
        ];
        for aad in elsewhere {
            assert_eq!(
                open(&key, &aad, bytes),
                Err(OpenError::NotAuthentic),
                "{aad:?}"
            );
        }
        assert_eq!(open(&other_key, &here, bytes), Err(OpenError::NotAuthentic));
        assert_eq!(open_reference(&key, bytes), Err(OpenError::NotAuthentic));
    }

    #[test]
    fn no_changed_missing_or_added_byte_goes_unnoticed() {
        let key = SealingKey::derive(&WalletSecret::take(&mut [9; 32]));
        let profile = ProfileId::from_bytes([2; 33]);
        let aad = Aad {
            profile: &profile,
            key: "k",
            place: Place::Row,
        };
        let sealed = Sealer::new(&key, 0)
            .seal(&aad, b"value", &Fixed(0))
            .unwrap()
            .into_bytes();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(open(&key, &aad, &changed), Err(OpenError::NotAuthentic));
            }
            let error = open(&key, &aad, &sealed[..at]).unwrap_err();
            assert_eq!(error.code(), "DECRYPTION_FAILED");
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert_eq!(open(&key, &aad, &longer), Err(OpenError::NotAuthentic));
    }

    #[test]
    fn a_value_too_short_for_nonce_and_tag_says_so() {
        let key = SealingKey::derive(&WalletSecret::take(&mut [9; 32]));
        let error = open_reference(&key, &[0; 27]);
        assert_eq!(
            error,
            Err(OpenError::TooShort {
                found: 27,
                least: 28
            })
        );
        assert_eq!(open_reference(&key, &[0; 28]), Err(OpenError::NotAuthentic));
        assert_eq!(
            open_reference_with(&key, &[], &[0; 28]),
            Err(OpenError::EmptyAad)
        );
    }
}

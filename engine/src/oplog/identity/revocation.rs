use super::device::{DeviceId, Epoch, LogId};
use super::profile_key::{IdentityError, ProfileSigner, verify};
use crate::cbor::{self, Cursor, NULL, UNSIGNED};
use crate::oplog::HybridTime;
use crate::profile::sealed::ProfileId;

/// Longest encoding, in bytes: what the fields at their longest come to.
pub const REVOCATION_BYTES_MAX: usize = 155;

const LABEL: &[u8] = b"uxf/revocation/1\0";

/// The profile's word that a device may write no more: operations after a given sequence number are refused.
///
/// ```
/// use uxf_engine::oplog::HybridTime;
/// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId, ProfileSigner, Revocation};
/// use uxf_engine::profile::sealed::WalletSecret;
///
/// let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
/// let log = LogId { device: DeviceKey::take(&mut [7; 32]).id(), epoch: Epoch::from_u64(5) };
/// let issued = Revocation::issue(&signer, log.device, None, 41, HybridTime::ZERO);
///
/// let read = Revocation::decode(&issued.encode()).unwrap();
/// assert!(read.verify(signer.profile()).is_ok());
/// assert!(Revocation::any_refuses([&read].into_iter(), &log, 42));
/// assert!(!Revocation::any_refuses([&read].into_iter(), &log, 41));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    device: DeviceId,
    epoch: Option<Epoch>,
    last_seq: u64,
    time: HybridTime,
    signature: [u8; 64],
}

impl Revocation {
    /// Signs that operations of a device after `last_seq` count no more: in one epoch, or with `None` in every epoch
    /// that no revocation of its own speaks of.
    pub fn issue(
        signer: &ProfileSigner,
        device: DeviceId,
        epoch: Option<Epoch>,
        last_seq: u64,
        time: HybridTime,
    ) -> Self {
        let mut revocation = Self {
            device,
            epoch,
            last_seq,
            time,
            signature: [0; 64],
        };
        revocation.signature = signer.sign(LABEL, &revocation.body());
        revocation
    }

    /// The device whose right ends.
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// The epoch it speaks of, `None` if of all.
    pub const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The last sequence number that still counts.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// When it was issued.
    pub const fn time(&self) -> HybridTime {
        self.time
    }

    /// Whether a profile's revocations end the right of a log to the operation with this sequence number. The ones
    /// that name the log's epoch decide, and if there is none, those for every epoch; of several the strictest.
    pub fn any_refuses<'r>(
        revocations: impl Iterator<Item = &'r Self>,
        log: &LogId,
        seq: u64,
    ) -> bool {
        let (mut named, mut general) = (None, None);
        for revocation in revocations.filter(|revocation| revocation.device == log.device) {
            let last = match revocation.epoch {
                Some(epoch) if epoch == log.epoch => &mut named,
                Some(_) => continue,
                None => &mut general,
            };
            *last = Some(last.map_or(revocation.last_seq, |last: u64| {
                last.min(revocation.last_seq)
            }));
        }
        named.or(general).is_some_and(|last| seq > last)
    }

    /// The canonical bytes: an array of the signed map and the signature.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x82];
        out.extend_from_slice(&self.body());
        cbor::bytes(&mut out, &self.signature);
        out
    }

    /// Reads canonical bytes. Does not check the signature; see [`Revocation::verify`].
    ///
    /// # Errors
    /// [`IdentityError::TooLarge`] and [`IdentityError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        if bytes.len() > REVOCATION_BYTES_MAX {
            return Err(IdentityError::TooLarge {
                found: bytes.len(),
                limit: REVOCATION_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x82\xa5\x61v\x01", "a revocation of version 1")?;
        cursor.literal(b"\x64last", "last")?;
        let last_seq = cursor.head(UNSIGNED, "an unsigned integer")?;
        cursor.literal(b"\x64time", "time")?;
        let time = HybridTime::from_u64(cursor.head(UNSIGNED, "an unsigned integer")?);
        cursor.literal(b"\x65epoch", "epoch")?;
        let epoch = if cursor.null() {
            None
        } else {
            Some(Epoch::from_u64(
                cursor.head(UNSIGNED, "an unsigned integer or null")?,
            ))
        };
        cursor.literal(b"\x66device", "device")?;
        let device = DeviceId::unchecked(cursor.array("32 bytes")?);
        let signature = cursor.array("64 bytes")?;
        cursor.end()?;
        Ok(Self {
            device,
            epoch,
            last_seq,
            time,
            signature,
        })
    }

    /// Checks that the key of a profile has signed it.
    ///
    /// # Errors
    /// [`IdentityError::Signature`] if it has not.
    pub fn verify(&self, profile: &ProfileId) -> Result<(), IdentityError> {
        verify(profile, LABEL, &self.body(), &self.signature)
    }

    /// The part that is signed.
    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(REVOCATION_BYTES_MAX);
        out.extend_from_slice(b"\xa5\x61v\x01\x64last");
        cbor::head(&mut out, UNSIGNED, self.last_seq);
        out.extend_from_slice(b"\x64time");
        cbor::head(&mut out, UNSIGNED, self.time.as_u64());
        out.extend_from_slice(b"\x65epoch");
        match self.epoch {
            Some(epoch) => cbor::head(&mut out, UNSIGNED, epoch.as_u64()),
            None => out.push(NULL),
        }
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

    fn sample(epoch: Option<u64>, last_seq: u64) -> (Revocation, ProfileId) {
        let signer = ProfileSigner::new(&WalletSecret::take(&mut [1; 32])).unwrap();
        let device = DeviceKey::take(&mut [7; 32]).id();
        let (epoch, time) = (epoch.map(Epoch::from_u64), HybridTime::from_u64(u64::MAX));
        let issued = Revocation::issue(&signer, device, epoch, last_seq, time);
        (issued, *signer.profile())
    }

    #[test]
    fn no_changed_bit_and_no_cut_of_a_revocation_verifies() {
        for epoch in [None, Some(5)] {
            let (issued, profile) = sample(epoch, 300);
            let bytes = issued.encode();
            assert_eq!(Revocation::decode(&bytes), Ok(issued));
            for at in 0..bytes.len() {
                assert!(Revocation::decode(&bytes[..at]).is_err());
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[at] ^= 1 << bit;
                    let accepted = Revocation::decode(&changed).map(|read| read.verify(&profile));
                    assert!(!matches!(accepted, Ok(Ok(()))), "bit {bit} of byte {at}");
                }
            }
        }
    }

    #[test]
    fn the_longest_revocation_has_the_longest_length() {
        let bytes = sample(Some(u64::MAX), u64::MAX).0.encode();
        assert_eq!(bytes.len(), REVOCATION_BYTES_MAX);
        assert!(Revocation::decode(&bytes).is_ok());
        assert!(matches!(
            Revocation::decode(&[bytes, vec![0]].concat()),
            Err(IdentityError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_revocation_of_one_epoch_leaves_the_others_alone() {
        let (issued, _) = sample(Some(5), 10);
        let log = |epoch| LogId {
            device: issued.device(),
            epoch: Epoch::from_u64(epoch),
        };
        let refuses = |all: &[&Revocation], log: LogId, seq| {
            Revocation::any_refuses(all.iter().copied(), &log, seq)
        };
        assert!(refuses(&[&issued], log(5), 11));
        assert!(!refuses(&[&issued], log(6), 11));
        let stranger = LogId {
            device: DeviceKey::take(&mut [8; 32]).id(),
            ..log(5)
        };
        assert!(!refuses(&[&issued], stranger, 11));
        // One for every epoch decides where none is for the log's own.
        let (general, _) = sample(None, 0);
        assert!(!refuses(&[&general, &issued], log(5), 10));
        assert!(refuses(&[&general, &issued], log(6), 1));
        let (stricter, _) = sample(Some(5), 3);
        assert!(refuses(&[&issued, &stricter, &general], log(5), 4));
    }
}

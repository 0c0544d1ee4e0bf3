use siphasher::sip128::SipHasher13;
use uxf_codec::ElementHash;

use crate::tables::schema::SEGMENTS;

/// What the index knows an element by: 100 bits of a keyed hash of its hash, 12 of which choose the segment.
///
/// The key is the store's secret, so that nobody can prepare elements which share a fingerprint or crowd into one
/// segment. Two of n elements share one by chance with a probability below n^2 / 2^101: 1 in 2 billion at 2^35
/// elements. A read would notice (the whole hash is compared with the row), a put would take the second for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Fingerprint {
    /// Also decides the place in the segment's table.
    pub(crate) high: u64,
    /// 24 bits.
    pub(crate) low: u32,
    pub(crate) segment: u16,
}

/// Makes fingerprints.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprinter(SipHasher13);

impl Fingerprinter {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(key))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parts of the digest are cut out of it"
    )]
    pub(crate) fn of(&self, hash: &ElementHash) -> Fingerprint {
        let digest = self.0.hash(hash.as_bytes());
        let (high, rest) = (digest.h1, digest.h2);
        Fingerprint {
            high,
            low: (rest & 0xff_ffff) as u32,
            segment: (rest >> 24) as u16 % SEGMENTS,
        }
    }
}

impl core::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Fingerprinter(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_depend_on_the_key_and_fill_the_segments_evenly() {
        let (one, other) = (Fingerprinter::new(&[1; 16]), Fingerprinter::new(&[2; 16]));
        let mut filled = vec![0_u32; usize::from(SEGMENTS)];
        for number in 0..40_960_u32 {
            let hash = ElementHash::of(&number.to_be_bytes());
            assert_ne!(one.of(&hash), other.of(&hash));
            filled[usize::from(one.of(&hash).segment)] += 1;
        }
        assert!(filled.iter().all(|count| *count < 40));
        assert_eq!(format!("{one:?}"), "Fingerprinter(secret)");
    }
}

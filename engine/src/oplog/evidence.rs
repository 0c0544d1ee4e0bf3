use thiserror::Error;

use super::commit::{Commit, CommitError, HEADER_BYTES_MAX, SignedHeader};
use super::identity::LogId;
use crate::cbor::{Cursor, Malformed};

/// Longest proof, in bytes: two headers with their signatures.
pub const FORK_PROOF_BYTES_MAX: usize = 1 + 2 * (HEADER_BYTES_MAX + 66);

/// Why two commits prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForkProofError {
    /// Longer than a proof may be.
    #[error("a proof of {found} bytes, the most is {limit}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The cap in bytes.
        limit: usize,
    },
    /// One of the commits is none, or its device has not signed it.
    #[error("one of the two commits is not genuine")]
    Commit(#[from] CommitError),
    /// They are of two logs or of two profiles.
    #[error("the commits belong to different logs")]
    OtherLog,
    /// They have no sequence number in common.
    #[error("the commits share no sequence number")]
    Apart,
    /// They are one commit.
    #[error("the commits are the same one")]
    Same,
    /// In a proof that was read, the commit with the greater id stands first.
    #[error("the commits are not in the order of their ids")]
    Order,
}

impl From<Malformed> for ForkProofError {
    fn from(malformed: Malformed) -> Self {
        Self::Commit(malformed.into())
    }
}

/// The proof that a device has written two histories: two headers of one log, both signed by it, with a sequence number
/// in common. Nobody can make one about an honest device, and it needs neither operations nor history to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    first: SignedHeader,
    second: SignedHeader,
}

impl ForkProof {
    /// The proof that two commits make, signatures checked. The order of the two does not matter.
    ///
    /// # Errors
    /// What is missing to a proof: all of [`ForkProofError`] but `TooLarge` and `Order`.
    pub fn new(one: &Commit<'_>, other: &Commit<'_>) -> Result<Self, ForkProofError> {
        let (mut first, mut second) = (SignedHeader::of(one), SignedHeader::of(other));
        if first.id() > second.id() {
            core::mem::swap(&mut first, &mut second);
        }
        Self { first, second }.checked()
    }

    /// The log with two histories.
    pub const fn log(&self) -> LogId {
        self.first.header().log
    }

    /// The two headers, the lesser id first.
    pub const fn headers(&self) -> (&SignedHeader, &SignedHeader) {
        (&self.first, &self.second)
    }

    /// The first sequence number that both have.
    pub fn first_shared_seq(&self) -> u64 {
        let (first, second) = (self.first.header(), self.second.header());
        first.first_seq.max(second.first_seq)
    }

    /// The canonical bytes: an array of header, signature, header, signature, the lesser id first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x84];
        self.first.encode_into(&mut out);
        self.second.encode_into(&mut out);
        out
    }

    /// Reads canonical bytes and checks everything: what decodes is a proof.
    ///
    /// # Errors
    /// All of [`ForkProofError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ForkProofError> {
        if bytes.len() > FORK_PROOF_BYTES_MAX {
            return Err(ForkProofError::TooLarge {
                found: bytes.len(),
                limit: FORK_PROOF_BYTES_MAX,
            });
        }
        let mut cursor = Cursor::new(bytes);
        cursor.literal(b"\x84", "an array of four")?;
        let first = SignedHeader::read(&mut cursor)?;
        let second = SignedHeader::read(&mut cursor)?;
        cursor.end()?;
        if first.id() > second.id() {
            return Err(ForkProofError::Order);
        }
        Self { first, second }.checked()
    }

    fn checked(self) -> Result<Self, ForkProofError> {
        let (first, second) = (self.first.header(), self.second.header());
        if first.log != second.log || first.profile != second.profile {
            return Err(ForkProofError::OtherLog);
        }
        if self.first.id() == self.second.id() {
            return Err(ForkProofError::Same);
        }
        if first.last_seq() < second.first_seq || second.last_seq() < first.first_seq {
            return Err(ForkProofError::Apart);
        }
        self.first.verify()?;
        self.second.verify()?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::SealedCommit;
    use crate::oplog::commit::tests::{key, put, seal, start};
    use crate::oplog::identity::Epoch;

    /// A commit of a number of operations from a sequence number on.
    fn commit(first_seq: u64, count: usize, fill: u8) -> SealedCommit {
        let mut start = start(&key(7));
        start.first_seq = first_seq;
        seal(&key(7), start, &vec![put("k", fill); count])
    }

    #[test]
    fn two_commits_that_share_a_number_are_a_proof_in_either_order() {
        let (one, other) = (commit(3, 4, 1), commit(6, 2, 2));
        let proof = ForkProof::new(&one.commit(), &other.commit()).unwrap();
        assert_eq!(
            ForkProof::new(&other.commit(), &one.commit()),
            Ok(proof.clone())
        );
        assert_eq!(
            (proof.log(), proof.first_shared_seq()),
            (one.header().log, 6)
        );
        let bytes = proof.encode();
        assert_eq!(ForkProof::decode(&bytes), Ok(proof));
        for at in 0..bytes.len() {
            assert!(ForkProof::decode(&bytes[..at]).is_err());
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(ForkProof::decode(&changed).is_err(), "byte {at}");
        }
        // The same two the other way round are another text of one proof.
        let (low, high) = bytes[1..].split_at((bytes.len() - 1) / 2);
        let turned = [&bytes[..1], high, low].concat();
        assert_eq!(ForkProof::decode(&turned), Err(ForkProofError::Order));
    }

    #[test]
    fn honest_histories_prove_nothing() {
        let one = commit(3, 2, 1);
        let refused = |other: &SealedCommit| ForkProof::new(&one.commit(), &other.commit()).err();
        assert_eq!(refused(&one), Some(ForkProofError::Same));
        assert_eq!(refused(&commit(5, 2, 2)), Some(ForkProofError::Apart));
        let mut elsewhere = start(&key(7));
        elsewhere.log.epoch = Epoch::from_u64(9);
        let elsewhere = seal(&key(7), elsewhere, &[put("k", 2)]);
        assert_eq!(refused(&elsewhere), Some(ForkProofError::OtherLog));
        // A commit in another's name.
        let mut bytes = commit(3, 2, 2).into_bytes();
        *bytes.last_mut().unwrap() ^= 1;
        let forged = Commit::decode(&bytes).unwrap();
        assert_eq!(
            ForkProof::new(&one.commit(), &forged),
            Err(ForkProofError::Commit(CommitError::Signature))
        );
    }
}

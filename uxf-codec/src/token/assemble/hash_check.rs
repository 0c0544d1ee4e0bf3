//! Hashing what was met, many elements at a time, before any of it is given out.

use core::hash::{BuildHasherDefault, Hasher};

use indexmap::IndexSet;

use crate::element::ElementHash;
use crate::error::Error;

/// Elements that wait together for being hashed. More than any usual token has, so that its lanes are full.
const WAITING_MAX: usize = 256;
/// Bytes of all that wait.
const WAITING_BYTES_MAX: usize = 64 << 10;
/// An element of more bytes does not wait: it would be alone in its lane for most of the time.
const ALONE_BYTES: usize = 16 << 10;

/// The elements met in one assembly, and which of them are still to be hashed.
///
/// Hashing later must not show. Whoever uses this settles it when an assembly ends, well or badly, and tells what
/// that says before anything else: the first wrong element in the order of meeting then is the error, as if each had
/// been hashed when it was met, since up to there both ways read the same.
#[derive(Debug, Default)]
pub(super) struct HashCheck {
    met: IndexSet<ElementHash, BuildHasherDefault<SuffixHasher>>,
    /// What waits, in the order of meeting: hash and where the bytes end.
    waiting: Vec<(ElementHash, usize)>,
    /// Copies, as a source need not keep bytes for longer than they are looked at.
    bytes: Vec<u8>,
    found: Vec<ElementHash>,
}

impl HashCheck {
    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.met.clear();
        self.forget_waiting();
    }

    fn forget_waiting(&mut self) {
        self.waiting.clear();
        self.bytes.clear();
    }

    /// Sees to it that an element is hashed if it is met for the first time.
    ///
    /// Fails for an element that was met before, or this one, when enough have come together.
    pub(super) fn meet(&mut self, hash: &ElementHash, bytes: &[u8]) -> Result<(), Error> {
        if !self.met.insert(*hash) {
            return Ok(());
        }
        if bytes.len() > ALONE_BYTES {
            self.settle()?;
            return compare(hash, &ElementHash::of(bytes));
        }
        self.bytes.extend_from_slice(bytes);
        self.waiting.push((*hash, self.bytes.len()));
        if self.waiting.len() >= WAITING_MAX || self.bytes.len() >= WAITING_BYTES_MAX {
            return self.settle();
        }
        Ok(())
    }

    /// Hashes all that wait. The error is that of the first one met whose bytes have another hash.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let mut start = 0;
        let inputs: Vec<&[u8]> = self
            .waiting
            .iter()
            .map(|(_, end)| {
                let input = self.bytes.get(start..*end).unwrap_or_default();
                start = *end;
                input
            })
            .collect();
        ElementHash::of_each(&inputs, &mut self.found);
        let settled = self
            .waiting
            .iter()
            .zip(&self.found)
            .try_for_each(|((hash, _), found)| compare(hash, found));
        self.forget_waiting();
        settled
    }
}

fn compare(hash: &ElementHash, found: &ElementHash) -> Result<(), Error> {
    if found == hash {
        Ok(())
    } else {
        Err(Error::VerificationFailed {
            at: format!("element {hash}"),
            reason: format!("its bytes have the hash {found}"),
        })
    }
}

/// Takes the last eight bytes of what is hashed, which is a hash already.
#[derive(Debug, Default)]
pub(super) struct SuffixHasher(u64);

impl Hasher for SuffixHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk::<8>() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(count: usize) -> Vec<Vec<u8>> {
        (0..count)
            .map(|at| at.to_be_bytes().repeat(1 + at * 5 % 37))
            .collect()
    }

    /// Meets all, the ones at the places given under a hash that is not theirs; the first error.
    fn check(elements: &[Vec<u8>], wrong: &[usize]) -> Result<(), String> {
        let mut check = HashCheck::default();
        let met = elements.iter().enumerate().try_for_each(|(at, bytes)| {
            check.meet(&claimed(at, bytes, wrong.contains(&at)), bytes)
        });
        check.settle().and(met).map_err(|error| error.to_string())
    }

    fn claimed(at: usize, bytes: &[u8], is_wrong: bool) -> ElementHash {
        if is_wrong {
            ElementHash::of(format!("another {at}").as_bytes())
        } else {
            ElementHash::of(bytes)
        }
    }

    fn names(error: &str, at: usize, bytes: &[u8]) -> bool {
        let (claimed, found) = (claimed(at, bytes, true), ElementHash::of(bytes));
        error.contains(&format!("element {claimed}"))
            && error.contains(&format!("its bytes have the hash {found}"))
    }

    #[test]
    fn a_wrong_element_at_any_place_of_any_group_is_told_by_its_own_hash() {
        for count in 0..30 {
            let elements = elements(count);
            assert_eq!(check(&elements, &[]), Ok(()));
            for at in 0..count {
                let error = check(&elements, &[at]).unwrap_err();
                assert!(names(&error, at, &elements[at]), "{at} of {count}: {error}");
            }
        }
    }

    #[test]
    fn of_several_wrong_elements_the_one_met_first_is_told() {
        let mut elements = elements(20);
        // Waits for nobody, and what waits is hashed before it.
        elements.push(vec![7; ALONE_BYTES + 1]);
        for first in 0..elements.len() {
            for second in first + 1..elements.len() {
                let error = check(&elements, &[first, second]).unwrap_err();
                assert!(
                    names(&error, first, &elements[first]),
                    "{first}, {second}: {error}"
                );
            }
        }
    }

    #[test]
    fn not_more_than_a_bounded_number_of_elements_and_bytes_waits() {
        for len in [8, 1_000, ALONE_BYTES, ALONE_BYTES + 1, 100_000] {
            let mut check = HashCheck::default();
            for at in 0..2 * WAITING_MAX {
                let mut bytes = vec![0; len];
                bytes[..8].copy_from_slice(&at.to_be_bytes());
                check.meet(&ElementHash::of(&bytes), &bytes).unwrap();
                assert!(check.waiting.len() < WAITING_MAX);
                assert!(check.bytes.len() < WAITING_BYTES_MAX);
            }
            assert!(check.bytes.capacity() <= 2 * (WAITING_BYTES_MAX + ALONE_BYTES));
            let error = (0..WAITING_MAX)
                .find_map(|at| check.meet(&claimed(at, b"wrong", true), b"wrong").err());
            assert!(error.is_some(), "nothing is hashed before the end");
        }
    }

    #[test]
    fn what_is_left_of_an_assembly_that_failed_is_forgotten() {
        let mut check = HashCheck::default();
        let wrong = ElementHash::of(b"another");
        check.meet(&wrong, b"wrong").unwrap();
        check.clear();
        check.settle().unwrap();
        check.meet(&wrong, b"wrong").unwrap();
        assert!(check.settle().is_err());
        assert!(check.settle().is_ok(), "told once");
    }
}

//! What every engine has to be able to do.

use uxf_codec::ElementHash;

use uxf_codec::canonical::VerifiedElement;

use crate::Outcome;

/// SHA-256 of an element.
pub(crate) type Hash = [u8; 32];

/// An element arriving; it is hashed before the clock starts, for every engine alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arriving<'a> {
    pub(crate) hash: Hash,
    pub(crate) bytes: &'a [u8],
    /// The same hash and bytes for the engine that takes no hash on trust.
    pub(crate) verified: Option<VerifiedElement<'a>>,
}

/// A store of elements that counts references.
pub(crate) trait Rival: Sync {
    /// Stores what is new and counts one more reference an arrival; survives a power cut once it returns.
    fn ingest(&self, batch: &[Arriving<'_>]) -> Outcome<()>;

    /// Whether concurrent calls of `ingest` are put into one commit by the engine itself. Where they are not, the
    /// comparison does it for the engine.
    fn groups_commits(&self) -> bool {
        false
    }

    /// Reads elements in one snapshot, in the order asked for; an absent one is an error.
    fn read(&self, hashes: &[Hash], visit: &mut dyn FnMut(&[u8])) -> Outcome<()>;

    /// Whether an element has exactly so many references.
    fn has_references(&self, hash: &Hash, count: u32) -> Outcome<bool>;

    /// Takes references away, all that the element has; what has none left is gone when `reclaim` returns.
    fn release(&self, batch: &[(Hash, u32)]) -> Outcome<()>;

    /// Finishes what releases have left to be done, so that their space can be used again.
    fn reclaim(&self) -> Outcome<()> {
        Ok(())
    }

    /// How many elements there are.
    fn elements(&self) -> Outcome<u64>;
}

/// Distinct elements of a batch in order of their hashes, with the number of their arrivals: what a B-tree likes best.
pub(crate) fn aggregate<'a>(batch: &[Arriving<'a>]) -> Vec<(Hash, &'a [u8], u32)> {
    if let [one] = batch {
        return vec![(one.hash, one.bytes, 1)];
    }
    let mut sorted: Vec<&Arriving<'a>> = batch.iter().collect();
    sorted.sort_unstable_by_key(|arriving| arriving.hash);
    let mut distinct: Vec<(Hash, &[u8], u32)> = Vec::with_capacity(batch.len());
    for arriving in sorted {
        match distinct.last_mut() {
            Some((hash, _, count)) if *hash == arriving.hash => *count += 1,
            _ => distinct.push((arriving.hash, arriving.bytes, 1)),
        }
    }
    distinct
}

/// A missing element, as an error.
pub(crate) fn missing(hash: &Hash) -> Box<dyn std::error::Error + Send + Sync> {
    let text = ElementHash::from_bytes(*hash).to_string();
    format!("element {text} is not there").into()
}

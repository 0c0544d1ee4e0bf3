//! Rows of `wallets-1`. All numbers are varints unless they say otherwise.

use std::collections::BTreeSet;

use uxf_codec::ElementHash;

use super::varint;
use crate::error::Error;
use crate::wallet::{DedupKey, DispositionReason, TokenStatus};

/// Most states of one token that are kept. Devices that consolidate keep few; a bundle that brings more waits.
pub(crate) const CANDIDATES_MAX: usize = 64;
/// Most keys that one state is known by: what its elements say, and what the files it came in said.
pub(crate) const KEYS_MAX: usize = 4;

/// What tells the bundles of a wallet apart in its rows: the first 8 bytes of the hash of the envelope.
///
/// It depends on the bundle alone, so nothing has to be given out, and rows of two stores that took the same bundles in
/// are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BundleTag(pub(crate) [u8; 8]);

impl BundleTag {
    pub(crate) fn of(envelope: &ElementHash) -> Self {
        let (first, _) = envelope.as_bytes().as_chunks::<8>();
        Self(first.first().copied().unwrap_or_default())
    }
}

/// A state of a token that somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) root: ElementHash,
    /// Newest instances that no element names.
    pub(crate) instances: BTreeSet<ElementHash>,
    /// What the state is known by.
    pub(crate) keys: Vec<DedupKey>,
    /// The bundles that name it.
    pub(crate) bundles: BTreeSet<BundleTag>,
    /// Whether no bundle names it, so that the row itself pins it (INV-WALLET-3).
    pub(crate) is_local: bool,
    /// Whether the user put another state in its place. It counts only if no other does.
    pub(crate) is_passed_over: bool,
    /// Whether somebody who knows said that it was spent elsewhere.
    pub(crate) is_off_record: bool,
}

impl Candidate {
    pub(crate) const fn new(root: ElementHash) -> Self {
        Self {
            root,
            instances: BTreeSet::new(),
            keys: Vec::new(),
            bundles: BTreeSet::new(),
            is_local: false,
            is_passed_over: false,
            is_off_record: false,
        }
    }

    /// Adds a key by which the state is known.
    pub(crate) fn add_key(&mut self, key: &DedupKey) {
        if !self.keys.contains(key) && self.keys.len() < KEYS_MAX {
            self.keys.push(key.clone());
        }
    }
}

/// What is known of a token, and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedRow {
    pub(crate) status: TokenStatus,
    pub(crate) reason: Option<DispositionReason>,
    /// The root that counts; of a token that is spent, one of the spent ones.
    pub(crate) root: ElementHash,
    /// The roots that contradict each other, or the newest instances of branches, ascending.
    pub(crate) heads: Vec<ElementHash>,
    /// In the order of their roots.
    pub(crate) candidates: Vec<Candidate>,
}

const LOCAL: u8 = 1;
const PASSED_OVER: u8 = 2;
const OFF_RECORD: u8 = 4;

impl JoinedRow {
    /// Whether the wallet has the token: some state of it was not spent.
    pub(crate) fn is_shown(&self) -> bool {
        self.status != TokenStatus::Spent
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.push(self.status as u8);
        let reason = DispositionReason::ALL
            .iter()
            .position(|one| Some(*one) == self.reason);
        out.push(reason.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0));
        out.extend_from_slice(self.root.as_bytes());
        write_hashes(&mut out, self.heads.iter());
        varint::write(&mut out, self.candidates.len() as u64);
        for candidate in &self.candidates {
            candidate.encode(&mut out);
        }
        out
    }

    pub(crate) fn decode(token: &str, mut row: &[u8]) -> Result<Self, Error> {
        Self::read(&mut row)
            .filter(|_| row.is_empty())
            .ok_or_else(|| Error::corrupted("wallets-1", token, "a row that cannot be read"))
    }

    fn read(row: &mut &[u8]) -> Option<Self> {
        let (&[status, reason], rest) = row.split_first_chunk::<2>()?;
        *row = rest;
        let status = *TokenStatus::ALL.get(usize::from(status))?;
        let reason = match reason.checked_sub(1) {
            None => None,
            Some(at) => Some(*DispositionReason::ALL.get(usize::from(at))?),
        };
        let root = read_hash(row)?;
        let heads = read_hashes(row)?;
        let count = usize::try_from(varint::read(row)?).ok()?;
        if count > CANDIDATES_MAX {
            return None;
        }
        let mut candidates = Vec::with_capacity(count);
        for _ in 0..count {
            candidates.push(Candidate::read(row)?);
        }
        let in_order = candidates.is_sorted_by(|a, b| a.root < b.root);
        in_order.then_some(Self {
            status,
            reason,
            root,
            heads,
            candidates,
        })
    }
}

impl Candidate {
    fn encode(&self, out: &mut Vec<u8>) {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        out.extend_from_slice(self.root.as_bytes());
        out.push(
            flag(self.is_local, LOCAL)
                | flag(self.is_passed_over, PASSED_OVER)
                | flag(self.is_off_record, OFF_RECORD),
        );
        write_hashes(out, self.instances.iter());
        varint::write(out, self.keys.len() as u64);
        for key in &self.keys {
            match key {
                DedupKey::State(hash) => {
                    varint::write(out, hash.len() as u64 + 1);
                    out.extend_from_slice(hash.as_bytes());
                }
                DedupKey::Pending(digest) => {
                    varint::write(out, 0);
                    out.extend_from_slice(digest);
                }
            }
        }
        varint::write(out, self.bundles.len() as u64);
        for tag in &self.bundles {
            out.extend_from_slice(&tag.0);
        }
    }

    fn read(row: &mut &[u8]) -> Option<Self> {
        let mut candidate = Self::new(read_hash(row)?);
        let (&flags, rest) = row.split_first()?;
        *row = rest;
        candidate.is_local = flags & LOCAL != 0;
        candidate.is_passed_over = flags & PASSED_OVER != 0;
        candidate.is_off_record = flags & OFF_RECORD != 0;
        candidate.instances = read_hashes(row)?.into_iter().collect();
        let keys = usize::try_from(varint::read(row)?).ok()?;
        if keys > KEYS_MAX {
            return None;
        }
        for _ in 0..keys {
            candidate
                .keys
                .push(match varint::read(row)?.checked_sub(1) {
                    None => {
                        let (digest, rest) = row.split_first_chunk::<32>()?;
                        *row = rest;
                        DedupKey::Pending(*digest)
                    }
                    Some(len) => {
                        let len = usize::try_from(len).ok()?;
                        let (text, rest) = row.split_at_checked(len)?;
                        *row = rest;
                        DedupKey::State(core::str::from_utf8(text).ok()?.to_owned())
                    }
                });
        }
        let bundles = varint::read(row)?;
        for _ in 0..bundles {
            let (tag, rest) = row.split_first_chunk::<8>()?;
            *row = rest;
            candidate.bundles.insert(BundleTag(*tag));
        }
        Some(candidate)
    }
}

/// A bundle that was taken in. It pins its two blocks, the roots its manifest names and the instances listed here
/// (INV-WALLET-2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BundleRow {
    pub(crate) envelope: ElementHash,
    pub(crate) manifest: ElementHash,
    pub(crate) tokens: u64,
    pub(crate) instances: Vec<ElementHash>,
}

impl BundleRow {
    pub(crate) fn tag(&self) -> BundleTag {
        BundleTag::of(&self.envelope)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        out.extend_from_slice(self.envelope.as_bytes());
        out.extend_from_slice(self.manifest.as_bytes());
        varint::write(&mut out, self.tokens);
        write_hashes(&mut out, self.instances.iter());
        out
    }

    pub(crate) fn decode(bundle: &str, mut row: &[u8]) -> Result<Self, Error> {
        let mut read = || {
            let found = Self {
                envelope: read_hash(&mut row)?,
                manifest: read_hash(&mut row)?,
                tokens: varint::read(&mut row)?,
                instances: read_hashes(&mut row)?,
            };
            row.is_empty().then_some(found)
        };
        read().ok_or_else(|| Error::corrupted("wallets-1", bundle, "a row that cannot be read"))
    }
}

fn write_hashes<'h>(out: &mut Vec<u8>, hashes: impl ExactSizeIterator<Item = &'h ElementHash>) {
    varint::write(out, hashes.len() as u64);
    for hash in hashes {
        out.extend_from_slice(hash.as_bytes());
    }
}

fn read_hash(row: &mut &[u8]) -> Option<ElementHash> {
    let (digest, rest) = row.split_first_chunk::<32>()?;
    *row = rest;
    Some(ElementHash::from_bytes(*digest))
}

/// Each takes 32 bytes of the row, so a number that lies costs nothing.
fn read_hashes(row: &mut &[u8]) -> Option<Vec<ElementHash>> {
    let count = usize::try_from(varint::read(row)?).ok()?;
    let (digests, rest) = row.split_at_checked(count.checked_mul(ElementHash::LEN)?)?;
    *row = rest;
    let (digests, _) = digests.as_chunks::<32>();
    Some(
        digests
            .iter()
            .copied()
            .map(ElementHash::from_bytes)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> ElementHash {
        ElementHash::from_bytes([byte; 32])
    }

    #[test]
    fn a_joined_row_comes_back_and_every_shorter_or_longer_one_is_refused() {
        let mut first = Candidate::new(hash(1));
        first.instances = [hash(8), hash(9)].into();
        first.bundles = [BundleTag([3; 8]), BundleTag([4; 8])].into();
        first.add_key(&DedupKey::State("s".repeat(200)));
        first.add_key(&DedupKey::Pending([7; 32]));
        first.add_key(&DedupKey::Pending([7; 32]));
        let mut second = Candidate::new(hash(2));
        (second.is_local, second.is_passed_over, second.is_off_record) = (true, true, true);
        let row = JoinedRow {
            status: TokenStatus::Invalid,
            reason: Some(DispositionReason::OffRecordSpend),
            root: hash(2),
            heads: vec![hash(1), hash(2)],
            candidates: vec![first, second],
        };
        assert_eq!(row.candidates[0].keys.len(), 2, "a key is kept once");
        let mut bytes = row.encode();
        assert_eq!(JoinedRow::decode("t", &bytes).unwrap(), row);
        for end in 0..bytes.len() {
            assert!(JoinedRow::decode("t", &bytes[..end]).is_err(), "{end}");
        }
        bytes.push(0);
        assert!(JoinedRow::decode("t", &bytes).is_err());
    }

    #[test]
    fn candidates_out_of_order_or_twice_are_damage() {
        for pair in [[2, 1], [1, 1]] {
            let row = JoinedRow {
                status: TokenStatus::Valid,
                reason: None,
                root: hash(1),
                heads: Vec::new(),
                candidates: pair.map(|byte| Candidate::new(hash(byte))).into(),
            };
            assert!(JoinedRow::decode("t", &row.encode()).is_err(), "{pair:?}");
        }
    }

    #[test]
    fn a_bundle_row_comes_back_and_every_shorter_or_longer_one_is_refused() {
        let row = BundleRow {
            envelope: hash(1),
            manifest: hash(2),
            tokens: 600,
            instances: vec![hash(3)],
        };
        let mut bytes = row.encode();
        assert_eq!(BundleRow::decode("b", &bytes).unwrap(), row);
        assert_eq!(row.tag(), BundleTag([1; 8]));
        for end in 0..bytes.len() {
            assert!(BundleRow::decode("b", &bytes[..end]).is_err(), "{end}");
        }
        bytes.push(0);
        assert!(BundleRow::decode("b", &bytes).is_err());
    }
}

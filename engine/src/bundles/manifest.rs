use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::ElementHash;
use uxf_codec::instance_chain::{ChainEntry, ChainIndex};
use uxf_codec::package::Package;

use crate::profile::merge::ManifestStatus;

/// What the structure of the elements alone says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructuralEntry {
    /// The root that the bundle names, even if the token has newer instances.
    pub root: ElementHash,
    /// The newest instances of all branches, ascending; empty if there is one branch or none.
    pub conflicting_heads: Vec<ElementHash>,
}

impl StructuralEntry {
    /// Conflicting if there are several branches, else valid. Whether a token is pending or invalid, structure alone
    /// does not say.
    pub const fn status(&self) -> ManifestStatus {
        if self.conflicting_heads.is_empty() {
            ManifestStatus::Valid
        } else {
            ManifestStatus::Conflicting
        }
    }
}

/// The branches of tokens, grouped by the instance they all go back to.
///
/// Chains belong together if they have one tail. Chains that merely share an element in the middle are of different
/// tokens, and grouping by any shared element would make two sound tokens a conflict (profile notes, section 7).
#[derive(Clone, Debug, Default)]
pub struct Branches<'c> {
    heads: BTreeMap<&'c ElementHash, BTreeSet<ElementHash>>,
}

impl<'c> Branches<'c> {
    /// Groups the chains of an index.
    pub fn of(chains: &'c ChainIndex) -> Self {
        let mut heads: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (_, entry) in chains.chains() {
            if let Some(tail) = tail(entry) {
                heads.entry(tail).or_default().insert(entry.head);
            }
        }
        Self { heads }
    }

    /// What is known of the token with a root, of which `chains` is the index that this was made of.
    pub fn entry(&self, chains: &ChainIndex, root: ElementHash) -> StructuralEntry {
        let heads = chains
            .get(&root)
            .and_then(|entry| self.heads.get(tail(entry)?))
            .filter(|heads| heads.len() > 1);
        StructuralEntry {
            root,
            conflicting_heads: heads.into_iter().flatten().copied().collect(),
        }
    }
}

fn tail(entry: &ChainEntry) -> Option<&ElementHash> {
    entry.chain.last().map(|member| &member.hash)
}

/// What the structure of a package says of each of its tokens, in the order of its manifest.
///
/// ```
/// use uxf_codec::package::{Envelope, Package, Timestamp};
/// use uxf_engine::bundles::structural_manifest;
///
/// let package = Package::new(Envelope::new(Timestamp::from_secs(0)));
/// assert_eq!(structural_manifest(&package).count(), 0);
/// ```
pub fn structural_manifest(package: &Package) -> impl Iterator<Item = (&str, StructuralEntry)> {
    let chains = package.chains();
    let branches = Branches::of(chains);
    let tokens = package.manifest().iter();
    tokens.map(move |(id, root)| (id.as_str(), branches.entry(chains, *root)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uxf_codec::instance_chain::ChainMember;

    fn hash(byte: u8) -> ElementHash {
        ElementHash::from_bytes([byte; 32])
    }

    fn index(chains: &[&[u8]]) -> ChainIndex {
        let mut index = ChainIndex::new();
        for chain in chains {
            let members = chain.iter().map(|byte| ChainMember {
                hash: hash(*byte),
                kind: "default".into(),
            });
            let chain: Vec<_> = members.collect();
            index.insert(ChainEntry {
                head: chain[0].hash,
                chain,
            });
        }
        index
    }

    fn heads(chains: &[&[u8]], root: u8) -> Vec<ElementHash> {
        let index = index(chains);
        let entry = Branches::of(&index).entry(&index, hash(root));
        assert_eq!(entry.root, hash(root), "the bundle's root stays");
        entry.conflicting_heads
    }

    #[test]
    fn a_branch_that_only_continues_another_is_no_conflict() {
        assert!(heads(&[&[2, 1], &[3, 2, 1]], 1).is_empty());
    }

    #[test]
    fn branches_from_one_tail_are_a_conflict_wherever_they_part_and_whichever_instance_is_the_root()
    {
        let chains: [&[u8]; 2] = [&[9, 2, 1], &[5, 3, 2, 1]];
        for root in [1, 2, 9, 5] {
            assert_eq!(heads(&chains, root), [hash(5), hash(9)], "root {root}");
        }
    }

    #[test]
    fn an_element_in_the_middle_of_two_chains_makes_no_conflict() {
        let chains: [&[u8]; 2] = [&[8, 5, 1], &[9, 5, 2]];
        assert!(heads(&chains, 1).is_empty());
        assert!(heads(&chains, 2).is_empty());
        assert!(heads(&chains, 7).is_empty(), "no chain at all");
    }

    #[test]
    fn a_bundle_merged_with_itself_is_as_valid_as_before() {
        use uxf_codec::package::{MergeOptions, Timestamp};
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/uxf/packages");
        for name in ["real", "single", "small", "random", "merge-a"] {
            let Ok(car) = std::fs::read(format!("{vectors}/{name}.car")) else {
                panic!("no vector {name}");
            };
            let mut package = Package::from_car(&car).unwrap();
            let before: Vec<_> = structural_manifest(&package)
                .map(|(_, entry)| entry)
                .collect();
            assert!(!before.is_empty());
            let now = Timestamp::from_secs(1);
            let same = package.clone();
            package.merge(&same, &MergeOptions::default(), now).unwrap();
            let after = structural_manifest(&package).map(|(_, entry)| entry);
            assert!(after.eq(before.iter().cloned()));
            assert!(
                before
                    .iter()
                    .all(|entry| entry.status() == ManifestStatus::Valid)
            );
        }
    }
}

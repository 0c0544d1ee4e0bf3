use std::collections::BTreeSet;

use super::Package;
use super::merge::Both;
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementType};
use crate::token::{AssembleOptions, Assembler};

/// An inclusion proof for a verifier to look at.
#[derive(Clone, Copy, Debug)]
pub struct ProofToVerify<'p> {
    /// The proof element.
    pub hash: ElementHash,
    /// The hash of the transaction it proves, algorithm prefix included.
    pub transaction_hash: &'p [u8],
    /// The proof as JSON.
    pub json: &'p [u8],
}

impl Package {
    /// Shows a verifier all inclusion proofs of two packages that are to be merged, each once. Those it says yes to.
    ///
    /// They are what [`MergeOptions::verified_proofs`](super::MergeOptions::verified_proofs) wants. Proofs without a
    /// transaction hash, and those of which a part is missing or damaged, are not shown and so not verified.
    pub fn verified_proofs(
        &self,
        other: &Self,
        mut verifier: impl FnMut(&ProofToVerify<'_>) -> bool,
    ) -> BTreeSet<ElementHash> {
        let both = Both(&self.pool, &other.pool);
        let mut assembler = Assembler::new();
        let mut json = Vec::new();
        let mut verified = BTreeSet::new();
        let only_other = other.pool.iter();
        let only_other = only_other.filter(|(hash, _)| !self.pool.contains(hash));
        for (hash, element) in self.pool.iter().chain(only_other) {
            let Ok(view) = ElementView::parse(element.bytes()) else {
                continue;
            };
            let Some(transaction_hash) = view.bytes("transactionHash") else {
                continue;
            };
            let options = AssembleOptions::default();
            json.clear();
            if view.element_type() == ElementType::InclusionProof
                && (assembler.assemble_proof(&both, hash, &options, &mut json)).is_ok()
                && verifier(&ProofToVerify {
                    hash: *hash,
                    transaction_hash,
                    json: &json,
                })
            {
                verified.insert(*hash);
            }
        }
        verified
    }
}

use std::collections::BTreeSet;

use super::Candidate;
use super::compare::{is_same_but_for_the_proof, proof_of};
use crate::canonical::ElementView;
use crate::element::{
    Child, Element, ElementHash, ElementSource, ElementType, Header, InstanceKind, MemoryForm,
};
use crate::error::Error;

/// The best candidate with verified proofs of the others put in where it has none; `None` if there is nothing to
/// put in.
pub(super) fn enriched_root<S: ElementSource>(
    source: &S,
    ranked: &[Candidate],
    verified_proofs: &BTreeSet<ElementHash>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some((winner, others)) = ranked.split_first() else {
        return Ok(None);
    };
    if verified_proofs.is_empty() {
        return Ok(None);
    }
    let mut transactions = winner.transactions.clone();
    let mut is_enriched = false;
    for (position, transaction) in transactions.iter_mut().enumerate() {
        if proof_of(source, transaction)?.is_some() {
            continue;
        }
        for proven in others.iter().filter_map(|c| c.transactions.get(position)) {
            if may_stand_in(source, transaction, proven, verified_proofs)? {
                *transaction = *proven;
                is_enriched = true;
                break;
            }
        }
    }
    if is_enriched {
        synthetic_root(source, &winner.root, transactions)
    } else {
        Ok(None)
    }
}

/// Whether one transaction is the other with a verified proof.
fn may_stand_in<S: ElementSource>(
    source: &S,
    unproven: &ElementHash,
    proven: &ElementHash,
    verified_proofs: &BTreeSet<ElementHash>,
) -> Result<bool, Error> {
    let (Some(unproven), Some(proven)) = (source.element(unproven)?, source.element(proven)?)
    else {
        return Ok(false);
    };
    let unproven = ElementView::parse(unproven.as_ref())?;
    let proven = ElementView::parse(proven.as_ref())?;
    let Some(proof) = proven.one("inclusionProof") else {
        return Ok(false);
    };
    let has_same_header = unproven.representation() == proven.representation()
        && unproven.semantics() == proven.semantics()
        && unproven.kind() == proven.kind()
        && unproven.predecessor() == proven.predecessor();
    Ok(verified_proofs.contains(&proof)
        && has_same_header
        && is_same_but_for_the_proof(&unproven, &proven)
        && is_well_formed_or_absent(source, &proof)?)
}

/// A proof that is there must be one; a proof that is not there is found missing by verification.
fn is_well_formed_or_absent<S: ElementSource>(
    source: &S,
    proof: &ElementHash,
) -> Result<bool, Error> {
    let Some(bytes) = source.element(proof)? else {
        return Ok(true);
    };
    let proof = ElementView::parse(bytes.as_ref())?;
    Ok(proof.element_type() == ElementType::InclusionProof
        && proof.one("authenticator").is_some()
        && proof.one("merkleTreePath").is_some())
}

/// A root like another one with other transactions. It names no predecessor: it is no newer instance of the root, it
/// takes its place.
fn synthetic_root<S: ElementSource>(
    source: &S,
    like: &ElementHash,
    transactions: Vec<ElementHash>,
) -> Result<Option<Vec<u8>>, Error> {
    let (Some(bytes), Some(kind)) = (
        source.element(like)?,
        InstanceKind::new(InstanceKind::ENRICHED_SYNTHETIC),
    ) else {
        return Ok(None);
    };
    let view = ElementView::parse(bytes.as_ref())?;
    let mut root = Element::from_view(&view, MemoryForm::CANONICAL);
    root.header = Header {
        kind,
        predecessor: None,
        ..root.header
    };
    for (role, child) in &mut root.children {
        if role == "transactions" {
            *child = Child::Many(transactions);
            break;
        }
    }
    root.encode().map(Some)
}

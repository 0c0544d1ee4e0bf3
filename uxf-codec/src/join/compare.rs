use std::collections::BTreeSet;

use super::Candidate;
use crate::canonical::{ChildView, ElementView};
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;

/// Whether any two candidates have different transactions at a position that both have.
///
/// All pairs are covered by comparing the distinct transactions of each position, which are one or two in practice.
pub(super) fn contradict<S: ElementSource>(
    source: &S,
    candidates: &[Candidate],
    verified_proofs: &BTreeSet<ElementHash>,
) -> Result<bool, Error> {
    let longest = candidates.iter().map(|c| c.transactions.len()).max();
    let mut distinct = BTreeSet::new();
    for position in 0..longest.unwrap_or(0) {
        distinct.clear();
        distinct.extend(
            candidates
                .iter()
                .filter_map(|c| c.transactions.get(position)),
        );
        for (index, a) in distinct.iter().enumerate() {
            for b in distinct.iter().skip(index + 1) {
                if !is_same_but_for_a_verified_proof(source, a, b, verified_proofs)? {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Whether a transaction has a proof that is there.
pub(super) fn is_committed<S: ElementSource>(
    source: &S,
    transaction: &ElementHash,
) -> Result<bool, Error> {
    let Some(proof) = proof_of(source, transaction)? else {
        return Ok(false);
    };
    let Some(bytes) = source.element(&proof)? else {
        return Ok(false);
    };
    Ok(ElementView::parse(bytes.as_ref())?.element_type() == ElementType::InclusionProof)
}

/// The proof that a transaction names, there or not.
pub(super) fn proof_of<S: ElementSource>(
    source: &S,
    transaction: &ElementHash,
) -> Result<Option<ElementHash>, Error> {
    let Some(bytes) = source.element(transaction)? else {
        return Ok(None);
    };
    let view = ElementView::parse(bytes.as_ref())?;
    Ok((view.element_type() == ElementType::Transaction)
        .then(|| view.one("inclusionProof"))
        .flatten())
}

fn is_same_but_for_a_verified_proof<S: ElementSource>(
    source: &S,
    a: &ElementHash,
    b: &ElementHash,
    verified_proofs: &BTreeSet<ElementHash>,
) -> Result<bool, Error> {
    if verified_proofs.is_empty() {
        return Ok(false);
    }
    let (Some(a), Some(b)) = (source.element(a)?, source.element(b)?) else {
        return Ok(false);
    };
    let a = ElementView::parse(a.as_ref())?;
    let b = ElementView::parse(b.as_ref())?;
    let is_verified = |view: &ElementView<'_>| {
        view.one("inclusionProof")
            .is_some_and(|proof| verified_proofs.contains(&proof))
    };
    Ok(is_same_but_for_the_proof(&a, &b) && (is_verified(&a) || is_verified(&b)))
}

/// Whether two transactions are the same in everything but their proof, in which they differ.
///
/// All roles are compared, unknown ones too: a join must never put two transitions together that only look alike to
/// this version. The content of a transaction is empty; where a stranger has put something there it must agree.
pub(super) fn is_same_but_for_the_proof(a: &ElementView<'_>, b: &ElementView<'_>) -> bool {
    let is_transaction = |view: &ElementView<'_>| view.element_type() == ElementType::Transaction;
    if !is_transaction(a) || !is_transaction(b) || !a.fields().eq(b.fields()) {
        return false;
    }
    let (mut roles_a, mut roles_b) = (a.children(), b.children());
    let mut differs_in_proof = false;
    loop {
        match (roles_a.next(), roles_b.next()) {
            (Some((role_a, child_a)), Some((role_b, child_b))) if role_a == role_b => {
                if is_same_child(child_a, child_b) {
                    continue;
                }
                if role_a != "inclusionProof" {
                    return false;
                }
                differs_in_proof = true;
            }
            (None, None) => return differs_in_proof,
            _ => return false,
        }
    }
}

fn is_same_child(a: ChildView<'_>, b: ChildView<'_>) -> bool {
    match (a, b) {
        (ChildView::Absent, ChildView::Absent) => true,
        (ChildView::One(a), ChildView::One(b)) => a == b,
        (ChildView::Many(a), ChildView::Many(b)) => a.iter().eq(b.iter()),
        _ => false,
    }
}

//! Joining: which of several roots with one token id a package should keep.
//!
//! Two devices that worked on the same token leave two roots for it. [`resolve`] picks one from the elements alone, so
//! that everybody who has the same elements and trusts the same proofs picks the same one, whatever order the roots
//! are given in. It judges the lists of transactions only: roots that differ in state, genesis or name-tags alone are
//! equal to it, and the smaller hash wins. Nothing here verifies a proof; the caller says which ones it has verified.
//! Format notes, section 17.

mod compare;
mod enrich;

use std::collections::BTreeSet;

use crate::canonical::{ChildView, ElementView};
use crate::element::{ElementHash, ElementSource, ElementType};
use crate::error::Error;

/// What a join came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the root was found.
    pub kind: OutcomeKind,
    /// The root to keep.
    pub root: ElementHash,
    /// The roots it supersedes, best first.
    pub losers: Vec<ElementHash>,
    /// Canonical bytes of `root` where the join has built it, else nothing. Whoever takes the root must store them.
    pub synthetic: Option<Vec<u8>>,
}

/// How a join found its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeKind {
    /// There was one root to choose from.
    Single,
    /// The histories agree as far as both go, and the longest one won.
    LongestValid,
    /// The same, with verified proofs of the shorter histories put into the longest one.
    Enriched,
    /// The histories contradict each other: a double spend or a fork. One had to be chosen; someone should look.
    Divergent,
}

impl OutcomeKind {
    /// The word for it, as `longest-valid`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::LongestValid => "longest-valid",
            Self::Enriched => "enriched",
            Self::Divergent => "divergent",
        }
    }
}

/// A root that takes part in a join.
#[derive(Clone, Debug)]
struct Candidate {
    root: ElementHash,
    transactions: Vec<ElementHash>,
    /// How many of them have a proof that is there.
    committed: usize,
}

/// Chooses among roots of one token.
///
/// Candidates that are absent, no token-roots or without a list of transactions cannot win against others. Without
/// `verified_proofs` a proven and an unproven copy of the same transaction contradict each other; with them they are
/// the same transaction, and proofs that the winner lacks are put into it, as a new root of the kind
/// [`InstanceKind::ENRICHED_SYNTHETIC`](crate::InstanceKind::ENRICHED_SYNTHETIC), which may be assembled and never
/// exported.
///
/// Costs one read of every transaction of every candidate, and one comparison per position and distinct transaction
/// there.
///
/// ```
/// use std::collections::BTreeSet;
/// use uxf_codec::ElementHash;
/// use uxf_codec::join::{OutcomeKind, resolve};
/// use uxf_codec::package::Pool;
///
/// let root = ElementHash::of(b"a root");
/// let outcome = resolve(&Pool::default(), &[root, root], &BTreeSet::new()).unwrap();
/// assert_eq!((outcome.kind, outcome.root), (OutcomeKind::Single, root));
/// ```
///
/// # Errors
/// [`Error::InvalidInput`] without candidates; what the source fails with; what [`ElementView::parse`] says of bytes
/// that are no element.
pub fn resolve<S: ElementSource>(
    source: &S,
    candidates: &[ElementHash],
    verified_proofs: &BTreeSet<ElementHash>,
) -> Result<Outcome, Error> {
    let unique: BTreeSet<ElementHash> = candidates.iter().copied().collect();
    let mut roots = unique.iter().copied();
    let Some(smallest) = roots.next() else {
        return Err(Error::InvalidInput {
            what: "candidates of a join",
            reason: "there must be at least one".to_owned(),
        });
    };
    if unique.len() == 1 {
        return Ok(Outcome::alone(smallest));
    }
    let mut found = Vec::with_capacity(unique.len());
    for root in &unique {
        found.extend(read_candidate(source, *root)?);
    }
    match found.as_slice() {
        [] => {
            return Ok(Outcome {
                kind: OutcomeKind::Divergent,
                root: smallest,
                losers: roots.collect(),
                synthetic: None,
            });
        }
        [only] => return Ok(Outcome::alone(only.root)),
        _ => {}
    }
    choose(source, found, verified_proofs, smallest)
}

fn choose<S: ElementSource>(
    source: &S,
    mut candidates: Vec<Candidate>,
    verified_proofs: &BTreeSet<ElementHash>,
    fallback: ElementHash,
) -> Result<Outcome, Error> {
    let is_divergent = compare::contradict(source, &candidates, verified_proofs)?;
    candidates.sort_by(|a, b| {
        let by_committed = b.committed.cmp(&a.committed);
        let by_length = b.transactions.len().cmp(&a.transactions.len());
        let by_merit = if is_divergent {
            by_committed.then(by_length)
        } else {
            by_length.then(by_committed)
        };
        by_merit.then_with(|| a.root.cmp(&b.root))
    });
    let ranked = || candidates.iter().map(|candidate| candidate.root);
    if !is_divergent
        && let Some(bytes) = enrich::enriched_root(source, &candidates, verified_proofs)?
    {
        return Ok(Outcome {
            kind: OutcomeKind::Enriched,
            root: ElementHash::of(&bytes),
            losers: ranked().collect(),
            synthetic: Some(bytes),
        });
    }
    Ok(Outcome {
        kind: if is_divergent {
            OutcomeKind::Divergent
        } else {
            OutcomeKind::LongestValid
        },
        root: ranked().next().unwrap_or(fallback),
        losers: ranked().skip(1).collect(),
        synthetic: None,
    })
}

impl Outcome {
    const fn alone(root: ElementHash) -> Self {
        Self {
            kind: OutcomeKind::Single,
            root,
            losers: Vec::new(),
            synthetic: None,
        }
    }
}

fn read_candidate<S: ElementSource>(
    source: &S,
    root: ElementHash,
) -> Result<Option<Candidate>, Error> {
    let Some(bytes) = source.element(&root)? else {
        return Ok(None);
    };
    let view = ElementView::parse(bytes.as_ref())?;
    let (ElementType::TokenRoot, Some(ChildView::Many(list))) =
        (view.element_type(), view.child("transactions"))
    else {
        return Ok(None);
    };
    let transactions: Vec<ElementHash> = list.iter().collect();
    let mut committed = 0;
    for transaction in &transactions {
        if compare::is_committed(source, transaction)? {
            committed += 1;
        }
    }
    Ok(Some(Candidate {
        root,
        transactions,
        committed,
    }))
}

//! What the states of a token that are known come to.
//!
//! A function of the states, of what was spent, and of what the application verifies: neither the order in which they came
//! nor who brought them matters, so two devices that know the same say the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::canonical::{ChildView, ElementView};
use uxf_codec::instance_chain::chains_from_heads;
use uxf_codec::join::{OutcomeKind, resolve};
use uxf_codec::json::Tape;
use uxf_codec::package::ProofToVerify;
use uxf_codec::token::{AssembleOptions, Assembler};
use uxf_codec::{ElementHash, ElementSource};

use super::history::History;
use super::staged::WithRoot;
use super::{ProofVerifier, WalletOptions};
use crate::bundles::Branches;
use crate::tables::wallet_rows::{BundleTag, Candidate, JoinedRow};
use crate::wallet::{DedupKey, DispositionReason, TokenStatus, TxfToken};

/// What is known of a token beside its candidates.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    /// Names of its candidates that were spent.
    pub(super) spent: &'k BTreeSet<String>,
    pub(super) options: &'k WalletOptions,
}

/// What a join came to.
pub(super) struct Joined {
    pub(super) row: JoinedRow,
    /// Canonical bytes of the root where the join has built it.
    pub(super) synthetic: Option<Vec<u8>>,
    /// Candidates of this device that others have all of; they may go.
    pub(super) covered: Vec<ElementHash>,
}

impl Candidate {
    /// Whether the list of spent states names this one: by one of its keys, or by its root where it has no key of its own.
    pub(super) fn is_named(&self, state_hash: &str) -> bool {
        let mut hashes = self.keys.iter().filter_map(DedupKey::state_hash);
        hashes.any(|hash| hash == state_hash) || self.root.to_string() == state_hash
    }

    fn is_spent<S: ElementSource>(
        &self,
        source: &S,
        history: &History,
        known: &Known<'_>,
    ) -> Result<bool, uxf_codec::Error> {
        let is_in_list = |hash: &str| known.spent.contains(hash);
        let hashes = self.keys.iter().filter_map(DedupKey::state_hash);
        let mut named: Vec<_> = hashes.filter(|hash| is_in_list(hash)).collect();
        // A token that was spent once and is on its way back may have no other key than that of the state it was spent in.
        if !named.is_empty()
            && let Some(borrowed) = history.borrowed_state_hash(source)?
        {
            named.retain(|hash| !hash.eq_ignore_ascii_case(&borrowed));
        }
        Ok(!named.is_empty() || is_in_list(&self.root.to_string()))
    }
}

/// A candidate and how it stands against the others.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts of which any may hold beside any other"
)]
struct Standing<'c> {
    candidate: &'c Candidate,
    history: History,
    /// It, or a state that it leads to, was spent.
    is_spent: bool,
    /// The user put another in its place, or a proof of it was refused. It counts only if nothing else does.
    is_set_aside: bool,
    /// Another tells all that it tells.
    is_covered: bool,
    /// Another has all that it has.
    is_contained: bool,
}

/// The candidates of a token.
struct Field<'c>(Vec<Standing<'c>>);

impl<'c> Field<'c> {
    fn read<S: ElementSource>(
        source: &S,
        candidates: &'c [Candidate],
        known: &Known<'_>,
        proofs: &mut Proofs<'_>,
    ) -> Result<Self, uxf_codec::Error> {
        let mut all = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let history = History::read(source, &candidate.root)?;
            let is_refused = candidates.len() > 1 && proofs.refuse(source, &candidate.root)?;
            all.push(Standing {
                is_spent: candidate.is_spent(source, &history, known)?,
                is_set_aside: candidate.is_passed_over || is_refused,
                is_covered: false,
                is_contained: false,
                candidate,
                history,
            });
        }
        let named: Vec<bool> = all.iter().map(|one| one.is_spent).collect();
        let flags: Vec<_> = all
            .iter()
            .map(|one| {
                let spent = all.iter().zip(&named).filter(|(_, is_named)| **is_named);
                // What leads to a spent state is spent too, whichever of its copies was named.
                let leads_to_spent = spent
                    .map(|(other, _)| other)
                    .any(|other| one.history.leads_to(&other.history));
                let is_covered = all.iter().any(|other| one.is_covered_by(other));
                let is_contained = all.iter().any(|other| one.is_contained_in(other));
                (leads_to_spent, is_covered, is_contained)
            })
            .collect();
        for (one, (is_spent, is_covered, is_contained)) in all.iter_mut().zip(flags) {
            one.is_spent = is_spent;
            one.is_covered = is_covered;
            one.is_contained = is_contained;
        }
        Ok(Self(all))
    }

    /// Those that may count and have something that no other has. What covers one that is alive is alive itself, so there
    /// are some if any is.
    fn alive(&self) -> Vec<ElementHash> {
        let all_aside = (self.0.iter()).all(|one| one.is_spent || one.is_set_aside);
        let may_count = |one: &&Standing<'_>| !one.is_spent && (all_aside || !one.is_set_aside);
        let alive = self.0.iter().filter(may_count);
        let alive = alive.filter(|one| !one.is_covered);
        alive.map(|one| one.candidate.root).collect()
    }

    /// Of a token that is spent: the state it went from.
    fn last_spent(&self) -> Option<ElementHash> {
        let uncovered = self.0.iter().filter(|one| !one.is_covered);
        let longest = uncovered.max_by(|a, b| {
            let by_length = a.history.len().cmp(&b.history.len());
            by_length.then_with(|| b.candidate.root.cmp(&a.candidate.root))
        });
        longest.map(|one| one.candidate.root)
    }

    /// What only this device names and another has all of. A spent state goes only when the token came back in a later one:
    /// until then it is what keeps its copies away.
    fn covered_locals(&self) -> Vec<ElementHash> {
        let may_go = |one: &&Standing<'_>| {
            let is_needed = one.is_spent && !self.has_come_back(&one.history);
            one.is_contained && one.candidate.is_local && !is_needed
        };
        let gone = self.0.iter().filter(may_go);
        gone.map(|one| one.candidate.root).collect()
    }

    fn has_come_back(&self, history: &History) -> bool {
        let mut alive = self.0.iter().filter(|one| !one.is_spent);
        alive.any(|later| history.leads_to(&later.history) && !later.history.leads_to(history))
    }

    /// Whether somebody who knows said that a state was spent elsewhere which a history is or leads to.
    fn is_off_record(&self, history: &History) -> bool {
        let mut gone = self.0.iter().filter(|one| one.candidate.is_off_record);
        gone.any(|one| history.leads_to(&one.history))
    }
}

impl Standing<'_> {
    /// Of two that tell the same the one with the smaller root stays.
    fn is_covered_by(&self, other: &Self) -> bool {
        self.may_yield_to(other)
            && self.history.is_covered_by(&other.history)
            && (!other.history.is_covered_by(&self.history) || other.is_smaller_than(self))
    }

    fn is_contained_in(&self, other: &Self) -> bool {
        self.may_yield_to(other)
            && self.has_no_more_than(other)
            && (!other.has_no_more_than(self) || other.is_smaller_than(self))
    }

    fn has_no_more_than(&self, other: &Self) -> bool {
        let (mine, theirs) = (&self.candidate.instances, &other.candidate.instances);
        self.history.is_contained_in(&other.history) && mine.is_subset(theirs)
    }

    /// What counts gives way to nothing that does not.
    fn may_yield_to(&self, other: &Self) -> bool {
        self.candidate.root != other.candidate.root && (self.is_set_aside || !other.is_set_aside)
    }

    fn is_smaller_than(&self, other: &Self) -> bool {
        self.candidate.root < other.candidate.root
    }
}

/// Joins candidates, which must be at least one and in the order of their roots.
pub(super) fn join<S: ElementSource>(
    source: &S,
    candidates: Vec<Candidate>,
    known: &Known<'_>,
) -> Result<Joined, uxf_codec::Error> {
    let mut proofs = Proofs::new(known.options.proofs.as_deref());
    let field = Field::read(source, &candidates, known, &mut proofs)?;
    let alive = field.alive();
    let mut joined = Joined {
        row: JoinedRow {
            status: TokenStatus::Spent,
            reason: None,
            root: field
                .last_spent()
                .unwrap_or(ElementHash::from_bytes([0; 32])),
            heads: Vec::new(),
            candidates: Vec::new(),
        },
        synthetic: None,
        covered: field.covered_locals(),
    };
    if !alive.is_empty() {
        choose(source, &alive, &proofs.verified(), &mut joined)?;
        judge(source, &field, known, &mut proofs, &mut joined)?;
    }
    drop(field);
    joined.row.candidates = candidates;
    Ok(joined)
}

/// The states that bundles which take the place of others have to name: those that one of the others names and that were not
/// spent, unless another of them has all there is.
pub(super) fn to_merge<S: ElementSource>(
    source: &S,
    candidates: &[Candidate],
    tags: &BTreeSet<BundleTag>,
    known: &Known<'_>,
) -> Result<Vec<ElementHash>, uxf_codec::Error> {
    let is_named = |one: &Candidate| !one.bundles.is_disjoint(tags);
    if let [only] = candidates {
        return Ok(is_named(only).then_some(only.root).into_iter().collect());
    }
    let mut proofs = Proofs::new(known.options.proofs.as_deref());
    let field = Field::read(source, candidates, known, &mut proofs)?;
    let named = field.0.iter();
    let named: Vec<_> = named
        .filter(|one| is_named(one.candidate) && !one.is_spent)
        .collect();
    let is_needed = |one: &&&Standing<'_>| !named.iter().any(|other| one.is_contained_in(other));
    let needed = named.iter().filter(is_needed);
    Ok(needed.map(|one| one.candidate.root).collect())
}

/// Picks the root, and says whether there are others that contradict it.
fn choose<S: ElementSource>(
    source: &S,
    alive: &[ElementHash],
    verified: &BTreeSet<ElementHash>,
    joined: &mut Joined,
) -> Result<(), uxf_codec::Error> {
    let outcome = resolve(source, alive, verified)?;
    joined.row.status = TokenStatus::Valid;
    joined.row.root = outcome.root;
    joined.synthetic = outcome.synthetic;
    if outcome.kind == OutcomeKind::Divergent {
        joined.row.status = TokenStatus::Conflicting;
        joined.row.heads = alive.to_vec();
        joined.row.heads.sort_unstable();
    }
    Ok(())
}

/// Says how the root stands: whether its instances part, its last transfer is proven, and what the application knows.
fn judge<S: ElementSource>(
    source: &S,
    field: &Field<'_>,
    known: &Known<'_>,
    proofs: &mut Proofs<'_>,
    joined: &mut Joined,
) -> Result<(), uxf_codec::Error> {
    let root = joined.row.root;
    // A root that was just built is in no store yet; it is judged as if it were, or the next join would say otherwise.
    let source = &WithRoot {
        source,
        root,
        bytes: joined.synthetic.as_deref(),
    };
    let candidates = field.0.iter().map(|one| one.candidate);
    let heads: BTreeSet<_> = candidates.flat_map(|one| &one.instances).collect();
    if !heads.is_empty() && joined.row.heads.is_empty() {
        let chains = chains_from_heads(source, heads)?;
        let entry = Branches::of(&chains).entry(&chains, root);
        if !entry.conflicting_heads.is_empty() {
            joined.row.status = TokenStatus::Conflicting;
            joined.row.heads = entry.conflicting_heads;
        }
    }
    let candidate = field.0.iter().find(|one| one.candidate.root == root);
    let history = match candidate {
        Some(one) => Cow::Borrowed(&one.history),
        None => Cow::Owned(History::read(source, &root)?),
    };
    if joined.row.status == TokenStatus::Valid && !history.is_last_proven() {
        joined.row.status = TokenStatus::Pending;
    }
    let reason = if field.is_off_record(&history) {
        Some(DispositionReason::OffRecordSpend)
    } else if proofs.refuse(source, &root)? {
        Some(DispositionReason::ProofInvalid)
    } else if is_foreign(source, &root, known)? {
        Some(DispositionReason::NotOurState)
    } else {
        None
    };
    if reason.is_some() {
        joined.row.status = TokenStatus::Invalid;
        joined.row.reason = reason;
    }
    Ok(())
}

/// Whether the application says that a state is not ours.
fn is_foreign<S: ElementSource>(
    source: &S,
    root: &ElementHash,
    known: &Known<'_>,
) -> Result<bool, uxf_codec::Error> {
    let Some(owner) = &known.options.owner else {
        return Ok(false);
    };
    let mut json = Vec::new();
    let options = AssembleOptions::default();
    Assembler::new().assemble(source, root, &options, &mut json)?;
    let mut tape = Tape::new();
    let token = TxfToken::new(tape.parse(&json)?);
    Ok(!token.is_some_and(|token| owner.is_ours(&token)))
}

/// What the application says of the proofs of a token, each asked about once.
struct Proofs<'v> {
    verifier: Option<&'v dyn ProofVerifier>,
    judged: BTreeMap<ElementHash, bool>,
    assembler: Assembler,
    json: Vec<u8>,
}

impl<'v> Proofs<'v> {
    fn new(verifier: Option<&'v dyn ProofVerifier>) -> Self {
        Self {
            verifier,
            judged: BTreeMap::new(),
            assembler: Assembler::new(),
            json: Vec::new(),
        }
    }

    fn verified(&self) -> BTreeSet<ElementHash> {
        let verified = self.judged.iter().filter(|(_, is_proven)| **is_proven);
        verified.map(|(hash, _)| *hash).collect()
    }

    /// Whether a proof below a root was refused.
    fn refuse<S: ElementSource>(
        &mut self,
        source: &S,
        root: &ElementHash,
    ) -> Result<bool, uxf_codec::Error> {
        let Some(verifier) = self.verifier else {
            return Ok(false);
        };
        let mut refused = false;
        for proof in proofs_below(source, root)? {
            if let Some(is_proven) = self.judged.get(&proof) {
                refused |= !is_proven;
                continue;
            }
            let Some(bytes) = source.element(&proof)? else {
                continue;
            };
            let view = ElementView::parse(bytes.as_ref())?;
            let Some(transaction_hash) = view.bytes("transactionHash") else {
                continue;
            };
            self.json.clear();
            let options = AssembleOptions::default();
            self.assembler
                .assemble_proof(source, &proof, &options, &mut self.json)?;
            let is_proven = verifier.is_proven(&ProofToVerify {
                hash: proof,
                transaction_hash,
                json: &self.json,
            });
            refused |= !is_proven;
            self.judged.insert(proof, is_proven);
        }
        Ok(refused)
    }
}

fn proofs_below<S: ElementSource>(
    source: &S,
    root: &ElementHash,
) -> Result<BTreeSet<ElementHash>, uxf_codec::Error> {
    let mut proofs = BTreeSet::new();
    let Some(bytes) = source.element(root)? else {
        return Ok(proofs);
    };
    let view = ElementView::parse(bytes.as_ref())?;
    let mut steps: Vec<_> = view.one("genesis").into_iter().collect();
    if let Some(ChildView::Many(list)) = view.child("transactions") {
        steps.extend(list.iter());
    }
    for step in steps {
        if let Some(bytes) = source.element(&step)? {
            proofs.extend(ElementView::parse(bytes.as_ref())?.one("inclusionProof"));
        }
    }
    Ok(proofs)
}

//! Histories of one token, compared transaction by transaction.

use uxf_codec::canonical::{ChildView, ElementView};
use uxf_codec::{ElementHash, ElementSource, ElementType};

/// What makes a transaction the transition it is; the proof says only that it happened.
const CORE: [&str; 3] = ["sourceState", "data", "destinationState"];

/// The genesis or a transaction of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    hash: ElementHash,
    /// What it names, in the order of [`CORE`]; `None` if it is not there or no transaction.
    core: Option<[Option<ElementHash>; 3]>,
    is_proven: bool,
}

/// The genesis of a root and its transactions, oldest first; and what else the root names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    steps: Vec<Step>,
    state: Option<ElementHash>,
    nametags: Vec<ElementHash>,
}

impl History {
    /// Reads the history below a root. A root that is absent or none has an empty one, which says nothing.
    pub(super) fn read<S: ElementSource>(
        source: &S,
        root: &ElementHash,
    ) -> Result<Self, uxf_codec::Error> {
        let mut history = Self::default();
        let Some(bytes) = source.element(root)? else {
            return Ok(history);
        };
        let view = ElementView::parse(bytes.as_ref())?;
        history.state = view.one("state");
        if let Some(ChildView::Many(list)) = view.child("nametags") {
            history.nametags.extend(list.iter());
        }
        if let Some(genesis) = view.one("genesis") {
            history.steps.push(Step::read(source, genesis)?);
        }
        if let Some(ChildView::Many(list)) = view.child("transactions") {
            for hash in list.iter() {
                history.steps.push(Step::read(source, hash)?);
            }
        }
        Ok(history)
    }

    /// Whether the newest transaction, or else the genesis, has a proof that is there.
    pub(super) fn is_last_proven(&self) -> bool {
        self.steps.last().is_none_or(|step| step.is_proven)
    }

    /// Whether another history goes through the same transitions and then perhaps on, whatever is proven.
    pub(super) fn leads_to(&self, other: &Self) -> bool {
        self.steps.len() <= other.steps.len()
            && self
                .steps
                .iter()
                .zip(&other.steps)
                .all(|(a, b)| a.is_same_transition(b))
    }

    /// Whether another history tells all that this one tells: its transitions, each proven there if it is proven here. The
    /// proofs may be others, and nobody has looked at them.
    pub(super) fn is_covered_by(&self, other: &Self) -> bool {
        self.leads_to(other)
            && self
                .steps
                .iter()
                .zip(&other.steps)
                .all(|(a, b)| a.hash == b.hash || !a.is_proven || b.is_proven)
    }

    /// Whether another history has all that this one has, so that nothing is lost with it: the transitions with these very
    /// proofs, the name-tags, and if it goes no further, the state.
    pub(super) fn is_contained_in(&self, other: &Self) -> bool {
        let mut steps = self.steps.iter().zip(&other.steps);
        self.leads_to(other)
            && steps.all(|(a, b)| a.hash == b.hash || !a.is_proven)
            && (self.steps.len() < other.steps.len() || self.state == other.state)
            && self.nametags.iter().all(|tag| other.nametags.contains(tag))
    }

    /// The state hash that the proof of the genesis names, in hex, if a newer transaction has no proof yet.
    ///
    /// Such a token is known by the hash of a state that it has long left, for want of another (profile notes, section 9.1).
    pub(super) fn borrowed_state_hash<S: ElementSource>(
        &self,
        source: &S,
    ) -> Result<Option<String>, uxf_codec::Error> {
        let (Some(genesis), false) = (self.steps.first(), self.is_last_proven()) else {
            return Ok(None);
        };
        genesis.proven_state_hash(source)
    }

    /// The state hashes, in hex, of the states that led to the newest one, as far as proofs name them.
    pub(super) fn earlier_state_hashes<S: ElementSource>(
        &self,
        source: &S,
    ) -> Result<Vec<String>, uxf_codec::Error> {
        let earlier = self
            .steps
            .split_last()
            .map_or(&[][..], |(_, earlier)| earlier);
        let hashes = earlier.iter().map(|step| step.proven_state_hash(source));
        hashes.filter_map(Result::transpose).collect()
    }

    /// How many steps there are.
    pub(super) const fn len(&self) -> usize {
        self.steps.len()
    }
}

/// The state hash, in hex, that the proof of the newest transaction below a root names, or of the genesis if there is none.
/// `None` if it names none.
pub(super) fn newest_state_hash<S: ElementSource>(
    source: &S,
    root: &ElementHash,
) -> Result<Option<String>, uxf_codec::Error> {
    let Some(bytes) = source.element(root)? else {
        return Ok(None);
    };
    let view = ElementView::parse(bytes.as_ref())?;
    let newest = match view.child("transactions") {
        Some(ChildView::Many(list)) => list.iter().last(),
        _ => None,
    };
    let Some(hash) = newest.or_else(|| view.one("genesis")) else {
        return Ok(None);
    };
    let step = Step {
        hash,
        core: None,
        is_proven: false,
    };
    let state_hash = step.proven_state_hash(source)?;
    Ok(state_hash.filter(|hash| !hash.is_empty()))
}

impl Step {
    fn read<S: ElementSource>(source: &S, hash: ElementHash) -> Result<Self, uxf_codec::Error> {
        let mut step = Self {
            hash,
            core: None,
            is_proven: false,
        };
        let Some(bytes) = source.element(&hash)? else {
            return Ok(step);
        };
        let view = ElementView::parse(bytes.as_ref())?;
        let kind = view.element_type();
        if !matches!(kind, ElementType::Genesis | ElementType::Transaction) {
            return Ok(step);
        }
        step.core = Some(CORE.map(|role| view.one(role)));
        if let Some(proof) = view.one("inclusionProof") {
            step.is_proven = source.element(&proof)?.is_some();
        }
        Ok(step)
    }

    /// The state hash that its proof names, in hex.
    fn proven_state_hash<S: ElementSource>(
        &self,
        source: &S,
    ) -> Result<Option<String>, uxf_codec::Error> {
        let mut at = self.hash;
        for role in ["inclusionProof", "authenticator"] {
            let Some(bytes) = source.element(&at)? else {
                return Ok(None);
            };
            let Some(next) = ElementView::parse(bytes.as_ref())?.one(role) else {
                return Ok(None);
            };
            at = next;
        }
        let Some(bytes) = source.element(&at)? else {
            return Ok(None);
        };
        let view = ElementView::parse(bytes.as_ref())?;
        Ok(view.bytes("stateHash").map(const_hex::encode))
    }

    /// Two transactions of which nothing is known are the same only if they have one hash.
    fn is_same_transition(&self, other: &Self) -> bool {
        self.hash == other.hash || (self.core.is_some() && self.core == other.core)
    }
}

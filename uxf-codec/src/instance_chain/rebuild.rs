use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::{ChainEntry, ChainIndex, ChainMember};
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementType};
use crate::error::Error;
use crate::limits::CHAIN_MEMBERS_MAX;
use crate::package::Pool;

/// Finds the chains of a pool from their newest instances down, as importing a CAR does.
///
/// A head is an element that continues another one and that none continues. From there the predecessors are
/// followed while they are in the pool; types and versions are not compared. Elements that continue nothing that
/// is there make no chain.
///
/// # Errors
/// [`Error::InvalidInstanceChain`] if the predecessors lead back to themselves, which only a pool with wrong hashes
/// can do. [`Error::LimitExceeded`] if all chains together have more than [`CHAIN_MEMBERS_MAX`] members: many
/// heads over one long history would otherwise take memory with the square of the pool.
pub fn rebuild_from_heads(pool: &Pool) -> Result<ChainIndex, Error> {
    let links = Links::read(pool, |_, _| true)?;
    let mut index = ChainIndex::new();
    let mut budget = Budget::default();
    for (hash, link) in &links.by_hash {
        if link.predecessor.is_some() && !links.successors.contains_key(hash) {
            let entry = links.chain_down_from(*hash, &mut budget)?;
            if entry.chain.len() > 1 {
                index.insert(entry);
            }
        }
    }
    links.refuse_cycles()?;
    Ok(index)
}

/// Finds the chains of a pool from their originals up.
///
/// An original is an element that continues nothing and that another one continues. A newer instance belongs to the
/// chain only if it has the type of the older one and no lower version; where it has not, the chain ends below it.
/// Every branch of a fork makes a chain of its own.
///
/// On chains that [`Package::add_instance`](crate::package::Package::add_instance) could have made it agrees with
/// [`rebuild_from_heads`], apart from chains whose original is absent, which it does not find.
///
/// # Errors
/// [`Error::LimitExceeded`] as [`rebuild_from_heads`].
pub fn rebuild_from_tails(pool: &Pool) -> Result<ChainIndex, Error> {
    let links = Links::read(pool, |newer, older| {
        newer.element_type == older.element_type
            && newer.semantics >= older.semantics
            && newer.representation >= older.representation
    })?;
    let mut index = ChainIndex::new();
    let mut budget = Budget::default();
    let mut branches = Vec::new();
    for (hash, link) in &links.by_hash {
        if !link.is_original {
            continue;
        }
        branches.push(*hash);
        while let Some(top) = branches.pop() {
            if let Some(newer) = links.successors.get(&top) {
                branches.extend(newer.iter().rev());
                continue;
            }
            let entry = links.chain_down_from(top, &mut budget)?;
            if entry.chain.len() > 1 {
                index.insert(entry);
            }
        }
    }
    Ok(index)
}

/// What the elements of a pool that take part in any chain say of their predecessors.
struct Links<'p> {
    by_hash: IndexMap<ElementHash, Link<'p>>,
    successors: BTreeMap<ElementHash, Vec<ElementHash>>,
}

struct Link<'p> {
    element_type: ElementType,
    representation: u64,
    semantics: u64,
    kind: &'p str,
    /// The older instance, where it is in the pool and may be continued by this one.
    predecessor: Option<ElementHash>,
    /// Whether the header names no predecessor at all.
    is_original: bool,
}

impl<'p> Links<'p> {
    fn read(pool: &'p Pool, may_continue: fn(&Link<'p>, &Link<'p>) -> bool) -> Result<Self, Error> {
        let mut involved = BTreeSet::new();
        for (hash, element) in pool.iter() {
            if let Some(predecessor) = ElementView::parse(element.bytes())?.predecessor() {
                involved.extend([*hash, predecessor]);
            }
        }
        let mut by_hash = IndexMap::new();
        // Most pools have no chain at all, and none that does has many members.
        let pool = pool.iter().filter(|_| !involved.is_empty());
        for (hash, element) in pool.filter(|(hash, _)| involved.contains(*hash)) {
            let view = ElementView::parse(element.bytes())?;
            by_hash.insert(
                *hash,
                Link {
                    element_type: view.element_type(),
                    representation: view.representation(),
                    semantics: view.semantics(),
                    kind: view.kind(),
                    predecessor: view.predecessor(),
                    is_original: view.predecessor().is_none(),
                },
            );
        }
        let mut successors: BTreeMap<ElementHash, Vec<ElementHash>> = BTreeMap::new();
        let mut refused = Vec::new();
        for (hash, link) in &by_hash {
            let Some(predecessor) = link.predecessor else {
                continue;
            };
            match by_hash.get(&predecessor) {
                Some(older) if may_continue(link, older) => {
                    successors.entry(predecessor).or_default().push(*hash);
                }
                _ => refused.push(*hash),
            }
        }
        for hash in refused {
            if let Some(link) = by_hash.get_mut(&hash) {
                link.predecessor = None;
            }
        }
        Ok(Self {
            by_hash,
            successors,
        })
    }

    fn chain_down_from(&self, head: ElementHash, budget: &mut Budget) -> Result<ChainEntry, Error> {
        let mut chain = Vec::new();
        let mut next = Some(head);
        while let Some((hash, link)) = next.and_then(|hash| self.by_hash.get_key_value(&hash)) {
            budget.take_one()?;
            if chain.len() == self.by_hash.len() {
                return Err(circular(*hash));
            }
            chain.push(ChainMember {
                hash: *hash,
                kind: link.kind.to_owned(),
            });
            next = link.predecessor;
        }
        Ok(ChainEntry { head, chain })
    }

    /// A cycle has no head, so that nothing above has walked it.
    fn refuse_cycles(&self) -> Result<(), Error> {
        let mut is_grounded = BTreeMap::new();
        for start in self.by_hash.keys() {
            let mut path = Vec::new();
            let mut next = Some(*start);
            while let Some(hash) = next {
                match is_grounded.get(&hash) {
                    Some(true) => break,
                    Some(false) => return Err(circular(hash)),
                    None => {}
                }
                is_grounded.insert(hash, false);
                path.push(hash);
                next = self.by_hash.get(&hash).and_then(|link| link.predecessor);
            }
            for hash in path {
                is_grounded.insert(hash, true);
            }
        }
        Ok(())
    }
}

fn circular(hash: ElementHash) -> Error {
    Error::InvalidInstanceChain {
        reason: format!("the predecessors of element {hash} lead back to it"),
    }
}

/// Counts the members of all chains together.
#[derive(Default)]
struct Budget {
    members: usize,
}

impl Budget {
    fn take_one(&mut self) -> Result<(), Error> {
        self.members += 1;
        if self.members <= CHAIN_MEMBERS_MAX {
            return Ok(());
        }
        Err(Error::LimitExceeded {
            what: "instance chain members",
            limit: CHAIN_MEMBERS_MAX as u64,
            found: self.members as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Value;
    use crate::element::{Element, Header, MemoryForm};

    fn put(pool: &mut Pool, data: &str, semantics: u64, older: Option<ElementHash>) -> ElementHash {
        let element = Element {
            header: Header {
                semantics,
                predecessor: older,
                ..Header::default()
            },
            element_type: ElementType::TokenState,
            content: vec![("data".into(), Value::Text(data.into()))],
            children: Vec::new(),
        };
        let bytes = element.encode().unwrap();
        let hash = ElementHash::of(&bytes);
        pool.insert(hash, &bytes, MemoryForm::CANONICAL);
        hash
    }

    fn lengths(index: &ChainIndex) -> Vec<usize> {
        let mut lengths: Vec<_> = index.chains().map(|(_, entry)| entry.chain.len()).collect();
        lengths.sort_unstable();
        lengths
    }

    #[test]
    fn a_fork_makes_a_chain_for_every_branch() {
        let mut pool = Pool::default();
        let original = put(&mut pool, "00", 1, None);
        let second = put(&mut pool, "01", 1, Some(original));
        put(&mut pool, "02", 1, Some(second));
        let longer = put(&mut pool, "03", 1, Some(second));
        let longest = put(&mut pool, "04", 1, Some(longer));
        for rebuilt in [rebuild_from_heads(&pool), rebuild_from_tails(&pool)] {
            let rebuilt = rebuilt.unwrap();
            assert_eq!(lengths(&rebuilt), [3, 4]);
            assert_eq!(rebuilt.get(&original).unwrap().head, longest);
        }
    }

    #[test]
    fn only_the_rebuild_from_tails_stops_where_a_version_falls() {
        let mut pool = Pool::default();
        let original = put(&mut pool, "00", 2, None);
        let second = put(&mut pool, "01", 2, Some(original));
        let fallen = put(&mut pool, "02", 1, Some(second));
        let from_heads = rebuild_from_heads(&pool).unwrap();
        assert_eq!(from_heads.get(&original).unwrap().head, fallen);
        let from_tails = rebuild_from_tails(&pool).unwrap();
        assert_eq!(from_tails.get(&original).unwrap().head, second);
        assert!(from_tails.get(&fallen).is_none());
    }

    #[test]
    fn a_chain_may_end_at_an_absent_predecessor() {
        let mut pool = Pool::default();
        let absent = ElementHash::of(b"not here");
        let oldest = put(&mut pool, "00", 1, Some(absent));
        put(&mut pool, "01", 1, Some(oldest));
        assert_eq!(lengths(&rebuild_from_heads(&pool).unwrap()), [2]);
        assert!(rebuild_from_tails(&pool).unwrap().is_empty());
    }

    #[test]
    fn many_branches_over_a_long_history_are_refused() {
        let mut pool = Pool::default();
        let mut newest = put(&mut pool, "", 1, None);
        for _ in 0..1_100 {
            newest = put(&mut pool, "", 1, Some(newest));
        }
        for branch in 0..1_000_u32 {
            put(&mut pool, &format!("{branch:08x}"), 1, Some(newest));
        }
        for rebuilt in [rebuild_from_heads(&pool), rebuild_from_tails(&pool)] {
            assert!(matches!(rebuilt, Err(Error::LimitExceeded { .. })));
        }
    }

    #[test]
    fn predecessors_in_a_circle_are_refused() {
        let mut pool = Pool::default();
        let (left, right) = (ElementHash::of(b"left"), ElementHash::of(b"right"));
        for (hash, older) in [(left, right), (right, left)] {
            let mut other = Pool::default();
            let real = put(&mut other, "", 1, Some(older));
            pool.insert(
                hash,
                other.get(&real).unwrap().bytes(),
                MemoryForm::CANONICAL,
            );
        }
        assert!(matches!(
            rebuild_from_heads(&pool),
            Err(Error::InvalidInstanceChain { .. })
        ));
        assert!(rebuild_from_tails(&pool).unwrap().is_empty());
    }
}

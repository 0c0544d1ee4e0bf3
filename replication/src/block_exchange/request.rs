//! How blocks are asked for: by where they stand in what a peer gave, as far as they do, or by their hashes.

use uxf_codec::ElementHash;

use super::graph::Wanted;
use crate::wire::{Below, Role, WANTS_MAX, WantEntry};

/// Bytes of what names blocks, for each of them, that are not too many for the other side to read once more: a manifest of many tokens
/// is asked about so often that reading it would cost more than hashes do.
const PARENT_BYTES_EACH: usize = 512;

/// The entries of a request for blocks, and the hashes in the order in which they ask for them. What names a block and was given by the
/// peer has a role and a length; what it names is asked for by the places.
pub(super) fn entries_for(
    mut wanted: Vec<Wanted>,
    given: impl Fn(&ElementHash) -> Option<(Role, usize)>,
) -> (Vec<WantEntry>, Vec<ElementHash>) {
    let mut entries = Vec::new();
    // What one block names was found at once, and stands together.
    for siblings in wanted.chunk_by_mut(|one, next| parent_of(one) == parent_of(next)) {
        siblings.sort_unstable_by_key(place_of);
        let parent = siblings.first().and_then(parent_of);
        let parent = parent.filter(|_| siblings.len() > 1);
        let parent = parent.and_then(|parent| Some((parent, given(&parent)?)));
        let mut rest = &siblings[..];
        while let Some((near, behind)) = rest.split_at_checked(near_len(rest).max(1)) {
            let bytes_max = near.len().saturating_mul(PARENT_BYTES_EACH);
            let parent = parent.filter(|(_, (_, bytes))| *bytes <= bytes_max);
            match parent.and_then(|(parent, (role, _))| below(parent, role, near)) {
                Some(below) => entries.push(WantEntry::Below(below)),
                None => entries.extend(near.iter().map(|one| WantEntry::Block(one.hash))),
            }
            rest = behind;
        }
    }
    (entries, wanted.into_iter().map(|one| one.hash).collect())
}

fn parent_of(wanted: &Wanted) -> Option<ElementHash> {
    wanted.named.map(|(parent, _)| parent)
}

fn place_of(wanted: &Wanted) -> Option<u32> {
    wanted.named.map(|(_, place)| place)
}

/// How many of ascending places one list of bits can name.
fn near_len(siblings: &[Wanted]) -> usize {
    let first = siblings.first().and_then(place_of).unwrap_or_default();
    let is_near = |one: &&Wanted| {
        let bit = usize::try_from(place_of(one).unwrap_or_default().saturating_sub(first));
        bit.is_ok_and(|bit| bit < WANTS_MAX)
    };
    siblings.iter().take_while(is_near).count()
}

/// At least two blocks as places in what names them.
fn below(parent: ElementHash, role: Role, near: &[Wanted]) -> Option<Below> {
    let first = near.first().and_then(place_of)?;
    let last = near.last().and_then(place_of)?;
    if first == last {
        return None;
    }
    let mut places = near.iter().filter_map(place_of).peekable();
    let wanted = (first..=last).map(|place| places.next_if_eq(&place).is_some());
    Some(Below {
        parent,
        role,
        first,
        wanted: wanted.collect(),
    })
}

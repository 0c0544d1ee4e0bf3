use super::{ChainEntry, ChainIndex, ChainMember};
use crate::canonical::ElementView;
use crate::element::{ElementHash, ElementSource};
use crate::error::Error;
use crate::limits::CHAIN_MEMBERS_MAX;

/// Reads the chains that end in the given newest instances, each down to its original or to an instance that is
/// absent. A head that continues nothing makes no chain.
///
/// For stores, which keep the newest instances of a token and can read the rest.
///
/// # Errors
/// [`Error::InvalidInstanceChain`] if predecessors lead back to themselves; [`Error::LimitExceeded`] if all chains
/// together have more than [`CHAIN_MEMBERS_MAX`] members; those of [`ElementView::parse`] and of the source.
pub fn chains_from_heads<'h, S: ElementSource>(
    source: &S,
    heads: impl IntoIterator<Item = &'h ElementHash>,
) -> Result<ChainIndex, Error> {
    let mut index = ChainIndex::new();
    let mut members = 0;
    for head in heads {
        let mut chain: Vec<ChainMember> = Vec::new();
        let mut next = Some(*head);
        while let Some(hash) = next {
            let Some(bytes) = source.element(&hash)? else {
                break;
            };
            let view = ElementView::parse(bytes.as_ref())?;
            chain.push(ChainMember {
                hash,
                kind: view.kind().to_owned(),
            });
            next = view.predecessor();
            members += 1;
            if members > CHAIN_MEMBERS_MAX {
                return Err(Error::LimitExceeded {
                    what: "instances of chains",
                    limit: CHAIN_MEMBERS_MAX as u64,
                    found: members as u64,
                });
            }
        }
        if chain.len() > 1 {
            index.insert(ChainEntry { head: *head, chain });
        }
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::{Element, ElementType, Header, InstanceKind, MemoryForm};
    use crate::package::Pool;

    fn put(pool: &mut Pool, kind: &str, predecessor: Option<ElementHash>) -> ElementHash {
        let header = Header {
            kind: InstanceKind::new(kind).unwrap(),
            predecessor,
            ..Header::default()
        };
        let element = Element {
            header,
            element_type: ElementType::TokenState,
            content: vec![],
            children: vec![],
        };
        let bytes = element.encode().unwrap();
        let hash = ElementHash::of(&bytes);
        pool.insert(hash, &bytes, MemoryForm::CANONICAL);
        hash
    }

    #[test]
    fn a_chain_is_read_from_its_head_down_to_what_is_there() {
        let mut pool = Pool::default();
        let absent = ElementHash::of(b"absent");
        let original = put(&mut pool, "default", Some(absent));
        let newer = put(&mut pool, "newer", Some(original));
        let newest = put(&mut pool, "newest", Some(newer));
        let alone = put(&mut pool, "alone", None);

        let chains = chains_from_heads(&pool, [&newest, &alone]).unwrap();

        let kinds: Vec<_> = chains
            .get(&original)
            .unwrap()
            .chain
            .iter()
            .map(|member| member.kind.as_str())
            .collect();
        assert_eq!(kinds, ["newest", "newer", "default"]);
        assert!(chains.get(&alone).is_none());
    }
}

//! What a block names, so that a bundle can be walked.

use cid::Cid;
use uxf_codec::ElementHash;
use uxf_codec::canonical::{ChildView, ElementView, Value, decode_value};

use super::error::BulkError;
use super::limits::BulkLimits;

const DAG_CBOR: u64 = 0x71;
const RAW: u64 = 0x55;

/// What a block names.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By links, which everybody follows: without these a bundle is not whole.
    pub(super) needed: Vec<Cid>,
    /// By plain bytes, as transactions name their name-tags: other implementations neither see these nor, mostly, send
    /// what they name.
    pub(super) wished: Vec<Cid>,
}

/// Reads what a verified block names.
pub(super) fn links_of(cid: &Cid, bytes: &[u8], limits: &BulkLimits) -> Result<Links, BulkError> {
    match cid.codec() {
        RAW => return Ok(Links::default()),
        DAG_CBOR => {}
        codec => {
            let cid = Box::new(*cid);
            return Err(BulkError::Codec { cid, codec });
        }
    }
    if bytes.len() > limits.linked_block_bytes_max {
        return Err(BulkError::TooLarge {
            what: "bytes of a block with links",
            limit: limits.linked_block_bytes_max as u64,
        });
    }
    if let Ok(view) = ElementView::parse(bytes) {
        return Ok(links_of_element(&view));
    }
    let value = decode_value(bytes).map_err(|source| BulkError::Block {
        cid: Box::new(*cid),
        source,
    })?;
    let mut links = Links::default();
    let mut open = vec![&value];
    while let Some(value) = open.pop() {
        match value {
            Value::List(items) => open.extend(items.iter().rev()),
            Value::Map(entries) => open.extend(entries.iter().rev().map(|(_, value)| value)),
            // The strict reader took it for a CID already.
            Value::Link(link) => links.needed.extend(Cid::try_from(link.as_slice())),
            _ => {}
        }
    }
    Ok(links)
}

fn links_of_element(view: &ElementView<'_>) -> Links {
    let mut links = Links::default();
    for (_, child) in view.children() {
        match child {
            ChildView::Absent => {}
            ChildView::One(hash) => links.needed.extend(to_cid(&hash)),
            ChildView::Many(list) => {
                links
                    .needed
                    .extend(list.iter().filter_map(|hash| to_cid(&hash)));
            }
        }
    }
    let predecessor = view.predecessor();
    links
        .needed
        .extend(predecessor.and_then(|hash| to_cid(&hash)));
    let nametags = view.nametag_refs();
    links
        .wished
        .extend(nametags.filter_map(|hash| to_cid(&hash)));
    links
}

fn to_cid(hash: &ElementHash) -> Option<Cid> {
    Cid::try_from(hash.to_cid_bytes().as_slice()).ok()
}

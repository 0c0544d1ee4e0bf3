//! What a block names.

use uxf_codec::ElementHash;
use uxf_codec::canonical::ElementView;
use uxf_codec::carriage::car::{read_envelope, read_manifest};

use super::graph::FetchError;
use crate::wire::Role;

/// What a block of a role names, ascending and each once, and what that is.
pub(super) fn links_of(role: Role, bytes: &[u8]) -> Result<(Vec<ElementHash>, Role), FetchError> {
    let invalid = |_| FetchError::Invalid;
    Ok(match role {
        Role::Envelope => (
            vec![read_envelope(bytes).map_err(invalid)?.1],
            Role::Manifest,
        ),
        Role::Manifest => {
            let manifest = read_manifest(bytes).map_err(invalid)?;
            let mut roots: Vec<ElementHash> = manifest.values().copied().collect();
            roots.sort_unstable();
            roots.dedup();
            (roots, Role::Element)
        }
        Role::Element => {
            let mut links = Vec::new();
            let view = ElementView::parse(bytes).map_err(invalid)?;
            view.distinct_links(&mut links);
            (links, Role::Element)
        }
    })
}

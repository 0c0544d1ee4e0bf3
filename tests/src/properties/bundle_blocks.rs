use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{BundleBlocks, read_envelope, read_manifest};
use uxf_codec::package::{Envelope, Manifest, Timestamp};

use super::{Verdict, ensure, must};

/// The blocks of a bundle that are no elements are refused, or what is read of them is written and reads as the same.
pub(super) fn check(bytes: &[u8]) -> Verdict {
    if let Ok((envelope, _)) = read_envelope(bytes) {
        let blocks = BundleBlocks::new(&envelope, &Manifest::new());
        let (again, manifest) = must(
            "an envelope that was written",
            read_envelope(&blocks.envelope),
        )?;
        ensure(
            again == envelope && manifest == blocks.manifest_hash,
            || "another envelope is read than was written".to_owned(),
        )?;
        ensure(blocks.root == ElementHash::of(&blocks.envelope), || {
            "a bundle under the id of another".to_owned()
        })?;
    }
    if let Ok(manifest) = read_manifest(bytes) {
        let envelope = Envelope::new(Timestamp::from_secs(0));
        let blocks = BundleBlocks::new(&envelope, &manifest);
        let again = must(
            "a manifest that was written",
            read_manifest(&blocks.manifest),
        )?;
        ensure(again == manifest, || {
            "another manifest is read than was written".to_owned()
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_holds_for_both_blocks_with_any_bit_changed() {
        let mut envelope = Envelope::new(Timestamp::from_secs(1_750_000_000));
        envelope.creator = Some("somebody".to_owned());
        let token_id = uxf_codec::package::TokenId::new(&"ab".repeat(32)).unwrap();
        let manifest = Manifest::from_iter([(token_id, ElementHash::of(b"root"))]);
        let blocks = BundleBlocks::new(&envelope, &manifest);
        for block in [blocks.envelope, blocks.manifest] {
            for at in 0..block.len() * 8 {
                let mut changed = block.clone();
                changed[at / 8] ^= 1 << (at % 8);
                assert_eq!(check(&changed), Ok(()), "{changed:?}");
            }
        }
    }
}

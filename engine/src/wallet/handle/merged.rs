//! What bundles come to when they are merged.

use std::collections::{BTreeMap, BTreeSet};

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{
    BundleBlocks, CarContents, CarLimits, CarProfile, TokenTooLarge, plan_cars, read_manifest,
};
use uxf_codec::instance_chain::chains_from_heads;
use uxf_codec::package::{Envelope, Manifest, Timestamp, TokenId};

use super::change::Change;
use super::join::{Known, to_merge};
use crate::bundles::BundleRef;
use crate::bundles::consolidation::{CONSOLIDATE_ABOVE, ConsolidationLock};
use crate::error::Error;
use crate::tables::schema::WalletRowKind;
use crate::tables::wallet_rows::{BundleRow, BundleTag, JoinedRow};
use crate::wallet::TokenStatus;

/// About as many tokens as an archive has that every reader can read; the manifest block holds no more than 612.
const BUNDLE_TOKENS: u64 = 600;
/// A bundle with so many tokens is full: two of them do not fit into one.
pub(super) const FULL_TOKENS: u64 = BUNDLE_TOKENS / 2;

/// Merged bundles, not stored yet.
pub(super) struct Merged {
    pub(super) parts: Vec<MergedPart>,
    /// The bundles all of whose tokens are in them.
    pub(super) sources: Vec<String>,
}

/// One of them.
pub(super) struct MergedPart {
    pub(super) manifest: Manifest,
    pub(super) blocks: BundleBlocks,
}

impl Merged {
    /// Ids of the merged bundles.
    pub(super) fn cids(&self) -> Vec<String> {
        let roots = self.parts.iter().map(|part| part.blocks.root);
        roots.map(|root| root.to_cid_text()).collect()
    }

    /// Whether there are fewer than there were.
    pub(super) fn is_gain(&self) -> bool {
        self.parts.len() < self.sources.len()
    }
}

/// What merged bundles have to name.
#[derive(Default)]
struct Content {
    /// A manifest, and others of states of the same tokens, of which a bundle names one each.
    layers: Vec<Manifest>,
    instances: BTreeSet<ElementHash>,
}

impl Content {
    fn add(&mut self, token_id: &TokenId, row: &JoinedRow, roots: &[ElementHash]) {
        for (layer, root) in roots.iter().enumerate() {
            if self.layers.len() <= layer {
                self.layers.push(Manifest::new());
            }
            if let Some(layer) = self.layers.get_mut(layer) {
                layer.insert(token_id.clone(), *root);
            }
            let named = row.candidates.iter().filter(|one| one.root == *root);
            self.instances
                .extend(named.flat_map(|one| one.instances.iter().copied()));
        }
    }
}

impl Change<'_> {
    /// The bundles that merging would make fewer: all that count and are here, else those that are not full.
    pub(super) fn worth_merging(&self, refs: &[BundleRef]) -> Result<Vec<String>, Error> {
        let rows: BTreeMap<_, _> = self
            .wallet
            .bundle_rows(&self.snapshot)?
            .into_iter()
            .collect();
        let active = refs.iter().filter(|bundle| bundle.is_active());
        let here: Vec<_> = active
            .filter_map(|bundle| rows.get_key_value(bundle.cid()))
            .collect();
        let small = here.iter().filter(|(_, row)| row.tokens < FULL_TOKENS);
        let small: Vec<_> = small.copied().collect();
        for bundles in [here, small] {
            if bundles.len() <= CONSOLIDATE_ABOVE {
                continue;
            }
            let tags: BTreeSet<_> = bundles.iter().map(|(_, row)| row.tag()).collect();
            let parts = self.tokens_of(&tags)?.div_ceil(BUNDLE_TOKENS);
            if parts < bundles.len() as u64 {
                return Ok(bundles.into_iter().map(|(cid, _)| cid.clone()).collect());
            }
        }
        Ok(Vec::new())
    }

    /// How many tokens bundles name together.
    fn tokens_of(&self, tags: &BTreeSet<BundleTag>) -> Result<u64, Error> {
        let mut tokens = 0;
        for row in self.wallet.rows(&self.snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = JoinedRow::decode(&token_id, &row)?;
            let mut candidates = row.candidates.iter();
            let is_named = candidates.any(|one| !one.bundles.is_disjoint(tags));
            tokens += u64::from(is_named && row.is_shown());
        }
        Ok(tokens)
    }

    /// Merges the bundles that a lock names, as far as they are here.
    pub(super) fn merge(&mut self, lock: &ConsolidationLock) -> Result<Merged, Error> {
        let rows = self.wallet.bundle_rows(&self.snapshot)?.into_iter();
        let mut sources: BTreeMap<BundleTag, String> = rows
            .filter(|(cid, _)| lock.source_cids.contains(cid))
            .map(|(cid, row)| (row.tag(), cid))
            .collect();
        let envelope = Envelope::new(Timestamp::from_secs(lock.started_at.0));
        loop {
            let tags: BTreeSet<_> = sources.keys().copied().collect();
            let content = self.content_of(&tags)?;
            let (manifests, too_large) = self.plan(&content, &envelope)?;
            // What no bundle can carry stays where it is, and its bundle with it.
            let stuck = self.bundles_of(&too_large)?;
            let before = sources.len();
            sources.retain(|tag, _| !stuck.contains(tag));
            if sources.len() < before {
                continue;
            }
            let part = |manifest: Manifest| MergedPart {
                blocks: BundleBlocks::new(&envelope, &manifest),
                manifest,
            };
            return Ok(Merged {
                parts: manifests.into_iter().map(part).collect(),
                sources: sources.into_values().collect(),
            });
        }
    }

    fn plan(
        &self,
        content: &Content,
        envelope: &Envelope,
    ) -> Result<(Vec<Manifest>, Vec<TokenTooLarge>), Error> {
        let chains = chains_from_heads(&self.snapshot, &content.instances)?;
        let (mut manifests, mut too_large) = (Vec::new(), Vec::new());
        for manifest in &content.layers {
            let contents = CarContents {
                source: &self.snapshot,
                envelope,
                manifest,
                chains: &chains,
            };
            let plan = plan_cars(&contents, CarProfile::Complete, &CarLimits::REFERENCE)?;
            manifests.extend(plan.parts);
            too_large.extend(plan.too_large);
        }
        Ok((manifests, too_large))
    }

    /// The bundles that name any of some tokens.
    fn bundles_of(&self, tokens: &[TokenTooLarge]) -> Result<BTreeSet<BundleTag>, Error> {
        let mut tags = BTreeSet::new();
        for token in tokens {
            let row = self.peek(token.token_id.as_str())?.into_iter();
            let candidates = row.flat_map(|row| row.candidates);
            tags.extend(candidates.flat_map(|one| one.bundles));
        }
        Ok(tags)
    }

    fn content_of(&self, tags: &BTreeSet<BundleTag>) -> Result<Content, Error> {
        let mut content = Content::default();
        for row in self.wallet.rows(&self.snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = self.current(&token_id, JoinedRow::decode(&token_id, &row)?)?;
            let roots = self.roots_of(&token_id, &row, tags)?;
            if let Some(token_id) = TokenId::new(&token_id).filter(|_| !roots.is_empty()) {
                content.add(&token_id, &row, &roots);
            }
        }
        Ok(content)
    }

    /// The states of a token that merged bundles have to name.
    fn roots_of(
        &self,
        token_id: &str,
        row: &JoinedRow,
        tags: &BTreeSet<BundleTag>,
    ) -> Result<Vec<ElementHash>, Error> {
        if row.status == TokenStatus::Spent {
            return Ok(Vec::new());
        }
        let spent = self.spent_among(token_id, &row.candidates)?.hashes;
        let known = Known {
            spent: &spent,
            options: &self.wallet.options,
        };
        Ok(to_merge(&self.snapshot, &row.candidates, tags, &known)?)
    }

    /// Whether a bundle has whatever another has, but for what was spent.
    pub(super) fn has_all_of(&self, result: &str, source: &str) -> Result<bool, Error> {
        let (Some(result), Some(source)) = (self.bundle_row(result)?, self.bundle_row(source)?)
        else {
            return Ok(false);
        };
        let tags: BTreeSet<_> = [result.tag(), source.tag()].into();
        for token_id in self.manifest_of(&source)?.keys() {
            let Some(row) = self.peek(token_id.as_str())? else {
                return Ok(false);
            };
            let row = self.current(token_id.as_str(), row)?;
            let roots = self.roots_of(token_id.as_str(), &row, &tags)?;
            let is_in_result = |root: &ElementHash| {
                let mut named = row.candidates.iter().filter(|one| one.root == *root);
                named.any(|one| one.bundles.contains(&result.tag()))
            };
            if !roots.iter().all(is_in_result) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn bundle_row(&self, cid: &str) -> Result<Option<BundleRow>, Error> {
        let row = (self.wallet).row(&self.snapshot, WalletRowKind::Bundle, cid)?;
        row.map(|row| BundleRow::decode(cid, &row)).transpose()
    }

    pub(super) fn manifest_of(&self, row: &BundleRow) -> Result<Manifest, Error> {
        let Some(block) = self.snapshot.get(&row.manifest)? else {
            let what = "INV-WALLET-2: the manifest of a bundle is not stored";
            let cid = row.envelope.to_cid_text();
            return Err(Error::corrupted("wallets-1", cid, what));
        };
        Ok(read_manifest(block.as_ref())?)
    }
}

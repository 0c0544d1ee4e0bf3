use std::collections::BTreeSet;

use uxf_codec::ElementHash;
use uxf_codec::carriage::car::{
    BundleBlocks, CarContents, CarLimits, CarProfile, TokenTooLarge, plan_cars,
};
use uxf_codec::instance_chain::chains_from_heads;
use uxf_codec::package::{Envelope, Manifest, Timestamp, TokenId};

use super::Wallet;
use super::bundle::check_for_room;
use super::change::Change;
use crate::bundles::UnixSeconds;
use crate::error::Error;
use crate::tables::schema::WalletRowKind;
use crate::tables::wallet_rows::{BundleRow, JoinedRow};

/// What a save puts into bundles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveScope {
    /// What no bundle has. Together with the bundles there are that is everything the wallet knows, so nobody who has all
    /// of them lacks anything.
    #[default]
    Unsaved,
    /// Everything again, as for a wallet that is to be handed over in bundles of its own.
    Everything,
}

/// What a save wrote.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SaveReport {
    /// Ids of the bundles that were registered, none if there was nothing to save.
    pub bundles: Vec<String>,
    /// States of tokens they name.
    pub tokens: u64,
    /// Tokens that no bundle which other implementations read can carry. They stay on this device.
    pub too_large: Vec<TokenTooLarge>,
}

impl Wallet {
    /// Saves what no bundle has, see [`save_scope`](Self::save_scope).
    ///
    /// # Errors
    /// Those of [`save_scope`](Self::save_scope).
    pub fn save(&self) -> Result<SaveReport, Error> {
        self.save_scope(SaveScope::Unsaved)
    }

    /// Makes bundles of tokens, each within the caps of other readers, and registers them in the profile: blocks, pins,
    /// references and rows in one commit. Once it returns, the profile's next delta names them.
    ///
    /// States that contradict each other go into bundles of their own, for a bundle names one state of a token. What was
    /// spent goes into none.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if there are as many bundles as a wallet may have: consolidate them first; those of a
    /// commit.
    pub fn save_scope(&self, scope: SaveScope) -> Result<SaveReport, Error> {
        let span = tracing::debug_span!("save");
        let _entered = span.enter();
        let (report, _) = self.change(|change| change.save(scope))?;
        tracing::debug!(bundles = report.bundles.len(), "saved");
        Ok(report)
    }
}

impl Change<'_> {
    fn save(&mut self, scope: SaveScope) -> Result<SaveReport, Error> {
        let mut report = SaveReport::default();
        let (layers, instances) = self.to_save(scope)?;
        if layers.is_empty() {
            return Ok(report);
        }
        let view = self.snapshot.profile(&self.wallet.profile);
        check_for_room(&Wallet::bundle_refs(&view)?)?;
        let now = self.wallet.now_secs();
        let envelope = Envelope::new(Timestamp::from_secs(now));
        let chains = chains_from_heads(&self.snapshot, &instances)?;
        for manifest in &layers {
            let contents = CarContents {
                source: &self.snapshot,
                envelope: &envelope,
                manifest,
                chains: &chains,
            };
            let plan = plan_cars(&contents, CarProfile::Complete, &CarLimits::REFERENCE)?;
            report.too_large.extend(plan.too_large);
            for part in &plan.parts {
                let blocks = BundleBlocks::new(&envelope, part);
                let row = self.put_blocks(&blocks, part)?;
                let cid = row.envelope.to_cid_text();
                // The same tokens were saved within this second.
                if (self
                    .wallet
                    .row(&self.snapshot, WalletRowKind::Bundle, &cid)?)
                .is_none()
                {
                    report.tokens += part.len() as u64;
                    report
                        .bundles
                        .push(self.make_bundle(&row, part, UnixSeconds(now))?);
                }
            }
        }
        Ok(report)
    }

    /// What is to be saved: a manifest of the states that count, others of those that contradict them; and the newest
    /// instances that go along.
    fn to_save(&self, scope: SaveScope) -> Result<(Vec<Manifest>, Vec<ElementHash>), Error> {
        let (mut layers, mut instances) = (Vec::<Manifest>::new(), Vec::new());
        for row in self.wallet.rows(&self.snapshot, WalletRowKind::Token)? {
            let (token_id, row) = row?;
            let row = self.current(&token_id, JoinedRow::decode(&token_id, &row)?)?;
            let Some(id) = TokenId::new(&token_id).filter(|_| row.is_shown()) else {
                continue;
            };
            let is_wanted =
                |root: &ElementHash| scope == SaveScope::Everything || row.is_local(root);
            let wanted = row.to_name().into_iter().filter(is_wanted);
            for (layer, root) in wanted.enumerate() {
                if layers.len() <= layer {
                    layers.push(Manifest::new());
                }
                if let Some(layer) = layers.get_mut(layer) {
                    layer.insert(id.clone(), root);
                }
                let named = row.candidates.iter().filter(|one| one.root == root);
                instances.extend(named.flat_map(|one| one.instances.iter().copied()));
            }
        }
        Ok((layers, instances))
    }

    pub(super) fn put_blocks(
        &mut self,
        blocks: &BundleBlocks,
        part: &Manifest,
    ) -> Result<BundleRow, Error> {
        let mut instances = BTreeSet::new();
        for (token_id, root) in part {
            let row = self.peek(token_id.as_str())?;
            let candidates = row.into_iter().flat_map(|row| row.candidates);
            let named = candidates.filter(|one| one.root == *root);
            instances.extend(named.flat_map(|one| one.instances));
        }
        Ok(BundleRow {
            envelope: self.batch.put_opaque(&blocks.envelope)?,
            manifest: self.batch.put_opaque(&blocks.manifest)?,
            tokens: part.len() as u64,
            instances: instances.into_iter().collect(),
        })
    }
}

impl SaveReport {
    /// Whether there was nothing to save.
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty() && self.too_large.is_empty()
    }
}

use super::bundle::{BundleBlocks, check_exportable};
use super::export::{CarContents, CarProfile, write_car};
use super::limits::CarLimits;
use super::walk::Walk;
use super::writer::section_bytes;
use crate::element::{ElementHash, ElementSource};
use crate::error::Error;
use crate::package::{Envelope, Manifest, Package, TokenId};

/// How an export is cut into archives that each keep to the caps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CarPlan {
    /// The manifest of each archive, tokens in their order. Empty only if there is no token at all or none fits.
    pub parts: Vec<Manifest>,
    /// Tokens that pass a cap alone, so that no archive within the caps can carry them.
    pub too_large: Vec<TokenTooLarge>,
}

/// A token that no archive within the caps can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTooLarge {
    /// Which one.
    pub token_id: TokenId,
    /// The cap it passes.
    pub what: &'static str,
    /// That cap.
    pub limit: u64,
    /// What the token needs alone.
    pub found: u64,
}

impl Package {
    /// The package as one archive if the reference can read it, else as several that it can read, each with this
    /// package's envelope and a part of its tokens in their order.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if a token passes a cap alone ([`plan_cars`] tells which one, and plans the rest); those
    /// of [`Package::to_car`].
    pub fn to_cars(&self, profile: CarProfile) -> Result<Vec<Vec<u8>>, Error> {
        let contents = self.car_contents();
        let plan = plan_cars(&contents, profile, &CarLimits::REFERENCE)?;
        if let Some(token) = plan.too_large.first() {
            return Err(Error::LimitExceeded {
                what: token.what,
                limit: token.limit,
                found: token.found,
            });
        }
        if plan.parts.is_empty() {
            return Ok(vec![self.to_car(profile)?]);
        }
        let parts = plan.parts.iter().map(|manifest| {
            let mut car = Vec::new();
            let part = CarContents {
                manifest,
                ..contents
            };
            write_car(&part, profile, &mut car).map(|_| car)
        });
        parts.collect()
    }
}

/// Plans archives that each keep to the caps, filling one after the other in the order of the manifest.
///
/// Elements that tokens share are written once per archive, so they count once per archive.
///
/// # Errors
/// Those of [`write_car`] for roots that cannot be exported; those of the source.
pub fn plan_cars<S: ElementSource>(
    contents: &CarContents<'_, S>,
    profile: CarProfile,
    limits: &CarLimits,
) -> Result<CarPlan, Error> {
    check_exportable(contents.source, contents.manifest)?;
    let mut walk = Walk::new(contents.source, contents.chains, profile);
    let mut plan = CarPlan::default();
    let empty = Load::empty(contents.envelope);
    let (mut part, mut load) = (Manifest::new(), empty);
    for (token_id, root) in contents.manifest {
        let mark = walk.mark();
        let mut grown = load.with_token(&mut walk, token_id, *root)?;
        if grown.excess(limits).is_some() && !part.is_empty() {
            walk.rewind(mark);
            plan.parts.push(core::mem::take(&mut part));
            walk.restart();
            load = empty;
            grown = load.with_token(&mut walk, token_id, *root)?;
        }
        if let Some((what, limit, found)) = grown.excess(limits) {
            walk.restart();
            load = empty;
            plan.too_large.push(TokenTooLarge {
                token_id: token_id.clone(),
                what,
                limit,
                found,
            });
            continue;
        }
        load = grown;
        part.insert(token_id.clone(), *root);
    }
    if !part.is_empty() {
        plan.parts.push(part);
    }
    Ok(plan)
}

/// How full an archive is.
#[derive(Clone, Copy, Debug)]
struct Load {
    tokens: u64,
    /// Bytes of the entries of the manifest, its heads not counted.
    manifest_bytes: u64,
    envelope_bytes: u64,
    elements: u64,
    /// Bytes of the element sections.
    element_bytes: u64,
    largest_block: u64,
}

/// A link: tag, head, zero byte, CID.
const LINK_BYTES: u64 = 41;
/// The header of an archive.
const HEADER_BYTES: u64 = 59;

impl Load {
    fn empty(envelope: &Envelope) -> Self {
        let envelope_bytes = BundleBlocks::new(envelope, &Manifest::new()).envelope.len() as u64;
        Self {
            tokens: 0,
            manifest_bytes: 0,
            envelope_bytes,
            elements: 0,
            element_bytes: 0,
            largest_block: envelope_bytes,
        }
    }

    /// This load and a token: what of it the archive does not have yet.
    fn with_token<S: ElementSource>(
        mut self,
        walk: &mut Walk<'_, S>,
        token_id: &TokenId,
        root: ElementHash,
    ) -> Result<Self, Error> {
        self.tokens += 1;
        // Ids have 64 to 68 characters, so their heads take two bytes.
        self.manifest_bytes += 2 + token_id.as_str().len() as u64 + LINK_BYTES;
        walk.enter(root);
        while let Some((_, bytes)) = walk.step_extra()? {
            let len = bytes.as_ref().len();
            self.elements += 1;
            self.element_bytes += section_bytes(len);
            self.largest_block = self.largest_block.max(len as u64);
        }
        Ok(self)
    }

    /// The first cap this load passes: what, how much is allowed, how much there is.
    fn excess(&self, limits: &CarLimits) -> Option<(&'static str, u64, u64)> {
        let tokens_head = match self.tokens {
            0..24 => 1,
            24..0x100 => 2,
            0x100..0x1_0000 => 3,
            _ => 5,
        };
        let manifest = 1 + 7 + tokens_head + self.manifest_bytes;
        let block_bytes = |len: u64| section_bytes(usize::try_from(len).unwrap_or(usize::MAX));
        let bytes = HEADER_BYTES
            + block_bytes(self.envelope_bytes)
            + block_bytes(manifest)
            + self.element_bytes;
        [
            (
                "bytes of a block",
                limits.block_bytes_max as u64,
                self.largest_block.max(manifest),
            ),
            (
                "blocks of a CAR",
                limits.blocks_max as u64,
                self.elements + 2,
            ),
            ("bytes of a CAR", limits.bytes_max, bytes),
        ]
        .into_iter()
        .find(|(_, limit, found)| found > limit)
    }
}

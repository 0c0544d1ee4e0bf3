//! Tokens, and bundles of them, made ready before the clock starts.

use uxf_codec::carriage::car::{BundleBlocks, CarProfile};
use uxf_codec::package::{Package, Timestamp};
use uxf_codec::token::StateIndex;
use uxf_testkit::Wallet;

use crate::Outcome;

/// So many tokens of the synthetic wallet, from the one numbered `first` on, of `total`.
pub(super) fn tokens(total: usize, first: usize, count: usize) -> Vec<String> {
    Wallet::new(total as u64).skip(first).take(count).collect()
}

/// A bundle, and the archive it comes in.
pub(super) struct Bundle {
    pub(super) package: Package,
    pub(super) cid: String,
    pub(super) car: Vec<u8>,
}

impl Bundle {
    /// The bundle of some tokens.
    pub(super) fn of<T: AsRef<[u8]>>(tokens: &[T]) -> Outcome<Self> {
        let mut package = Package::default();
        let tokens = tokens.iter().map(AsRef::as_ref);
        package.ingest_all(tokens, Timestamp::from_secs(1))?;
        let blocks = BundleBlocks::new(package.envelope(), package.manifest());
        Ok(Self {
            cid: blocks.root.to_cid_text(),
            car: package.to_car(CarProfile::Complete)?,
            package,
        })
    }
}

/// Tokens in bundles, of at most so many.
pub(super) fn bundles(tokens: &[String], most: usize) -> Outcome<Vec<Bundle>> {
    tokens.chunks(most).map(Bundle::of).collect()
}

/// Tokens as one JSON array.
pub(super) fn array(tokens: &[String]) -> Vec<u8> {
    format!("[{}]", tokens.join(",")).into_bytes()
}

/// The tokens with the last transfer of each left out; those without transfers stay as they are.
pub(super) fn one_transfer_back(tokens: &[String]) -> Outcome<Vec<String>> {
    let older = tokens.iter().map(|token| {
        let bundle = Bundle::of(&[token])?;
        let (id, _) = bundle.package.manifest().iter().next().ok_or("no token")?;
        let transfers = bundle.package.transaction_count(id.as_str())?;
        let Some(before) = transfers.checked_sub(1) else {
            return Ok(token.clone());
        };
        let json = bundle
            .package
            .assemble_at(id.as_str(), StateIndex::At(before))?;
        Ok(String::from_utf8(json)?)
    });
    older.collect()
}

//! Bundles that profiles name: their blocks are fetched, and wallets take them in.

use std::collections::BTreeSet;

use uxf_codec::ElementHash;
use uxf_engine::bundles::{BundleStatus, parse_cid};
use uxf_engine::profile::Profile;
use uxf_engine::wallet::Wallet;
use uxf_engine::{Error, Import};

/// The codec of envelopes in ids; what old wallets named by the hash of a whole archive cannot be fetched block by block.
const DAG_CBOR: u64 = 0x71;

/// What a profile names, as far as it can be fetched block by block.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Bundles that are here with all below them.
    pub(super) here: BTreeSet<ElementHash>,
    /// Bundles that are not.
    pub(super) wanted: Vec<ElementHash>,
}

impl Survey {
    /// Has the wallets take in what is here, and looks what is not.
    pub(super) fn make(profile: &Profile, wallets: &[Wallet]) -> Result<Self, Error> {
        for wallet in wallets {
            wallet.sync()?;
        }
        let (mut survey, snapshot) = (Self::default(), profile.engine().snapshot()?);
        for bundle in profile.bundles()?.refs {
            if bundle.status() == BundleStatus::Superseded {
                continue;
            }
            let Some(root) = root_of(bundle.cid()) else {
                continue;
            };
            // A root is stored last of all that it leads to.
            if snapshot.get(&root)?.is_some() {
                survey.here.insert(root);
            } else {
                survey.wanted.push(root);
            }
        }
        Ok(survey)
    }
}

/// The block that an id names, if it is an envelope.
fn root_of(cid: &str) -> Option<ElementHash> {
    let cid = parse_cid(cid).ok()?;
    (cid.codec() == DAG_CBOR).then(|| ElementHash::from_cid(&cid).ok())?
}

/// What the loop knows of the bundles of a profile.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    pub(super) wallets: Vec<Wallet>,
    /// What was here when it was last looked.
    pub(super) here: BTreeSet<ElementHash>,
    /// How many were not.
    pub(super) missing: usize,
    /// Whether somebody looks, and whether somebody has to look again then.
    is_looking: bool,
    is_stale: bool,
    /// Keeps what was fetched until wallets have it.
    import: Option<Import>,
}

impl Bundles {
    /// Something may have changed; says whether to look now.
    pub(super) const fn stir(&mut self) -> bool {
        self.is_stale = self.is_looking;
        !core::mem::replace(&mut self.is_looking, true)
    }

    /// Somebody has looked; says whether to look again at once.
    pub(super) fn looked(&mut self, survey: Option<&Survey>, profile: &Profile) -> bool {
        if let Some(survey) = survey {
            self.here.clone_from(&survey.here);
            self.missing = survey.wanted.len();
            if survey.wanted.is_empty() {
                self.import = None;
            } else if self.import.is_none() {
                self.import = Some(profile.engine().begin_import());
            }
        }
        self.is_looking = core::mem::take(&mut self.is_stale);
        self.is_looking
    }

    pub(super) const fn is_looking(&self) -> bool {
        self.is_looking
    }
}

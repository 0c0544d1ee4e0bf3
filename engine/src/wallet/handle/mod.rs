//! An open wallet: what an application calls.
//!
//! Ground state is what the profile says (references to bundles, spent states), the blocks of bundles, and the states that
//! only this device knows. From it follows, for each token, a **joined row** in `wallets-1`: every state that somebody
//! named, which of them counts, and why. A change reads the rows of the tokens it names, works out what they come to,
//! and commits rows, pins, references and the inventory together.
//!
//! Working out happens on the caller's thread, because it reads transactions and may ask the application; the writer
//! only compares. Every row written says what it was when it was read, and every state that is taken for alive that it
//! was not spent: if one of them differs by then, nothing of the batch is applied and the change is worked out again.

mod ahead;
mod archived;
mod bundle;
mod change;
mod consolidate;
mod derived;
mod history;
mod holdings;
mod import;
mod join;
mod merged;
mod names;
mod noted;
mod read;
mod rules;
mod save;
mod spend;
mod staged;
mod sync;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::bundle::BundleTaken;
pub use self::consolidate::{
    Consolidation, ConsolidationReport, ConsolidationStep, RecoveryReport,
};
pub use self::derived::{
    Balance, HistoryEntry, InvoiceEntry, InvoiceState, SentToken, SpentState, WalletViews,
};
pub use self::import::{WalletImportOptions, WalletImportReport};
pub use self::names::wallet_of_inventory;
pub use self::read::{TokenEntry, TokenStatus, WalletStatus, WalletTokens};
pub use self::rules::{OwnerPredicate, ProofVerifier, SpentOracle, WalletOptions};
pub use self::save::{SaveReport, SaveScope};
pub use self::spend::OracleReport;
pub use self::sync::{SyncReport, WaitingBundle};

use crate::engine::Engine;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::profile::keys::AddressId;
use crate::profile::merge::SpentSet;
use crate::profile::{Profile, ProfileError, ValueVersion, Watch};

/// The tokens of one address of a profile. Cheap to clone.
///
/// ```
/// use uxf_engine::profile::keys::AddressId;
/// use uxf_engine::profile::sealed::WalletSecret;
/// use uxf_engine::wallet::{WalletImportOptions, WalletOptions};
/// use uxf_engine::{Engine, EngineOptions};
///
/// let secret = WalletSecret::take(&mut [7; 32]);
/// let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
/// let file = std::fs::read("../samples/genuine-tokens.json").unwrap();
///
/// let phone = Engine::in_memory(EngineOptions::new()).unwrap();
/// let profile = phone.profile(&secret, "phone").unwrap();
/// let wallet = phone.wallet(&profile, &address, WalletOptions::new()).unwrap();
/// wallet.import(&file, &WalletImportOptions::new()).unwrap();
/// assert_eq!(wallet.status().unwrap().tokens(), 7);
/// let saved = wallet.save().unwrap();
/// assert_eq!((saved.bundles.len(), saved.tokens), (1, 7));
/// ```
#[derive(Clone, Debug)]
pub struct Wallet {
    profile: Profile,
    address: AddressId,
    inventory: Inventory,
    options: Arc<WalletOptions>,
    spent: Arc<Mutex<ReadSpent>>,
    /// Tells what was noted as spent since every token was last compared with that. `None` while that is being done,
    /// and if it was not done to the end.
    hidden: Arc<Mutex<Option<Watch>>>,
    derived: derived::SharedDerived,
}

/// The reference's list of spent states as it was read last. Reading it takes as long as it is, and nothing here
/// changes it.
#[derive(Debug, Default)]
struct ReadSpent {
    version: Option<ValueVersion>,
    listed: Arc<SpentSet>,
}

/// What a change did to the tokens that a wallet shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalletCounts {
    /// Tokens it did not show before.
    pub added: u64,
    /// Tokens it does not show any more.
    pub removed: u64,
    /// Tokens of which it knows more, or something else.
    pub changed: u64,
}

impl WalletCounts {
    const fn add(&mut self, other: Self) {
        self.added += other.added;
        self.removed += other.removed;
        self.changed += other.changed;
    }
}

impl Engine {
    /// The wallet of an address. Its inventory is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Profile`] with [`ProfileError::NotFound`] if the profile is of another store; those of
    /// [`Engine::inventory`].
    pub fn wallet(
        &self,
        profile: &Profile,
        address: &AddressId,
        options: WalletOptions,
    ) -> Result<Wallet, Error> {
        if !Arc::ptr_eq(profile.engine().shared(), self.shared()) {
            return Err(ProfileError::NotFound.into());
        }
        let name = match &options.inventory {
            Some(name) => name.clone(),
            None => default_inventory(profile, address),
        };
        Ok(Wallet {
            inventory: self.inventory(&name)?,
            profile: profile.clone(),
            address: address.clone(),
            options: Arc::new(options),
            spent: Arc::default(),
            hidden: Arc::default(),
            derived: Arc::default(),
        })
    }
}

/// Two profiles of a store may have addresses with one id, which keeps 12 digits of each.
fn default_inventory(profile: &Profile, address: &AddressId) -> String {
    let id = const_hex::encode(profile.id().as_bytes());
    format!("wallet/{id}/{address}")
}

impl Wallet {
    /// The inventory that has its tokens: for putting them together and exporting them. Tokens are put in and taken out
    /// through the wallet alone.
    pub const fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The profile it belongs to.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The address whose tokens these are.
    pub const fn address(&self) -> &AddressId {
        &self.address
    }

    /// The store it is part of.
    pub const fn engine(&self) -> &Engine {
        self.profile.engine()
    }

    /// What was read of the list of spent states. Whoever panics with it in hand leaves it whole.
    fn spent_memory(&self) -> MutexGuard<'_, ReadSpent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_secs(&self) -> u64 {
        self.engine().shared().options.clock.unix_millis() / 1_000
    }
}

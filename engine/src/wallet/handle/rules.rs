use core::fmt;
use std::sync::Arc;

use uxf_codec::package::ProofToVerify;

use crate::bundles::consolidation::Retention;
use crate::wallet::TxfToken;

/// Says whether an inclusion proof proves what it claims. Called on the threads that change a wallet, so it should be
/// quick and must not call back into the store.
pub trait ProofVerifier: Send + Sync {
    /// Whether the proof is good.
    fn is_proven(&self, proof: &ProofToVerify<'_>) -> bool;
}

/// Says whether the newest state of a token is this wallet's.
pub trait OwnerPredicate: Send + Sync {
    /// Whether it is ours.
    fn is_ours(&self, token: &TxfToken<'_>) -> bool;
}

/// Knows which states were spent, as an aggregator does. Asked by [`Wallet::ask_oracle`](super::Wallet::ask_oracle) alone.
pub trait SpentOracle {
    /// Whether a state of a token was spent; `None` if that cannot be told now, which changes nothing.
    fn is_spent(&self, token_id: &str, state_hash: &str) -> Option<bool>;
}

/// What an application knows that the elements do not say, and where a wallet keeps its tokens.
#[derive(Clone, Default)]
pub struct WalletOptions {
    pub(super) inventory: Option<String>,
    pub(super) proofs: Option<Arc<dyn ProofVerifier>>,
    pub(super) owner: Option<Arc<dyn OwnerPredicate>>,
    pub(super) retention: Retention,
}

impl fmt::Debug for WalletOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalletOptions")
            .field("inventory", &self.inventory)
            .field("proofs", &self.proofs.is_some())
            .field("owner", &self.owner.is_some())
            .field("retention", &self.retention)
            .finish()
    }
}

impl WalletOptions {
    /// The answer of the structure alone, and an inventory named after profile and address.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the tokens in an inventory of this name, which should belong to nobody else.
    #[must_use]
    pub fn inventory(mut self, name: impl Into<String>) -> Self {
        self.inventory = Some(name.into());
        self
    }

    /// How long references to superseded bundles stay. Default seven days; a day at least.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Has proofs verified: a token with one that is refused is invalid, and where histories of one token differ in proofs
    /// alone, verified ones are put together.
    #[must_use]
    pub fn proof_verifier(mut self, verifier: Arc<dyn ProofVerifier>) -> Self {
        self.proofs = Some(verifier);
        self
    }

    /// Has it checked whose the tokens are: what is not ours is invalid.
    #[must_use]
    pub fn owner_predicate(mut self, predicate: Arc<dyn OwnerPredicate>) -> Self {
        self.owner = Some(predicate);
        self
    }
}

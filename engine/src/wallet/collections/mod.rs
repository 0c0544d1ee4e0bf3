//! What a wallet keeps beside its tokens, one key for each entry: transfers on their way out and done, mints and
//! finalizations under way, tokens that do not count (profile notes, sections 4, 7 and 11).
//!
//! Every change is one commit, worked out from rows whose versions it names: if somebody else writes one of them
//! meanwhile, it is worked out again. Deleting writes that a row was deleted, which other devices then know too; what was
//! deleted is forgotten after [`RETENTION_MS`] by [`Collections::purge`].

mod audit;
mod contexts;
mod edit;
mod error;
mod invalid;
mod kind;
mod manifest;
mod mints;
mod outbox;
mod purge;
mod queue;
mod recovery;
mod row;
mod sent;

use std::sync::{Arc, Mutex};

pub use self::audit::Audit;
pub use self::contexts::RecipientContexts;
pub use self::error::CollectionError;
pub use self::invalid::Invalid;
pub use self::kind::CollectionKind;
pub use self::mints::{MintOutbox, PendingMint};
pub use self::outbox::{DeliveryMethod, Outbox, OutboxDraft, TransferMode};
pub use self::purge::{PurgeReport, RETENTION_MS};
pub use self::queue::{FinalizationQueue, QueueEntry, QueueSource, QueueStatus};
pub use self::recovery::{OutboxMoved, Recovered};
pub use self::row::{Listed, UnreadableRow};
pub use self::sent::{SentEntry, SentLedger};

use self::edit::Clocks;
use super::Wallet;
use crate::error::Error;

/// The collections of a wallet.
///
/// ```
/// use uxf_engine::profile::keys::AddressId;
/// use uxf_engine::profile::merge::OutboxStatus;
/// use uxf_engine::profile::sealed::WalletSecret;
/// use uxf_engine::wallet::WalletOptions;
/// use uxf_engine::wallet::collections::{DeliveryMethod, OutboxDraft, TransferMode};
/// use uxf_engine::{Engine, EngineOptions};
///
/// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
/// let profile = engine.profile(&WalletSecret::take(&mut [7; 32]), "phone").unwrap();
/// let address = AddressId::parse("DIRECT_0d5508_b1bbbf").unwrap();
/// let wallet = engine.wallet(&profile, &address, WalletOptions::new()).unwrap();
/// let collections = wallet.collections().unwrap();
///
/// let draft = OutboxDraft::new("7f3a", "bafy", ["ab"], "DIRECT://r", "02aa")
///     .delivery(DeliveryMethod::CarOverNostr, TransferMode::Conservative);
/// collections.outbox().put(&draft).unwrap();
/// collections.outbox().advance("7f3a", OutboxStatus::Sending).unwrap();
/// // One commit: a crash leaves both or neither.
/// let (entry, sent) = collections.outbox().advance_and_record("7f3a", OutboxStatus::Delivered).unwrap();
/// assert_eq!((entry.id(), sent.id.as_str()), ("7f3a", "7f3a"));
/// ```
#[derive(Clone, Debug)]
pub struct Collections {
    wallet: Wallet,
    clocks: Arc<Mutex<Clocks>>,
    recovered: Recovered,
}

impl Wallet {
    /// The collections of the wallet. What was begun and not finished, here or on another device, is finished first: an
    /// outbox of the old shape is moved, and promotions go on.
    ///
    /// # Errors
    /// Those of reading and of a commit.
    pub fn collections(&self) -> Result<Collections, Error> {
        let mut collections = Collections {
            wallet: self.clone(),
            clocks: Arc::default(),
            recovered: Recovered::default(),
        };
        collections.recovered = collections.recover()?;
        Ok(collections)
    }
}

impl Collections {
    /// The wallet they are of.
    pub const fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// What was finished when they were opened.
    pub const fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Transfers on their way out.
    pub const fn outbox(&self) -> Outbox<'_> {
        Outbox(self)
    }

    /// Transfers that left.
    pub const fn sent(&self) -> SentLedger<'_> {
        SentLedger(self)
    }

    /// Mints under way.
    pub const fn mints(&self) -> MintOutbox<'_> {
        MintOutbox(self)
    }

    /// Finalizations under way.
    pub const fn queue(&self) -> FinalizationQueue<'_> {
        FinalizationQueue(self)
    }

    /// What a recipient needs to go on after a crash.
    pub const fn contexts(&self) -> RecipientContexts<'_> {
        RecipientContexts(self)
    }

    /// Tokens that cannot count.
    pub const fn invalid(&self) -> Invalid<'_> {
        Invalid(self)
    }

    /// Tokens that do not count and may.
    pub const fn audit(&self) -> Audit<'_> {
        Audit(self)
    }

    fn now_ms(&self) -> u64 {
        self.wallet.engine().shared().options.clock.unix_millis()
    }
}

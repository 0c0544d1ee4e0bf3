use core::time::Duration;

use cid::Cid;
use thiserror::Error;

use super::bundle::Bundle;
use super::error::BulkError;
use super::fetch::get_missing;
use super::patience::Patience;
use super::stage::Stage;
use super::store::{BulkStore, PinState};

/// The proof that a bundle was read back whole from a store that is elsewhere and pins it. Only [`check_durable`]
/// makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    store: String,
    root: Cid,
    blocks: usize,
    bytes: u64,
}

impl Durable {
    /// The store that has it.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// The bundle.
    pub const fn root(&self) -> &Cid {
        &self.root
    }

    /// Blocks that were read back.
    pub const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Their bytes.
    pub const fn byte_len(&self) -> u64 {
        self.bytes
    }
}

/// Why what is on this device was not given up, or what giving it up failed with.
#[derive(Debug, Error)]
pub enum ReleaseError<E> {
    /// Nothing was given up: the bundle is not durable elsewhere.
    #[error("nothing was given up here: the bundle could not be read back from elsewhere")]
    NotDurable(#[source] BulkError),
    /// It is durable elsewhere, but giving it up here failed.
    #[error("the bundle is safe elsewhere, but could not be given up here")]
    GiveUp(#[source] E),
}

/// Reads all of a bundle back from a store that is elsewhere, see [`check_stored`]. What is in memory or in the
/// local store is not looked at.
///
/// # Errors
/// [`BulkError::Unsupported`] for a store on this device; those of [`check_stored`].
pub fn check_durable(store: &dyn BulkStore, bundle: &Bundle<'_>) -> Result<Durable, BulkError> {
    if !store.is_elsewhere() {
        let operation = "survive the loss of this device";
        return Err(BulkError::unsupported(store.name(), operation));
    }
    check_stored(store, bundle)?;
    Ok(Durable {
        store: store.name().to_owned(),
        root: *bundle.root(),
        blocks: bundle.blocks().len(),
        bytes: bundle.byte_len(),
    })
}

/// Reads all of a bundle back from a store, wherever it is, and asks what keeps it there: the root, and each block
/// that no link leads to, must have a pin of its own. What was sent is not believed to be stored.
///
/// # Errors
/// [`BulkError::NotFound`], [`BulkError::NotPinned`], [`BulkError::Incomplete`]; [`BulkError::Unsupported`] for a
/// store that does not tell what it pins; those of reading.
pub fn check_stored(store: &dyn BulkStore, bundle: &Bundle<'_>) -> Result<(), BulkError> {
    let mut stage = Stage::new(bundle.root(), *bundle.limits())?;
    for cid in core::iter::once(bundle.root()).chain(bundle.tops()) {
        check_pinned(store, cid)?;
        stage.want(cid)?;
    }
    store.get_bundle(&mut stage)?;
    get_missing(store, &mut stage, || false)?;
    let staged = stage.finish()?;
    let is_lost = |cid: &&Cid| staged.block(cid).is_none();
    let mut lost = bundle
        .blocks()
        .iter()
        .map(|block| &block.cid)
        .filter(is_lost);
    match lost.next() {
        None => Ok(()),
        Some(first) => Err(BulkError::Incomplete {
            root: Box::new(*bundle.root()),
            missing: 1 + lost.count(),
            first: Box::new(*first),
        }),
    }
}

fn check_pinned(store: &dyn BulkStore, cid: &Cid) -> Result<(), BulkError> {
    const RAW: u64 = 0x55;
    let presence = store.presence(cid)?;
    if !presence.stored {
        return Err(BulkError::not_found(store.name(), cid));
    }
    match presence.pin {
        Some(PinState::Recursive) => Ok(()),
        // A raw block links to nothing, so that a pin of it alone is a pin of all.
        Some(PinState::Direct) if cid.codec() == RAW => Ok(()),
        Some(_) => Err(BulkError::NotPinned {
            store: store.name().to_owned(),
            cid: Box::new(*cid),
        }),
        None => Err(BulkError::unsupported(store.name(), "tell what it keeps")),
    }
}

/// Checks until the bundle is durable or the time is over: at once, after 500 ms, and after twice as long each
/// time, up to 5 s. A store may take a while to see what it was given.
///
/// # Errors
/// The last of [`check_durable`], when the time is over or more of it is of no use.
pub fn await_durable(
    store: &dyn BulkStore,
    bundle: &Bundle<'_>,
    patience: &Patience,
    time: Duration,
) -> Result<Durable, BulkError> {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(5);
    let deadline = patience.now() + time;
    let mut delay = FIRST;
    loop {
        let error = match check_durable(store, bundle) {
            Ok(durable) => return Ok(durable),
            Err(error) => error,
        };
        let may_come = match &error {
            BulkError::NotFound { .. }
            | BulkError::NotPinned { .. }
            | BulkError::Incomplete { .. } => true,
            error => error.retry_class().is_transient(),
        };
        if !may_come || patience.now() + delay > deadline {
            return Err(error);
        }
        patience.wait(delay);
        delay = (delay * 2).min(LONGEST);
    }
}

/// Gives up what is on this device of a bundle, but only once [`check_durable`] has read all of it back from elsewhere.
/// `give_up` is called then and only then, with the proof.
///
/// # Errors
/// [`ReleaseError::NotDurable`], and nothing was given up; [`ReleaseError::GiveUp`] with the error of `give_up`.
pub fn release_local<T, E>(
    store: &dyn BulkStore,
    bundle: &Bundle<'_>,
    give_up: impl FnOnce(&Durable) -> Result<T, E>,
) -> Result<T, ReleaseError<E>> {
    let durable = check_durable(store, bundle).map_err(ReleaseError::NotDurable)?;
    tracing::info!(store = durable.store(), root = %durable.root(), "durable elsewhere");
    give_up(&durable).map_err(ReleaseError::GiveUp)
}

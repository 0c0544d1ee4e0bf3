use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cid::Cid;

use super::error::{Attempt, BulkError, BulkErrorKind};
use super::limits::BulkLimits;
use super::parallel;
use super::patience::Patience;
use super::stage::{Stage, StagedBundle};
use super::store::BulkStore;

/// How a bundle is fetched.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    limits: BulkLimits,
    patience: Patience,
    also: Vec<Cid>,
}

impl FetchOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the bundle may hold and how long it may take. Default [`BulkLimits::REFERENCE`].
    #[must_use]
    pub const fn limits(mut self, limits: BulkLimits) -> Self {
        self.limits = limits;
        self
    }

    /// After which delays stores that failed for the moment are asked again. Default: three times.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Blocks that the caller knows to belong to it though nothing in it names them, as newer instances do: without
    /// these it is not whole.
    #[must_use]
    pub fn also(mut self, also: impl Into<Vec<Cid>>) -> Self {
        self.also = also.into();
        self
    }
}

/// A bundle that was fetched.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// All of it.
    pub bundle: StagedBundle,
    /// How stores failed before it was whole.
    pub failed: Vec<Attempt>,
}

/// How a store has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not asked yet, or silent when it was.
    Open,
    /// It answered; it may have single blocks.
    Answers,
    /// It lied or is broken, and is not asked again in this call.
    Out,
}

/// Fetches a bundle from whichever of the stores have it, asked in their order: first each for all of it, then for
/// single blocks that are still missing, some at a time. A store that lies, answers with a page or passes a limit
/// is not asked again; one that failed for the moment is, after a pause, if nobody else has what is missing. Blocks
/// that were good are kept whoever sent them.
///
/// The first store should be [`LocalBlocks`](super::LocalBlocks): what is here need not be fetched.
///
/// # Errors
/// [`BulkError::Nobody`] with how each store failed; [`BulkError::Content`] and [`BulkError::Codec`] for an id by which
/// nothing can be checked. Then nothing has happened.
pub fn fetch_bundle(
    root: &Cid,
    stores: &[&dyn BulkStore],
    options: &FetchOptions,
) -> Result<Fetched, BulkError> {
    let span = tracing::info_span!("fetch_bundle", %root);
    let _entered = span.enter();
    let mut stage = Stage::new(root, options.limits)?;
    for cid in &options.also {
        stage.want(cid)?;
    }
    let mut fetch = Fetch {
        stage,
        stores,
        standing: vec![Standing::Open; stores.len()],
        failed: Vec::new(),
        patience: &options.patience,
        deadline: options.patience.now() + options.limits.fetch_time_total,
    };
    let mut rounds = options.patience.rounds();
    loop {
        fetch.ask_for_all();
        fetch.ask_for_missing();
        if fetch.stage.is_whole() {
            fetch.ask_for_wished();
            break;
        }
        let is_over = fetch.is_over() || !fetch.standing.contains(&Standing::Open);
        match rounds.next() {
            Some(delay) if !is_over => fetch.patience.wait(delay),
            _ => break,
        }
    }
    fetch.finish()
}

struct Fetch<'f> {
    stage: Stage,
    stores: &'f [&'f dyn BulkStore],
    standing: Vec<Standing>,
    failed: Vec<Attempt>,
    patience: &'f Patience,
    deadline: Duration,
}

/// Blocks that a store may lack of those wished for until it is asked for no more of them.
const WISHES_MISSED_MAX: usize = 3;

impl Fetch<'_> {
    fn is_over(&self) -> bool {
        self.patience.now() >= self.deadline
    }

    /// Asks stores that were not asked yet, or were silent, for the whole bundle.
    fn ask_for_all(&mut self) {
        for (index, store) in self.stores.iter().enumerate() {
            if self.stage.is_whole() || self.is_over() {
                return;
            }
            if self.standing.get(index) == Some(&Standing::Open) {
                let result = store.get_bundle(&mut self.stage);
                self.stage.drop_unnamed();
                self.judge(index, result);
            }
        }
    }

    /// Asks stores that answered for the blocks that are missing.
    fn ask_for_missing(&mut self) {
        for (index, store) in self.stores.iter().enumerate() {
            if self.standing.get(index) == Some(&Standing::Answers) && !self.stage.is_whole() {
                let is_over = || self.patience.now() >= self.deadline;
                let result = get_missing(*store, &mut self.stage, is_over);
                self.judge(index, result);
            }
        }
    }

    /// Asks for what is good to have. It must not cost much: mostly nobody has it.
    fn ask_for_wished(&mut self) {
        let mut asked = BTreeSet::new();
        let missed: Vec<_> = self.stores.iter().map(|_| AtomicUsize::new(0)).collect();
        loop {
            let wished: Vec<Cid> = self.stage.wished().copied().collect();
            let fresh: Vec<Cid> = wished
                .into_iter()
                .filter(|cid| asked.insert(*cid))
                .collect();
            if fresh.is_empty() {
                return;
            }
            let width = self.stage.limits().width();
            let stage = Mutex::new(&mut self.stage);
            let answering = self.stores.iter().zip(&self.standing).zip(&missed);
            let answering: Vec<_> = answering
                .filter(|((_, standing), _)| **standing != Standing::Out)
                .map(|((store, _), missed)| (store, missed))
                .collect();
            let find = |cid: &Cid| {
                for (store, missed) in &answering {
                    let is_over = self.patience.now() >= self.deadline;
                    if is_over || missed.load(Ordering::Relaxed) >= WISHES_MISSED_MAX {
                        continue;
                    }
                    let found = store.get_block(cid);
                    if found.is_ok_and(|bytes| offer(&stage, cid, &bytes).is_ok()) {
                        return Ok(());
                    }
                    missed.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), core::convert::Infallible>(())
            };
            let Ok(()) = parallel::for_each(&fresh, width, find);
        }
    }

    fn judge(&mut self, index: usize, result: Result<(), BulkError>) {
        let Err(error) = result else {
            self.set(index, Standing::Answers);
            return;
        };
        let standing = match (error.kind(), &error) {
            // What does not give archives may give blocks.
            (_, BulkError::NotFound { .. } | BulkError::Refused { status: 501, .. }) => {
                Standing::Answers
            }
            (BulkErrorKind::Operator, BulkError::Refused { .. }) => Standing::Answers,
            (BulkErrorKind::Transient, _) => Standing::Open,
            _ => Standing::Out,
        };
        self.set(index, standing);
        if let Some(store) = self.stores.get(index) {
            tracing::debug!(store = store.name(), %error, "did not give all of the bundle");
            self.failed.push(Attempt {
                store: store.name().to_owned(),
                error,
            });
        }
    }

    fn set(&mut self, index: usize, standing: Standing) {
        if let Some(slot) = self.standing.get_mut(index) {
            *slot = standing;
        }
    }

    fn finish(mut self) -> Result<Fetched, BulkError> {
        let root = *self.stage.root();
        if !self.stage.is_whole() && self.is_over() {
            let limit = self.stage.limits().fetch_time_total;
            self.failed.push(Attempt {
                store: "all stores".to_owned(),
                error: timed_out("fetching", limit),
            });
        }
        match self.stage.finish() {
            Ok(bundle) => Ok(Fetched {
                bundle,
                failed: self.failed,
            }),
            Err(error) => {
                self.failed.push(Attempt {
                    store: "all stores".to_owned(),
                    error,
                });
                Err(BulkError::Nobody {
                    root: Box::new(root),
                    tried: self.failed,
                })
            }
        }
    }
}

pub(super) fn timed_out(store: &str, limit: Duration) -> BulkError {
    BulkError::TimedOut {
        store: store.to_owned(),
        limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Asks a store for the blocks that a stage lacks, some at a time, until it lacks none or the time is over.
pub(super) fn get_missing(
    store: &dyn BulkStore,
    stage: &mut Stage,
    is_over: impl Fn() -> bool + Sync,
) -> Result<(), BulkError> {
    let width = stage.limits().width();
    loop {
        let missing: Vec<Cid> = stage.missing().copied().collect();
        if missing.is_empty() || is_over() {
            return Ok(());
        }
        let stage = Mutex::new(&mut *stage);
        parallel::for_each(&missing, width, |cid| {
            if is_over() {
                return Ok(());
            }
            offer(&stage, cid, &store.get_block(cid)?)
        })?;
    }
}

pub(super) fn offer(stage: &Mutex<&mut Stage>, cid: &Cid, bytes: &[u8]) -> Result<(), BulkError> {
    // A stage holds only checked blocks at any moment, so one that a panic let go of is as good as any.
    let mut stage = stage
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    stage.offer(cid, bytes)
}

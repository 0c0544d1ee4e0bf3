//! Merging many bundles into one (profile notes, section 5.6): when, by whom, and what a crash leaves to do.
//!
//! One run: [`begin`] says whether, and gives the [`ConsolidationLock`] to write. After [`SETTLE_S`] the lock is read back,
//! and whoever finds another's stops ([`ConsolidationLock::is_same_run`]). Sources are fetched and merged, the merged bundle
//! is pinned, and **the lock names the result and what was merged into it** ([`ConsolidationLock::with_result`]) before
//! anything is registered. Then the result is registered, [`supersede`] retires what was merged, and the lock goes.
//! After a crash [`recover`] says what is left to do. Later [`expired`] says which references may go.
//!
//! In the reference the lock does not say what came of the run, so that after a crash it takes any newer bundle, as one
//! that another device just added, for the result, and retires sources of which nothing has the tokens.

mod decide;
mod lock;
mod recover;
mod retention;

pub use decide::{
    ACTIVE_MAX, Begin, CONSOLIDATE_ABOVE, TooManyBundles, begin, check_room, is_needed, supersede,
};
pub use lock::{ConsolidationLock, LOCK_KEY, LOCK_SOURCES_MAX, LOCK_TTL_S, LockResult, SETTLE_S};
pub use recover::{Recovery, is_registered, recover};
pub use retention::{RETENTION_DEFAULT_S, RETENTION_MIN_S, Retention, RetentionTooShort, expired};

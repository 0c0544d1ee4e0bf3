//! Whether a store is what it says it is.
//!
//! The check works on one snapshot that the writer hands out between two commits, together with the totals it holds in
//! memory: all of it belongs to one moment, and writing goes on meanwhile. Nothing that is derived is trusted. Counts
//! are recounted from the elements' bytes and the token rows, the index is compared with the rows both ways, and both
//! the totals on disk and those in memory with what was counted. Nothing is repaired.
//!
//! Memory: about 26 bytes an element (20 for an index of its own, 4 for the recount, 1 for the stored count, 1 bit).

mod check;
mod index;
mod profiles;
mod stored;
mod wallets;

use core::fmt;

use self::check::Check;
pub(crate) use self::stored::StoredCounts;
use crate::engine::{Engine, ReadOnlyEngine};
use crate::error::Error;

/// Problems listed at most; beyond it the report is cut short.
const PROBLEMS_MAX: usize = 1_000;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityProgress {
    /// What is being checked: `counts`, `elements`, `links`, `tokens`, `wallets`, `references` or `index`, in this order.
    pub phase: &'static str,
    /// Rows done in this phase.
    pub done: u64,
    /// Rows of this phase, about.
    pub total: u64,
}

/// What a check found. See [`Engine::check_integrity`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntegrityReport {
    /// Elements read.
    pub elements: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Tokens of all inventories.
    pub tokens: u64,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Whether there may be more problems than are listed: there were over 1,000, or part of the file cannot be read.
    pub is_cut_short: bool,
}

impl IntegrityReport {
    /// Whether everything was checked and nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && !self.is_cut_short
    }

    fn add(&mut self, table: &'static str, key: impl fmt::Display, what: impl Into<String>) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.is_cut_short = true;
            return;
        }
        self.problems.push(Problem {
            table,
            key: key.to_string(),
            what: what.into(),
        });
    }

    /// Damage is a finding; any other failure ends the check.
    fn absorb(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Corrupted { table, key, reason } => {
                self.add(table, key, reason);
                Ok(())
            }
            other => Err(other),
        }
    }
}

/// One thing that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The table, `database` where the file itself is damaged, `memory` where only the open store is wrong.
    pub table: &'static str,
    /// The row.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.table, self.key, self.what)
    }
}

impl Engine {
    /// Checks everything there is to check, on one state of the store, while reading and writing go on. It reads every
    /// element twice and needs about 26 bytes of memory for each. After a failed commit only what is on disk is checked.
    ///
    /// ```
    /// use uxf_engine::{Engine, EngineOptions};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let report = engine.check_integrity(&mut |_| ()).unwrap();
    /// assert!(report.is_clean());
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`]. Damage is no error: it is in the report.
    pub fn check_integrity(
        &self,
        progress: &mut dyn FnMut(IntegrityProgress),
    ) -> Result<IntegrityReport, Error> {
        let (snapshot, state) = self.view()?;
        Check::new(&snapshot, progress).run(state.as_ref())
    }
}

impl ReadOnlyEngine {
    /// Checks everything there is to check, see [`Engine::check_integrity`].
    ///
    /// # Errors
    /// [`Error::Io`]. Damage is no error: it is in the report.
    pub fn check_integrity(
        &self,
        progress: &mut dyn FnMut(IntegrityProgress),
    ) -> Result<IntegrityReport, Error> {
        let snapshot = self.snapshot()?;
        Check::new(&snapshot, progress).run(Some(&self.shared().state()))
    }
}

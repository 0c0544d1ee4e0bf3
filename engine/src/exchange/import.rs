use core::fmt;

use super::InputKind;
use super::package::import_package;
use super::report::ImportReport;
use super::tokens::import_tokens;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::options::Durability;

/// How an import is done.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub(super) threads: usize,
    pub(super) durability: Durability,
}

impl Default for ImportOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: threads.min(THREADS_MAX),
            durability: Durability::Durable,
        }
    }
}

/// More threads than this find the one writer busy.
const THREADS_MAX: usize = 8;

impl ImportOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Threads that take tokens apart. Default: one for each core, at most 8; 1 to 64.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.clamp(1, 64);
        self
    }

    /// When what was imported counts as done. Default [`Durability::Durable`]: all of it survives a power cut once
    /// the call returns.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}

/// Is told how many bytes of the input have been dealt with so far.
#[derive(Clone, Copy)]
pub struct Progress<'p>(pub(super) &'p (dyn Fn(u64) + Sync));

impl<'p> Progress<'p> {
    /// Calls a function with the bytes dealt with so far, now and then.
    pub fn new(report: &'p (dyn Fn(u64) + Sync)) -> Self {
        Self(report)
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self(&|_| ())
    }
}

impl fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress(..)")
    }
}

impl Inventory {
    /// Imports whatever bytes hold: a token, an array of tokens, UXF JSON or a CAR.
    ///
    /// A token that is there with another root is replaced, as wallets do; elements of the old one that nothing else
    /// needs are reclaimed. Where an input has a token twice, the last one counts. Tokens that cannot be taken are
    /// listed in the report, and nothing of them is stored.
    ///
    /// ```
    /// use uxf_engine::{Engine, EngineOptions, ImportOptions, Progress};
    ///
    /// let engine = Engine::in_memory(EngineOptions::new()).unwrap();
    /// let wallet = engine.inventory("main").unwrap();
    /// let file = std::fs::read("../samples/genuine-tokens.json").unwrap();
    /// let report = wallet.import(&file, &ImportOptions::new(), Progress::silent()).unwrap();
    /// assert_eq!((report.added, report.rejected.len()), (7, 0));
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownInput`] for bytes that are none of it; [`Error::Codec`] for a package that is damaged as a
    /// whole; those of [`WriteBatch::commit`](crate::WriteBatch::commit). What was committed before an error stays.
    pub fn import(
        &self,
        input: &[u8],
        options: &ImportOptions,
        progress: Progress<'_>,
    ) -> Result<ImportReport, Error> {
        let span = tracing::info_span!("import", inventory = self.name(), bytes = input.len());
        let _entered = span.enter();
        let kind = InputKind::detect(input).ok_or(Error::UnknownInput)?;
        let report = match kind {
            InputKind::Token | InputKind::TokenArray => {
                import_tokens(self, kind, input, options, &progress)?
            }
            InputKind::UxfJson => {
                let package = uxf_codec::package::Package::from_json(input)?;
                import_package(self, kind, &package, options)?
            }
            InputKind::Car => {
                let package = uxf_codec::package::Package::from_car(input)?;
                import_package(self, kind, &package, options)?
            }
        };
        (progress.0)(input.len() as u64);
        tracing::info!(
            added = report.added,
            updated = report.updated,
            unchanged = report.unchanged,
            rejected = report.rejected.len(),
            "imported"
        );
        Ok(report)
    }

    /// Imports a CAR from a stream, with the limits of the reference implementation unless others are given.
    ///
    /// # Errors
    /// Those of [`import`](Self::import).
    pub fn import_car(
        &self,
        input: impl std::io::Read,
        limits: uxf_codec::carriage::car::CarLimits,
        options: &ImportOptions,
    ) -> Result<ImportReport, Error> {
        let span = tracing::info_span!("import_car", inventory = self.name());
        let _entered = span.enter();
        let package = uxf_codec::package::Package::read_car(input, limits)?;
        import_package(self, InputKind::Car, &package, options)
    }
}

//! The engine under power cuts and failing disks.
//!
//! [`workload`] is a random life of a store: tokens and blocks come and go in two inventories, in durable and buffered
//! commits, with sweeps, flushes and reopenings between, on thresholds so small that checkpoints happen all the time.
//! [`model`] is what the store should then hold, recounted from its roots and pins. [`EngineSubject`] hands both to the
//! crash harness of `uxf-testkit`; [`faults`] lets disk calls fail instead.

pub mod faults;
mod judge;
pub mod model;
pub mod vocabulary;
pub mod workload;

use uxf_engine::Engine;
use uxf_testkit::Rng;
use uxf_testkit::crash::{CrashSubject, History};
use uxf_testkit::disk::RecordingDisk;

pub use self::judge::judge;
use self::model::Model;
use self::vocabulary::Vocabulary;
use self::workload::{Workload, options};

/// The engine as the crash harness sees it.
#[derive(Debug)]
pub struct EngineSubject {
    vocabulary: Vocabulary,
}

impl EngineSubject {
    /// The engine with a vocabulary of 12 tokens in two versions each and 60 blocks.
    ///
    /// # Errors
    /// If the codec refuses a token of the synthetic wallet.
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            vocabulary: Vocabulary::new("crash", 12, 60)?,
        })
    }

    /// The tokens and blocks it works with.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
}

/// What an error says, with its causes: they are strings to the harness.
pub(crate) fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl CrashSubject for EngineSubject {
    type State = Model;

    fn work(
        &self,
        seed: u64,
        disk: &RecordingDisk,
        history: &mut History<Model>,
    ) -> Result<(), String> {
        Workload::new(&self.vocabulary, seed)
            .run(disk, history)
            .map_err(|stopped| text(stopped.error))
    }

    fn recover(&self, disk: &RecordingDisk) -> Result<(), String> {
        let engine = Engine::open_with_backend(disk.clone(), options(&mut Rng::new(0)));
        engine.and_then(|engine| engine.close()).map_err(text)
    }

    fn check(&self, disk: &RecordingDisk, allowed: &[Model]) -> Result<(), String> {
        let engine = Engine::open_with_backend(disk.clone(), options(&mut Rng::new(0)));
        judge(&engine.map_err(text)?, &self.vocabulary, allowed)
    }
}

#[cfg(test)]
mod tests {
    use uxf_testkit::crash::{CrashOptions, cut_power};

    use super::faults::fail_calls;
    use super::*;

    #[test]
    fn the_engine_keeps_what_it_has_promised_through_power_cuts() {
        let options = CrashOptions {
            cuts: 300,
            ..CrashOptions::default()
        };
        let subject = EngineSubject::new().unwrap();
        let report = cut_power(&subject, &options, 100.., &mut |_| true);
        assert_eq!(report.failed, 0, "{:?}", report.failures.first());
        assert!(report.second_cuts > 30, "{report}");
    }

    #[test]
    fn taking_buffered_writes_for_durable_ones_is_found_out() {
        let options = CrashOptions {
            cuts: 300,
            believes_everything: true,
            ..CrashOptions::default()
        };
        let subject = EngineSubject::new().unwrap();
        let report = cut_power(&subject, &options, 1.., &mut |_| true);
        assert!(report.failed > 0, "{report}");
    }

    #[test]
    fn a_failing_disk_ends_in_a_typed_error_and_an_older_state() {
        let subject = EngineSubject::new().unwrap();
        let report = fail_calls(&subject, 5, 4);
        assert_eq!(report.failed, 0, "{:?}", report.failures.first());
        assert!(report.refused > 10, "{report}");
    }
}

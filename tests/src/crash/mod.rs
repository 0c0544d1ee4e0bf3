//! The engine under power cuts and failing disks.
//!
//! [`workload`] is a random life of a store: tokens and blocks come and go in two inventories, in durable and buffered
//! commits, with sweeps, flushes and reopenings between, on thresholds so small that checkpoints happen all the time.
//! Lives with a [`Focus`] on the profile put, merge and delete values in the same batches; commits of two other devices
//! arrive, of which one is a year ahead until the clock is set forward; the log is compacted, and given to others.
//! [`model`] is what the store should then hold, recounted from its roots, pins and operations. [`EngineSubject`] hands
//! both to the crash harness of `uxf-testkit`; [`faults`] lets disk calls fail instead. [`WalletSubject`] does the same for
//! a wallet.

pub mod faults;
mod judge;
pub mod model;
mod profile;
pub mod vocabulary;
mod wallet;
pub mod workload;

use uxf_engine::Engine;
use uxf_testkit::Rng;
use uxf_testkit::crash::{CrashSubject, History};
use uxf_testkit::disk::RecordingDisk;

pub use self::judge::judge;
use self::model::Model;
use self::vocabulary::Vocabulary;
pub use self::wallet::{WalletShown, WalletSubject};
pub use self::workload::Focus;
use self::workload::{Workload, options};

/// The engine as the crash harness sees it.
#[derive(Debug)]
pub struct EngineSubject {
    vocabulary: Vocabulary,
    focus: Focus,
}

impl EngineSubject {
    /// The engine with a vocabulary of 12 tokens in two versions each and 60 blocks; of a tenth of that beside a profile.
    ///
    /// # Errors
    /// If the codec refuses a token of the synthetic wallet, or the engine one of the values.
    pub fn new(focus: Focus) -> Result<Self, String> {
        let vocabulary = match focus {
            Focus::Tokens => Vocabulary::new("crash", 12, 60)?,
            Focus::Profile => Vocabulary::new("crash", 1, 6)?,
        };
        Ok(Self { vocabulary, focus })
    }

    /// The life of a seed.
    pub fn life(&self, seed: u64) -> Workload<'_> {
        Workload::new(&self.vocabulary, self.focus, seed)
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
        self.life(seed)
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
    use uxf_engine::oplog::CommitId;
    use uxf_testkit::crash::{CrashOptions, cut_power};

    use super::faults::fail_calls;
    use super::*;

    const ALL: [Focus; 2] = [Focus::Tokens, Focus::Profile];

    #[test]
    fn the_engine_keeps_what_it_has_promised_through_power_cuts() {
        let options = CrashOptions {
            cuts: 200,
            ..CrashOptions::default()
        };
        for focus in ALL {
            let subject = EngineSubject::new(focus).unwrap();
            let report = cut_power(&subject, &options, 100.., &mut |_| true);
            assert_eq!(report.failed, 0, "{:?}", report.failures.first());
            assert!(report.second_cuts > 20, "{report}");
        }
    }

    #[test]
    fn taking_buffered_writes_for_durable_ones_is_found_out() {
        let options = CrashOptions {
            cuts: 300,
            believes_everything: true,
            ..CrashOptions::default()
        };
        for focus in ALL {
            let subject = EngineSubject::new(focus).unwrap();
            let report = cut_power(&subject, &options, 1.., &mut |_| true);
            assert!(report.failed > 0, "{report}");
        }
    }

    #[test]
    fn a_failing_disk_ends_in_a_typed_error_and_an_older_state() {
        for focus in ALL {
            let subject = EngineSubject::new(focus).unwrap();
            let report = fail_calls(&subject, 5, 4);
            assert_eq!(report.failed, 0, "{:?}", report.failures.first());
            assert!(report.refused > 5, "{report}");
        }
    }

    #[test]
    fn a_profile_that_shows_anything_else_is_noticed() {
        type Wrong = fn(&mut profile::Shown);
        let wrong: [(Wrong, &str); 5] = [
            (|_| (), ""),
            (|shown| drop(shown.values.pop_first()), "the values"),
            (|shown| shown.reached.clear(), "the logs"),
            (|shown| shown.parked += 1, "are parked"),
            (
                |shown| {
                    let head = CommitId::from_bytes([9; 32]);
                    shown.given = shown.given.map(|given| profile::Given { head, ..given });
                },
                "forks",
            ),
        ];
        let subject = EngineSubject::new(Focus::Profile).unwrap();
        let mut noticed = [0; 5];
        for seed in 0..8 {
            let disk = RecordingDisk::new(Vec::new());
            let mut history = History::new(disk.clone(), false);
            subject.work(seed, &disk, &mut history).unwrap();
            let last = history.allowed(disk.position()).last().unwrap();
            for (number, (change, reason)) in wrong.iter().enumerate() {
                let mut state = last.clone();
                let shown = state.profile.as_mut().unwrap();
                change(shown);
                let disk = RecordingDisk::new(disk.image());
                let found = subject.check(&disk, std::slice::from_ref(&state));
                if state == *last {
                    assert_eq!(found, Ok(()), "seed {seed}");
                    noticed[number] += usize::from(number == 0);
                } else {
                    let found = found.unwrap_err();
                    assert!(found.contains(reason), "seed {seed}: {found}");
                    noticed[number] += 1;
                }
            }
        }
        assert!(noticed.iter().all(|times| *times > 0), "{noticed:?}");
    }
}

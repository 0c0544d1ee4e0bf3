//! A disk of which one call fails.
//!
//! Whatever fails, and whenever: the engine answers with a typed error and does not panic; after a failed write, sync
//! or change of length it takes no more writes; and a store opened again on what the disk then holds is in a state that
//! the promises allow.

use core::fmt;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use uxf_engine::{Engine, Error};
use uxf_testkit::Rng;
use uxf_testkit::crash::{CrashSubject as _, History};
use uxf_testkit::disk::{DiskCall, Fault, FaultyDisk, RecordingDisk, Unsynced};

use super::model::Model;
use super::workload::Stopped;
use super::{EngineSubject, text};

/// Failures described in full; all are counted.
const FAILURES_KEPT: usize = 20;

/// What came of a series of faults.
#[derive(Clone, Debug, Default)]
pub struct FaultReport {
    /// Runs with a fault.
    pub points: u64,
    /// How many of them ended with an error of the engine.
    pub refused: u64,
    /// How many never met their fault or got over it.
    pub unharmed: u64,
    /// How many did what must not happen.
    pub failed: u64,
    /// The first of those, described.
    pub failures: Vec<String>,
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            points,
            refused,
            unharmed,
            failed,
            ..
        } = self;
        write!(
            f,
            "{points} faults, {refused} ended in a typed error, {unharmed} were not met or got over: {failed} failed"
        )
    }
}

/// Lets disk calls of the workload of a seed fail: of each kind at most `points`, spread over the whole life; once
/// alone, and once with every later call of the kind failing too.
pub fn fail_calls(subject: &EngineSubject, seed: u64, points: u64) -> FaultReport {
    let mut report = FaultReport::default();
    for call in DiskCall::ALL {
        let calls = count_calls(subject, seed, call);
        let step = calls.div_ceil(points.max(1)).max(1);
        for after in (0..calls).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            for keeps_failing in [false, true] {
                let error = if after % 2 == 0 {
                    ErrorKind::StorageFull
                } else {
                    ErrorKind::Other
                };
                let fault = Fault {
                    call,
                    after,
                    error,
                    keeps_failing,
                };
                fail_once(subject, seed, fault, &mut report);
            }
        }
    }
    report
}

/// How many calls of a kind the workload makes when none fails.
fn count_calls(subject: &EngineSubject, seed: u64, call: DiskCall) -> u64 {
    let disk = RecordingDisk::new(Vec::new());
    let faulty = FaultyDisk::new(disk.clone());
    let mut history = History::new(disk, false);
    let workload = subject.life(seed);
    // An error without a fault is found by the crash harness; here the calls up to it are enough.
    drop(workload.run(&faulty, &mut history));
    faulty.switch().calls(call)
}

fn fail_once(subject: &EngineSubject, seed: u64, fault: Fault, report: &mut FaultReport) {
    report.points += 1;
    let outcome = catch_unwind(AssertUnwindSafe(|| run(subject, seed, fault)));
    let reason = match outcome {
        Ok(Ok(true)) => {
            report.refused += 1;
            return;
        }
        Ok(Ok(false)) => {
            report.unharmed += 1;
            return;
        }
        Ok(Err(reason)) => reason,
        Err(_) => "a panic".to_owned(),
    };
    report.failed += 1;
    if report.failures.len() < FAILURES_KEPT {
        report
            .failures
            .push(format!("seed {seed} {fault:?}: {reason}"));
    }
}

/// Whether the workload was stopped by the fault.
fn run(subject: &EngineSubject, seed: u64, fault: Fault) -> Result<bool, String> {
    let disk = RecordingDisk::new(Vec::new());
    let faulty = FaultyDisk::new(disk.clone());
    faulty.switch().arm(fault);
    let mut history = History::new(disk.clone(), false);
    let outcome = subject.life(seed).run(&faulty, &mut history);
    let was_stopped = outcome.is_err();
    if let Err(Stopped { error, engine }) = outcome {
        if faulty.switch().failures() == 0 {
            return Err(format!("failed without a fault: {}", text(error)));
        }
        expect_typed(&error)?;
        if let Some(engine) = engine {
            probe(&engine, subject, fault.call)?;
        }
    }
    reopen(subject, seed, &disk, &history)?;
    Ok(was_stopped)
}

fn expect_typed(error: &Error) -> Result<(), String> {
    match error {
        Error::Io { .. } | Error::Poisoned | Error::Closed => Ok(()),
        other => Err(format!("the wrong error for a failed disk: {other}")),
    }
}

/// What an engine does after the error: nothing that needs a disk it cannot trust.
fn probe(engine: &Engine, subject: &EngineSubject, call: DiskCall) -> Result<(), String> {
    let Some(token) = subject.vocabulary().tokens.first() else {
        return Ok(());
    };
    let mut batch = engine.begin();
    batch
        .put(
            subject
                .vocabulary()
                .get(&token.root)
                .map_or(&[], |element| &element.bytes),
        )
        .map_err(text)?;
    let is_read = call == DiskCall::Read;
    match batch.commit() {
        Err(Error::Poisoned | Error::Closed) => Ok(()),
        // A failed read harms nothing; the next call may succeed, fail again or miss what was not there.
        Ok(_) | Err(Error::Io { .. } | Error::MissingElement { .. }) if is_read => Ok(()),
        Ok(_) => Err(format!("a write was taken after a failed {call:?}")),
        Err(other) => Err(format!("after a failed {call:?}: {}", text(other))),
    }
}

/// The store on what the disk holds after the fault, with the unsynced writes there, gone, or some of both.
fn reopen(
    subject: &EngineSubject,
    seed: u64,
    disk: &RecordingDisk,
    history: &History<Model>,
) -> Result<(), String> {
    let record = disk.record();
    let end = record.ops().len();
    let mut images = record.crash_images();
    images.move_to(end);
    let mut rng = Rng::for_item(seed, end as u64);
    for unsynced in [Unsynced::Nothing, Unsynced::Everything, Unsynced::Random] {
        let image = images.image(unsynced, &mut rng);
        if history.created().is_none()
            && subject.recover(&RecordingDisk::new(image.clone())).is_err()
        {
            continue; // the creation failed, so there need not be a store
        }
        subject
            .check(&RecordingDisk::new(image), history.allowed(end))
            .map_err(|reason| {
                format!("opened again with {unsynced:?} of the unsynced: {reason}")
            })?;
    }
    Ok(())
}

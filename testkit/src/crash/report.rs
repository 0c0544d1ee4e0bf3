use core::fmt;

use crate::disk::Unsynced;

/// How many failures a report keeps in full; all are counted.
const FAILURES_KEPT: usize = 20;

/// What came of a series of power cuts.
#[derive(Clone, Debug, Default)]
pub struct CrashReport {
    /// Workloads that were run.
    pub workloads: u64,
    /// Boundaries between two disk operations at which the power was cut.
    pub boundaries: u64,
    /// Disks that were opened and judged; several a boundary.
    pub cuts: u64,
    /// How many of them had seen a second cut, inside recovery from the first.
    pub second_cuts: u64,
    /// Disks of a store whose creation was cut and that does not open, which it need not.
    pub unborn: u64,
    /// Steps of all workloads.
    pub steps: u64,
    /// Disks on which something was lost, half done or damaged.
    pub failed: u64,
    /// The first of those failures.
    pub failures: Vec<CrashFailure>,
}

impl CrashReport {
    /// Puts the figures of another series to these.
    pub fn add(&mut self, other: Self) {
        self.workloads += other.workloads;
        self.boundaries += other.boundaries;
        self.cuts += other.cuts;
        self.second_cuts += other.second_cuts;
        self.unborn += other.unborn;
        self.steps += other.steps;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(FAILURES_KEPT);
    }

    pub(super) fn fail(&mut self, failure: CrashFailure) {
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(failure);
        }
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workloads,
            boundaries,
            cuts,
            second_cuts,
            unborn,
            steps,
            failed,
            failures: _,
        } = self;
        write!(
            f,
            "{cuts} cuts ({second_cuts} of them inside recovery) at {boundaries} boundaries of {workloads} workloads \
             of {steps} steps, {unborn} creations cut: {failed} failed"
        )
    }
}

/// One disk on which a store did not keep its promise.
#[derive(Clone, Debug)]
pub struct CrashFailure {
    /// Seed of the workload; with it the cut can be made again.
    pub seed: u64,
    /// Disk operations done before the cut.
    pub cut: usize,
    /// What became of the unsynced ones.
    pub unsynced: Unsynced,
    /// Operations of the recovery done before the second cut, if there was one.
    pub second_cut: Option<usize>,
    /// What was wrong.
    pub reason: String,
}

impl fmt::Display for CrashFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} cut {} unsynced {:?}",
            self.seed, self.cut, self.unsynced
        )?;
        if let Some(second) = self.second_cut {
            write!(f, " second cut {second}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

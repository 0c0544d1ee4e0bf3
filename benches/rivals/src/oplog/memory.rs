//! Memory that a replica with 1,000,000 keys takes, in a process of its own: the peak while they are written, and the
//! peak while the replica is opened and every key read.

use std::path::Path;

use super::replicas::Contender;
use super::workload::Workload;
use super::{OplogWork, Trial, verify};
use crate::Outcome;
use crate::child::Measuring;
use crate::figures::Figure;
use crate::process;

/// First argument of a child.
pub(crate) const COMMAND: &str = "oplog-child";

const KEYS: usize = 1_000_000;
const BATCH: usize = 1_000;

/// Runs both steps.
pub(super) fn measure(trial: Trial<'_>) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for step in ["write", "read"] {
        let arguments = [
            trial.contender.name.to_owned(),
            step.to_owned(),
            trial.scaled(KEYS).to_string(),
            trial.seed.to_string(),
        ];
        figures.extend(Measuring::start(COMMAND, trial.dir, &arguments)?.figures()?);
    }
    Ok(figures)
}

/// Does one step and prints its figure.
pub(crate) fn run_child(arguments: &[String]) -> Outcome<()> {
    let [dir, contender, step, keys, seed] = arguments else {
        return Err("a child needs a directory, a contender, a step, keys and a seed".into());
    };
    let contender: &'static Contender = contender.parse()?;
    let trial = Trial {
        contender,
        dir: Path::new(dir),
        quick: false,
        seed: seed.parse()?,
    };
    if !contender.does(OplogWork::Memory) {
        return Err(format!("{} cannot do this", contender.name).into());
    }
    let keys: usize = keys.parse()?;
    // What the first part of the workload takes is there before, as it is afterwards.
    drop(Workload::distinct(trial.seed, 0, BATCH, keys).puts());
    process::reset_peak_memory();
    let before = process::memory().map(|(now, _)| now);
    let replica = trial.open()?;
    for first in (0..keys).step_by(BATCH) {
        let workload = Workload::distinct(trial.seed, first, BATCH.min(keys - first), keys);
        match step.as_str() {
            "write" => replica.commit(&workload.puts())?,
            _ => verify(&*replica, &workload.live())?,
        }
    }
    let peak = process::memory().map(|(_, peak)| peak);
    if let (Some(before), Some(peak)) = (before, peak) {
        let megabytes = peak.saturating_sub(before) as f64 / 1e6;
        let name = format!("memory-1m-{step}");
        println!("{}", Figure::lower(name, megabytes, "MB"));
    }
    Ok(())
}

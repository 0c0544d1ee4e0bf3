//! The works, and the run that compares engines on them.

mod life;
mod open;
mod puts;

use std::path::Path;
use std::str::FromStr;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::child::Measuring;
use crate::engines::EngineKind;
use crate::process;
use crate::table::{self, Table};

/// First argument of a child.
pub(crate) const COMMAND: &str = "store-child";

/// A group of figures that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {
    /// Ingest at 10,000 a commit, then duplicates, reads, releases and reuse of the space on the same store.
    Life,
    /// Ingest at 1,000 a commit.
    Ingest1K,
    /// Durable single puts.
    Puts,
    /// Opening a store that was closed, and one whose process was killed.
    Open,
    /// Four million arrivals at 10,000 a commit.
    Ingest4M,
    /// Forty million.
    Ingest40M,
}

impl WorkKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Life,
        Self::Ingest1K,
        Self::Puts,
        Self::Open,
        Self::Ingest4M,
        Self::Ingest40M,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Life => "life",
            Self::Ingest1K => "ingest-1k",
            Self::Puts => "puts",
            Self::Open => "open",
            Self::Ingest4M => "ingest-4m",
            Self::Ingest40M => "ingest-40m",
        }
    }

    /// The bare table counts nothing, so it takes part only where that does not matter.
    fn is_done_by(self, engine: EngineKind) -> bool {
        engine != EngineKind::RedbBare || self == Self::Puts
    }
}

impl FromStr for WorkKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|work| work.name() == name)
            .ok_or_else(|| format!("unknown work {name}"))
    }
}

/// What a child is told to measure.
#[derive(Clone, Copy, Debug)]
struct Task {
    engine: EngineKind,
    work: WorkKind,
    quick: bool,
    seed: u64,
}

impl Task {
    fn to_arguments(self) -> Vec<String> {
        vec![
            self.engine.name().to_owned(),
            self.work.name().to_owned(),
            self.quick.to_string(),
            self.seed.to_string(),
        ]
    }

    fn from_arguments(arguments: &[String]) -> Outcome<(Self, &[String])> {
        let [engine, work, quick, seed, rest @ ..] = arguments else {
            return Err("a child needs an engine, a work, a scale and a seed".into());
        };
        let task = Self {
            engine: engine.parse()?,
            work: work.parse()?,
            quick: quick.parse()?,
            seed: seed.parse()?,
        };
        Ok((task, rest))
    }

    /// A tenth when it has to be quick.
    fn scaled(&self, full: u64) -> u64 {
        if self.quick { full / 10 } else { full }
    }
}

/// Compares the engines; prints as it goes.
pub(crate) fn compare(arguments: &[String]) -> Outcome<()> {
    let arguments = Arguments::parse(arguments)?;
    table::print_legend();
    let mut table = Table::default();
    for work in &arguments.works {
        let first = table.len();
        for _round in 0..arguments.rounds {
            for engine in arguments.engines.iter().filter(|e| work.is_done_by(**e)) {
                let task = Task {
                    engine: *engine,
                    work: *work,
                    quick: arguments.quick,
                    seed: arguments.seed,
                };
                process::empty_directory(&arguments.dir)?;
                let figures = match work {
                    WorkKind::Open => open::measure(task, &arguments.dir),
                    _ => Measuring::start(COMMAND, &arguments.dir, &task.to_arguments())?.figures(),
                };
                let figures = figures
                    .map_err(|error| format!("{} {}: {error}", engine.name(), work.name()))?;
                for figure in figures {
                    table.add(engine.name(), figure);
                }
            }
        }
        process::empty_directory(&arguments.dir)?;
        table.print(first);
    }
    table.print_kept();
    Ok(())
}

/// Does one task and prints its figures; see [`crate::child`].
pub(crate) fn run_child(arguments: &[String]) -> Outcome<()> {
    let (dir, rest) = arguments.split_first().ok_or("a child needs a directory")?;
    let dir = Path::new(dir);
    let (task, rest) = Task::from_arguments(rest)?;
    let figures = match task.work {
        WorkKind::Life => life::live(task, dir)?,
        WorkKind::Ingest1K => life::ingest_only(task, dir, task.scaled(1_000_000), 1_000)?,
        WorkKind::Ingest4M => life::ingest_only(task, dir, task.scaled(4_000_000), 10_000)?,
        WorkKind::Ingest40M => life::ingest_only(task, dir, task.scaled(40_000_000), 10_000)?,
        WorkKind::Puts => puts::measure(task, dir)?,
        WorkKind::Open => open::run_step(task, dir, rest)?,
    };
    for figure in figures {
        println!("{figure}");
    }
    Ok(())
}

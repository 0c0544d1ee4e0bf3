//! Replicated maps compared: puts, merges, reads, opening, size and memory.
//!
//! All of it runs in this process, one contender after the other, but for the memory, which needs a process of its own
//! to be seen.

mod arguments;
mod life;
mod memory;
mod merge;
mod puts;
mod replicas;
mod workload;

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use arguments::OplogArguments;
use replicas::{Contender, Place, Replica};
use workload::Workload;

use crate::Outcome;
use crate::figures::Figure;
use crate::process;
use crate::table::{self, Table};

pub(crate) use memory::{COMMAND, run_child};

/// Keys read in one snapshot.
const READS: usize = 1_000;

/// A group of figures that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OplogWork {
    /// Puts in memory, 100 a commit.
    Puts,
    /// Durable puts, 1, 100 and 1,000 a commit.
    Durable,
    /// Durable single puts of sixteen threads.
    Together,
    /// Histories of four replicas into a fifth.
    Merge,
    /// A durable replica with all of the workload: reads, opening, compaction, size.
    Life,
    /// Memory with 1,000,000 keys.
    Memory,
}

impl OplogWork {
    const ALL: [Self; 6] = [
        Self::Puts,
        Self::Durable,
        Self::Together,
        Self::Merge,
        Self::Life,
        Self::Memory,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Puts => "puts",
            Self::Durable => "durable",
            Self::Together => "together",
            Self::Merge => "merge",
            Self::Life => "life",
            Self::Memory => "memory",
        }
    }
}

impl FromStr for OplogWork {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|work| work.name() == name)
            .ok_or_else(|| format!("unknown work {name}"))
    }
}

/// Who measures, where and how much.
#[derive(Clone, Copy)]
struct Trial<'a> {
    contender: &'static Contender,
    dir: &'a Path,
    quick: bool,
    seed: u64,
}

impl Trial<'_> {
    /// A tenth when it has to be quick.
    fn scaled(&self, full: usize) -> usize {
        if self.quick { full / 10 } else { full }
    }

    fn workload(&self) -> Workload {
        Workload::new(self.seed, self.scaled(100_000), self.keys())
    }

    fn keys(&self) -> usize {
        self.scaled(10_000)
    }

    /// Opens the first device's replica in the directory, or makes it.
    fn open(&self) -> Outcome<Box<dyn Replica>> {
        (self.contender.open)(Place::Directory(self.dir), 0)
    }

    /// The same in an empty directory.
    fn open_empty(&self) -> Outcome<Box<dyn Replica>> {
        process::empty_directory(self.dir)?;
        self.open()
    }

    fn measure(self, work: OplogWork) -> Outcome<Vec<Figure>> {
        match work {
            OplogWork::Puts => puts::in_memory(self),
            OplogWork::Durable => puts::durable(self),
            OplogWork::Together => puts::together(self),
            OplogWork::Merge => merge::measure(self),
            OplogWork::Life => life::live(self),
            OplogWork::Memory => memory::measure(self),
        }
    }
}

/// Compares the contenders; prints as it goes.
pub(crate) fn compare(arguments: &[String]) -> Outcome<()> {
    let arguments = OplogArguments::parse(arguments)?;
    table::print_legend();
    let mut table = Table::default();
    for work in &arguments.works {
        let first = table.len();
        for _round in 0..arguments.rounds {
            for contender in &arguments.contenders {
                if !contender.does(*work) {
                    continue;
                }
                let trial = Trial {
                    contender,
                    dir: &arguments.dir,
                    quick: arguments.quick,
                    seed: arguments.seed,
                };
                process::empty_directory(&arguments.dir)?;
                let figures = trial
                    .measure(*work)
                    .map_err(|error| format!("{} {}: {error}", contender.name, work.name()))?;
                for figure in figures {
                    table.add(contender.name, figure);
                }
            }
        }
        process::empty_directory(&arguments.dir)?;
        table.print(first);
    }
    Ok(())
}

/// Every key has its value.
fn verify(replica: &dyn Replica, live: &BTreeMap<&str, &[u8]>) -> Outcome<()> {
    let keys: Vec<&str> = live.keys().copied().collect();
    let mut expected = live.values();
    let mut wrong = 0;
    for part in keys.chunks(READS) {
        replica.read(part, &mut |value| {
            wrong += u64::from(value != expected.next().copied());
        })?;
    }
    if wrong > 0 || expected.next().is_some() {
        return Err(format!("{wrong} keys have a wrong value").into());
    }
    Ok(())
}

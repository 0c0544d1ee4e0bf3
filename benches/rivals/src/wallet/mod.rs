//! A wallet: starting it, bundles arriving, wallets joining, importing, and reading it while its bundles become one.
//!
//! Beside it stands `merge`, which is what a wallet without tables of its own does: read all bundles and merge them in
//! memory, with our own codec, at every start.

mod arguments;
mod arrive;
mod consolidate;
mod device;
mod import;
mod join;
mod material;
mod plain;
mod start;

use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use arguments::WalletArguments;

use crate::Outcome;
use crate::figures::Figure;
use crate::process;
use crate::table::{self, Table};

/// Our wallet, in tables.
const UXF: &str = "uxf";
/// Everything merged anew.
const MERGE: &str = "merge";

/// A figure, and whose it is.
type Measured = (&'static str, Figure);

/// A group of figures that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WalletWork {
    /// 10,000 tokens in their bundles, from nothing open to an answer.
    Start,
    /// Bundles of one changed token into wallets of several sizes.
    Arrive,
    /// Two wallets of 10,000 tokens, half of them the same.
    Join,
    /// 10,000 tokens as JSON, each with a verdict.
    Import,
    /// Twenty bundles of 10,000 tokens, merged while somebody reads.
    Consolidate,
}

impl WalletWork {
    const ALL: [Self; 5] = [
        Self::Start,
        Self::Arrive,
        Self::Join,
        Self::Import,
        Self::Consolidate,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Arrive => "arrive",
            Self::Join => "join",
            Self::Import => "import",
            Self::Consolidate => "consolidate",
        }
    }
}

impl FromStr for WalletWork {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|work| work.name() == name)
            .ok_or_else(|| format!("unknown work {name}"))
    }
}

/// What passes while something is measured: by the clock, and of the processor for all threads.
struct Watch {
    start: Instant,
    cpu_seconds: Option<f64>,
}

impl Watch {
    fn start() -> Self {
        Self {
            cpu_seconds: process::cpu_seconds(),
            start: Instant::now(),
        }
    }

    /// Seconds since the start, each with what is behind the name of its figure. Less than 0.2 s of the processor's are too
    /// few to be told.
    fn stop(self) -> Vec<(&'static str, f64)> {
        let mut passed = vec![("", self.start.elapsed().as_secs_f64())];
        let cpu_seconds = process::cpu_seconds().zip(self.cpu_seconds);
        let used = cpu_seconds.map(|(now, then)| now - then);
        passed.extend(used.filter(|used| *used >= 0.2).map(|used| ("-core", used)));
        passed
    }
}

/// Where and how much is measured.
#[derive(Clone, Copy)]
struct Trial<'a> {
    dir: &'a Path,
    quick: bool,
}

impl Trial<'_> {
    /// A tenth when it has to be quick.
    fn scaled(&self, full: usize) -> usize {
        if self.quick { full / 10 } else { full }
    }

    fn measure(self, work: WalletWork) -> Outcome<Vec<Measured>> {
        match work {
            WalletWork::Start => start::measure(self),
            WalletWork::Arrive => arrive::measure(self),
            WalletWork::Join => join::measure(self),
            WalletWork::Import => import::measure(self),
            WalletWork::Consolidate => consolidate::measure(self),
        }
    }
}

/// Measures; prints as it goes.
pub(crate) fn compare(arguments: &[String]) -> Outcome<()> {
    let arguments = WalletArguments::parse(arguments)?;
    table::print_legend();
    let mut table = Table::default();
    for work in &arguments.works {
        let first = table.len();
        for _round in 0..arguments.rounds {
            process::empty_directory(&arguments.dir)?;
            let trial = Trial {
                dir: &arguments.dir,
                quick: arguments.quick,
            };
            let measured = trial
                .measure(*work)
                .map_err(|error| format!("{}: {error}", work.name()))?;
            for (whose, figure) in measured {
                table.add(whose, figure);
            }
        }
        process::empty_directory(&arguments.dir)?;
        table.print(first);
    }
    Ok(())
}

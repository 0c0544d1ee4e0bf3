//! A wallet: starting it, bundles arriving, wallets joining, importing, and reading it while its bundles become one.
//!
//! Beside it stands `merge`, which is what a wallet without tables of its own does: read all bundles and merge them in
//! memory, with our own codec, at every start.

mod arrive;
mod consolidate;
mod device;
mod import;
mod join;
mod material;
mod plain;
mod start;

use std::time::Instant;

use crate::Outcome;
use crate::process;
use crate::rounds::{self, Measured, Trial, Work};

/// Our wallet, in tables.
const UXF: &str = "uxf";
/// Everything merged anew.
const MERGE: &str = "merge";

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

impl Work for WalletWork {
    const ALL: &'static [Self] = &[
        Self::Start,
        Self::Arrive,
        Self::Join,
        Self::Import,
        Self::Consolidate,
    ];
    const DIRECTORY: &'static str = "wallets";

    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Arrive => "arrive",
            Self::Join => "join",
            Self::Import => "import",
            Self::Consolidate => "consolidate",
        }
    }

    fn measure(self, trial: Trial<'_>) -> Outcome<Vec<Measured>> {
        match self {
            Self::Start => start::measure(trial),
            Self::Arrive => arrive::measure(trial),
            Self::Join => join::measure(trial),
            Self::Import => import::measure(trial),
            Self::Consolidate => consolidate::measure(trial),
        }
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

/// Measures; prints as it goes.
pub(crate) fn compare(arguments: &[String]) -> Outcome<()> {
    rounds::compare::<WalletWork>(arguments)
}

//! Two devices over loopback, and beside them a bare libp2p stream of the same run that carries as many bytes.

mod apart;
mod bundle;
mod history;
mod idle;
mod latency;
mod pair;
mod raw;
mod reconcile;

pub(crate) use self::idle::{COMMAND, run_child};
use crate::Outcome;
use crate::rounds::{self, Measured, Trial, Work};

/// Our nodes.
const UXF: &str = "uxf";
/// A stream of libp2p with the same transport, on which somebody writes and somebody reads.
const RAW: &str = "raw";

/// A group of figures that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncWork {
    /// 100,000 operations to an empty replica, and 1 % more to the same one.
    History,
    /// The same number of operations of which 10,000 count, after compaction.
    Compacted,
    /// Ten operations that differ among 1,000,000, after compaction.
    Reconcile,
    /// From a put on one device until it shows on the other.
    Latency,
    /// A bundle of 10,000 tokens, to an empty replica and to one that has most of it.
    Bundle,
    /// 1,000 devices that are connected to one host and have nothing to say.
    Idle,
}

impl Work for SyncWork {
    const ALL: &'static [Self] = &[
        Self::History,
        Self::Compacted,
        Self::Reconcile,
        Self::Latency,
        Self::Bundle,
        Self::Idle,
    ];
    const DIRECTORY: &'static str = "devices";

    fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Compacted => "compacted",
            Self::Reconcile => "reconcile",
            Self::Latency => "latency",
            Self::Bundle => "bundle",
            Self::Idle => "idle",
        }
    }

    fn measure(self, trial: Trial<'_>) -> Outcome<Vec<Measured>> {
        match self {
            Self::History => history::measure(trial),
            Self::Compacted => apart::measure(trial),
            Self::Reconcile => reconcile::measure(trial),
            Self::Latency => latency::measure(trial),
            Self::Bundle => bundle::measure(trial),
            Self::Idle => idle::measure(trial),
        }
    }
}

/// Measures; prints as it goes.
pub(crate) fn compare(arguments: &[String]) -> Outcome<()> {
    rounds::compare::<SyncWork>(arguments)
}

//! The contenders. Whatever takes part is one line of [`CONTENDERS`] and an implementation of [`Replica`].

mod append;
mod automerge;
mod log;
mod redb;
mod uxf;
mod yrs;

use std::path::Path;
use std::str::FromStr;

use uxf_engine::profile::Delta;

use super::OplogWork;
use super::workload::Put;
use crate::Outcome;

/// Cache of the contenders that have one, in bytes; memory is judged against it.
pub(super) const CACHE_BYTES: usize = 64 << 20;

/// Everybody there is to compare. A contender called `uxf` is the one that the ratios are about.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender {
        name: "uxf",
        open: |place, device| Ok(Box::new(uxf::UxfReplica::open(place, device)?)),
        sits_out: &[],
    },
    Contender {
        name: "automerge",
        open: |place, device| Ok(Box::new(automerge::AutomergeReplica::open(place, device)?)),
        sits_out: &[],
    },
    Contender {
        name: "yrs",
        open: |place, device| Ok(Box::new(yrs::YrsReplica::open(place, device)?)),
        sits_out: &[],
    },
    Contender {
        name: "redb-bare",
        open: |place, _| Ok(Box::new(redb::BareRedb::open(place)?)),
        sits_out: &[OplogWork::Merge],
    },
    Contender {
        name: "append",
        open: |place, _| Ok(Box::new(append::Append::open(place)?)),
        sits_out: &[
            OplogWork::Puts,
            OplogWork::Merge,
            OplogWork::Life,
            OplogWork::Memory,
        ],
    },
];

/// One who takes part.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Opens what the device of this number has at a place, or makes it.
    pub(super) open: fn(Place<'_>, u64) -> Outcome<Box<dyn Replica>>,
    /// Works that it cannot do.
    pub(super) sits_out: &'static [OplogWork],
}

impl Contender {
    pub(super) fn does(&self, work: OplogWork) -> bool {
        !self.sits_out.contains(&work)
    }
}

impl FromStr for &'static Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        CONTENDERS
            .iter()
            .find(|contender| contender.name == name)
            .ok_or_else(|| format!("unknown contender {name}"))
    }
}

/// Where a replica keeps what it has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    Memory,
    /// Every commit is durable when it returns.
    Directory(&'a Path),
}

/// What a replica sends another one.
pub(super) enum History {
    Encoded(Vec<u8>),
    /// Many byte strings, which a connection would frame.
    Delta(Delta),
}

impl History {
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Self::Encoded(bytes) => bytes.len(),
            Self::Delta(delta) => delta.byte_len(),
        }
    }

    /// For those who send bytes.
    fn encoded(&self) -> Outcome<&[u8]> {
        match self {
            Self::Encoded(bytes) => Ok(bytes),
            Self::Delta(_) => Err("the history of another contender".into()),
        }
    }
}

/// One device's copy of a map from keys to values.
pub(super) trait Replica: Sync {
    /// Puts all of a slice in one commit.
    fn commit(&self, puts: &[Put<'_>]) -> Outcome<()>;

    /// Whether concurrent commits are made durable together by the replica itself. Where they are not, the comparison
    /// puts the puts of several threads into one commit.
    fn groups_commits(&self) -> bool {
        false
    }

    /// Reads keys in one snapshot, in the order asked for; `None` where there is no value.
    fn read(&self, keys: &[&str], visit: &mut dyn FnMut(Option<&[u8]>)) -> Outcome<()>;

    /// What a replica that has nothing is sent, for [`Replica::ingest`].
    fn history(&self) -> Outcome<History> {
        Err("this contender has no history to send".into())
    }

    /// Takes in what another replica's `history` gave, durably if this one is in a directory.
    fn ingest(&self, _history: &History) -> Outcome<()> {
        Err("this contender cannot merge".into())
    }

    /// Makes what it keeps as small as it can, durably.
    fn compact(&mut self) -> Outcome<()>;

    /// Bytes from which another replica could start, without what no longer counts where that can be left out.
    fn state_bytes(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }

    /// Bytes of the keys and values of the operations it keeps, the latter as they are sealed, if they are.
    fn sealed_bytes(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

/// A lock that a panicking thread has left behind.
fn poisoned<T>(_: T) -> &'static str {
    "another thread has panicked"
}

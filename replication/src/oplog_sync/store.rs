use uxf_engine::oplog::VersionVector;
use uxf_engine::profile::{Delta, Whole};

use super::catch_up::{CatchUpReply, CatchUpRequest};
use super::history::{Given, History, HistoryError, Taken};
use crate::Peer;
use crate::wire::StatementsDigest;

/// What a replica has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// How far each log is known.
    pub vector: VersionVector,
    /// The statements that are known.
    pub statements: StatementsDigest,
}

/// Something to do with the store. Requests may run side by side, in any order, on any thread.
#[derive(Clone, Debug)]
pub enum StoreRequest {
    /// Say what there is.
    Have,
    /// Say what a peer lacks.
    Give {
        /// The peer.
        peer: Peer,
        /// The run it is for.
        run: u32,
        /// How far the peer is.
        from: VersionVector,
        /// Most bytes of commits.
        bytes_max: usize,
        /// Which checkpoints it is to have whole.
        whole: Whole,
    },
    /// Take in a delta.
    Take {
        /// The run it came in.
        run: u32,
        /// The round of the run.
        round: u32,
        /// The delta.
        delta: Delta,
    },
    /// Something for catching up with a log.
    CatchUp(CatchUpRequest),
}

/// What came of a [`StoreRequest`].
#[derive(Debug)]
pub enum StoreReply {
    /// What there is.
    Have(Result<Have, HistoryError>),
    /// What a peer lacks, and the digest of all statements.
    Give {
        /// The peer.
        peer: Peer,
        /// The run it is for.
        run: u32,
        /// The delta.
        given: Result<Box<(Given, StatementsDigest)>, HistoryError>,
    },
    /// What taking in did.
    Take {
        /// The run it came in.
        run: u32,
        /// The round of the run.
        round: u32,
        /// What it did.
        taken: Result<Taken, HistoryError>,
        /// What there is now.
        have: Result<Have, HistoryError>,
    },
    /// What came of a request for catching up with a log.
    CatchUp(CatchUpReply),
}

impl StoreReply {
    /// Whom something was read for, see [`StoreRequest::reader`].
    pub const fn reader(&self) -> Option<Peer> {
        match self {
            Self::Give { peer, .. } | Self::CatchUp(CatchUpReply::Answer { peer, .. }) => {
                Some(*peer)
            }
            _ => None,
        }
    }
}

impl StoreRequest {
    /// Whom it reads something for that is to be sent, if it does: such requests can be held back while much is on its way.
    pub const fn reader(&self) -> Option<Peer> {
        match self {
            Self::Give { peer, .. } | Self::CatchUp(CatchUpRequest::Answer { peer, .. }) => {
                Some(*peer)
            }
            _ => None,
        }
    }

    /// Does it. May take as long as a durable commit.
    pub fn run(self, history: &impl History) -> StoreReply {
        match self {
            Self::Have => StoreReply::Have(have(history)),
            Self::Give {
                peer,
                run,
                from,
                bytes_max,
                whole,
            } => {
                let given = history.delta_offering(&from, bytes_max, &whole);
                let given = given.map(|given| {
                    let digest = statements_digest(&given.delta);
                    Box::new((given, digest))
                });
                StoreReply::Give { peer, run, given }
            }
            Self::Take { run, round, delta } => {
                let taken = history.ingest(&delta);
                let have = have(history);
                StoreReply::Take {
                    run,
                    round,
                    taken,
                    have,
                }
            }
            Self::CatchUp(request) => StoreReply::CatchUp(request.run(history)),
        }
    }
}

pub(super) fn have(history: &impl History) -> Result<Have, HistoryError> {
    let vector = history.version_vector()?;
    // Who has everything still gets the statements.
    let statements = statements_digest(&history.delta_for(&vector, 0)?.delta);
    Ok(Have { vector, statements })
}

/// The digest of the statements of a delta, which are all there are. Their order does not matter.
pub fn statements_digest(delta: &Delta) -> StatementsDigest {
    let mut digest = blake3::Hasher::new_derive_key("uxf replication 1: statements");
    for kind in [&delta.certificates, &delta.revocations, &delta.forks] {
        let mut hashes: Vec<[u8; 32]> = kind.iter().map(|one| blake3::hash(one).into()).collect();
        hashes.sort_unstable();
        digest.update(&(hashes.len() as u64).to_be_bytes());
        for hash in &hashes {
            digest.update(hash);
        }
    }
    let digest = digest.finalize();
    let first = digest.as_bytes().first_chunk::<16>();
    StatementsDigest(first.copied().unwrap_or_default())
}

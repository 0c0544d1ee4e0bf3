//! What is known of the logs that are caught up with.

use std::collections::{BTreeMap, BTreeSet};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CheckpointId, SignedCheckpoint};
use uxf_engine::profile::OwnEntries;

use crate::wire::RangeEntry;
use crate::{Peer, Timestamp};

/// What is caught up with, and who is answered.
#[derive(Debug, Default)]
pub(in crate::oplog_sync) struct CatchUps {
    next: u64,
    pub(super) taking: BTreeMap<u64, CatchUp>,
    /// About which log a peer was asked that has not answered yet, and until when it must. Also if the answer is of no
    /// use any more: one question at a time is answered.
    pub(super) asked: BTreeMap<Peer, (LogId, Timestamp)>,
    /// Peers for which an answer is being read.
    pub(super) answering: BTreeSet<Peer>,
}

/// A log that is caught up with.
#[derive(Debug)]
pub(super) struct CatchUp {
    pub(super) peer: Peer,
    pub(super) log: LogId,
    pub(super) checkpoint: CheckpointId,
    pub(super) signed: Vec<u8>,
    /// Entries that the checkpoint has, and the last operation it covers.
    pub(super) count: u32,
    pub(super) covered: u64,
    pub(super) own: Option<OwnEntries>,
    pub(super) dropped: BTreeSet<u64>,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) blocks: Vec<Vec<u8>>,
    pub(super) bytes: usize,
    /// Questions since the last entry came.
    pub(super) idle: u32,
    pub(super) stage: Stage,
    /// Until when all must be done.
    pub(super) until: Timestamp,
}

/// What is waited for.
#[derive(Debug)]
pub(super) enum Stage {
    /// The store, to compare.
    Comparing,
    /// The peer, to answer another question.
    Waiting(Vec<RangeEntry>),
    /// The peer, to answer.
    Asked,
    /// The store, to take the checkpoint in.
    Adopting,
}

impl CatchUp {
    pub(super) fn new(peer: Peer, signed: &SignedCheckpoint, until: Timestamp) -> Self {
        let header = signed.header();
        Self {
            peer,
            log: header.log,
            checkpoint: signed.id(),
            signed: signed.encode(),
            count: header.count,
            covered: header.until,
            own: None,
            dropped: BTreeSet::new(),
            entries: Vec::new(),
            blocks: Vec::new(),
            bytes: 0,
            idle: 0,
            stage: Stage::Comparing,
            until,
        }
    }
}

impl CatchUps {
    /// When something is late.
    pub(in crate::oplog_sync) fn deadline(&self) -> Option<Timestamp> {
        let answers = self.asked.values().map(|(_, deadline)| *deadline);
        let all = self.taking.values().map(|one| one.until);
        answers.chain(all).min()
    }

    /// Bytes that are held of what came.
    pub(in crate::oplog_sync) fn byte_len(&self) -> usize {
        self.taking.values().map(|one| one.bytes).sum()
    }

    /// The same of one peer.
    pub(in crate::oplog_sync) fn byte_len_of(&self, peer: Peer) -> usize {
        self.of_peer(peer).map(|(_, one)| one.bytes).sum()
    }

    /// Whether a peer gives entries of a log.
    pub(in crate::oplog_sync) fn is_with(&self, peer: Peer) -> bool {
        self.of_peer(peer).next().is_some()
    }

    /// Whether what a peer gave is being taken in.
    pub(in crate::oplog_sync) fn is_adopting(&self, peer: Peer) -> bool {
        let mut all = self.of_peer(peer);
        all.any(|(_, one)| matches!(one.stage, Stage::Adopting))
    }

    pub(super) fn is_of(&self, log: &LogId) -> bool {
        self.taking.values().any(|one| one.log == *log)
    }

    pub(super) fn of_peer(&self, peer: Peer) -> impl Iterator<Item = (u64, &CatchUp)> {
        let of_peer = self.taking.iter().filter(move |(_, one)| one.peer == peer);
        of_peer.map(|(number, one)| (*number, one))
    }

    pub(super) fn begin(&mut self, one: CatchUp) -> u64 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.taking.insert(number, one);
        number
    }

    /// What waits for an answer of a peer about a log.
    pub(super) fn asked_about(&mut self, peer: Peer, log: &LogId) -> Option<(u64, &mut CatchUp)> {
        let mut all = self.taking.iter_mut();
        let found = all.find(|(_, one)| {
            one.peer == peer && one.log == *log && matches!(one.stage, Stage::Asked)
        });
        found.map(|(number, one)| (*number, one))
    }
}

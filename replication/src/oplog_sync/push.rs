//! Giving: what a peer asked for in its hello.

use std::collections::{BTreeMap, BTreeSet};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CommitId, LogHead, Reached, SignedCheckpoint, VersionVector};
use uxf_engine::profile::{CheckpointParts, Delta, Whole};

use super::history::{Given, HistoryError};
use super::machine::{OplogSync, Output, raise, set};
use super::round::{encode_round, round_bytes};
use super::store::StoreRequest;
use crate::wire::{
    Cut, DELTA_PART_BYTES_MAX, DeltaPart, Hello, Message, ROUNDS_MAX, StatementsDigest,
};
use crate::{Misbehaviour, Peer, Timestamp};

/// Parts that are sent before the first of them must have left.
const PARTS_MAX: u32 = 4;

/// What a peer is given.
#[derive(Debug)]
pub(super) struct Push {
    run: u32,
    /// How far the peer is once all that was sent is taken in; what it does not want counts as there.
    from: VersionVector,
    /// Logs whose checkpoints it wants whole.
    whole: BTreeSet<LogId>,
    /// The statements it knows then.
    statements: StatementsDigest,
    /// Rounds that were sent, and of these acknowledged.
    sent: u32,
    acked: u32,
    /// Whether the last round was read.
    has_ended: bool,
    /// The round that is on its way.
    sending: Option<Sending>,
    /// What the peer had been told of when it began, and this brings: what it is told later this does not.
    settles: BTreeMap<LogId, u64>,
}

/// A round of which not all parts were sent.
#[derive(Debug)]
struct Sending {
    round: u32,
    ends_run: bool,
    bytes: Vec<u8>,
    /// How many of the bytes were sent.
    at: usize,
}

impl Push {
    /// Whether there is something to send still.
    pub(super) const fn goes_on(&self) -> bool {
        !self.has_ended
    }

    /// Whether all of it was taken in.
    pub(super) const fn is_acknowledged(&self) -> bool {
        self.has_ended && self.acked == self.sent
    }

    /// What it would have settled had it gone on.
    pub(super) fn into_settles(self) -> BTreeMap<LogId, u64> {
        self.settles
    }

    /// Bytes that were read and not sent.
    pub(super) fn byte_len(&self) -> usize {
        let sending = self.sending.as_ref();
        sending.map_or(0, |sending| sending.bytes.len().saturating_sub(sending.at))
    }
}

impl Sending {
    /// The next part; its end is that of the round if nothing is left.
    fn next_part(&mut self, run: u32) -> DeltaPart {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.len().min(DELTA_PART_BYTES_MAX);
        let (part, behind) = rest.split_at(len);
        let ends_round = behind.is_empty();
        let bytes = part.to_vec();
        self.at = self.at.saturating_add(len);
        DeltaPart {
            run,
            round: self.round,
            ends_round,
            ends_run: self.ends_run && ends_round,
            bytes,
        }
    }
}

impl OplogSync {
    pub(super) fn begin_push(&mut self, peer: Peer, hello: Hello) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let mut told = core::mem::take(&mut state.told_heads);
        let mut from = hello.vector;
        for log in hello.skip {
            let skipped = told.remove_entry(&log);
            state.told_heads.extend(skipped);
            skip(&mut from, log);
        }
        let mut whole = BTreeSet::new();
        for (log, seq) in hello.again {
            whole.insert(log);
            if let Some(known) = from.get(&log) {
                let next_seq = known.next_seq.min(seq.max(1));
                set(&mut from, log, Reached { next_seq, ..known });
            }
        }
        state.push = Some(Push {
            run: hello.run,
            from,
            whole,
            statements: hello.statements,
            sent: 0,
            acked: 0,
            has_ended: false,
            sending: None,
            settles: told,
        });
        self.step_push(peer);
    }

    /// Has the next round read, if there is one and the peer has room for it.
    fn step_push(&mut self, peer: Peer) {
        let window = self.config.window.clamp(1, ROUNDS_MAX);
        let bytes_max = self.config.round_bytes;
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let Some(push) = state.push.as_ref().filter(|push| push.goes_on()) else {
            return;
        };
        let is_busy = state.is_reading || push.sending.is_some();
        if is_busy || push.sent.saturating_sub(push.acked) >= window {
            return;
        }
        state.is_reading = true;
        self.outputs.push_back(Output::Store(StoreRequest::Give {
            peer,
            run: push.run,
            from: push.from.clone(),
            bytes_max,
            whole: Whole {
                bytes_max: self.config.whole_checkpoint_bytes,
                logs: push.whole.clone(),
                bytes_most: u64::try_from(self.config.round_bytes_max).unwrap_or(u64::MAX),
            },
        }));
    }

    pub(super) fn give(
        &mut self,
        peer: Peer,
        run: u32,
        given: Result<(Given, StatementsDigest), HistoryError>,
        now: Timestamp,
    ) {
        let limit = self.config.round_bytes_max;
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.is_reading = false;
        let Some(push) = state.push.as_mut().filter(|push| push.run == run) else {
            // The peer began anew meanwhile.
            return self.step_push(peer);
        };
        let given = given.and_then(|(given, statements)| match too_long(&given.delta, limit) {
            Some(log) => {
                let seq = push.from.get(&log).map_or(1, |from| from.next_seq);
                Err(HistoryError::Compacted { log, seq })
            }
            None => Ok((given, statements)),
        });
        match given {
            Ok((mut given, statements)) => {
                if statements == push.statements {
                    given.delta.certificates.clear();
                    given.delta.revocations.clear();
                    given.delta.forks.clear();
                }
                push.statements = statements;
                let more = given.delta.commits.len() + given.delta.checkpoints.len();
                state.given = state.given.saturating_add(more as u64);
                let round = push.sent;
                push.sent = push.sent.saturating_add(1);
                push.has_ended = !given.delta.is_partial;
                for signed in &given.offered {
                    let log = signed.header().log;
                    skip(&mut push.from, log);
                    // It has to say itself when it has caught up with it.
                    let told = push.settles.remove_entry(&log);
                    state.told_heads.extend(told);
                    given.delta.checkpoints.push(CheckpointParts {
                        segments: Vec::new(),
                        signed: signed.encode(),
                    });
                }
                for head in &given.heads {
                    let Some(id) = head.head else { continue };
                    let next_seq = head.next_seq;
                    let reached = Reached { next_seq, head: id };
                    raise(&mut push.from, head.log, reached);
                    if let Some(theirs) = &mut state.theirs {
                        raise(theirs, head.log, reached);
                    }
                }
                let ends_run = push.has_ended;
                self.send_round(peer, (round, ends_run), encode_round(&given.delta));
                if ends_run {
                    self.announce(peer);
                }
            }
            Err(HistoryError::Compacted { log, seq }) => {
                skip(&mut push.from, log);
                let cut = Message::Cut(Cut { run, log, seq });
                self.outputs.push_back(Output::Send(peer, cut));
            }
            Err(error) => {
                // The peer need not wait for what cannot be read.
                let round = push.sent;
                push.sent = push.sent.saturating_add(1);
                push.has_ended = true;
                self.send_round(peer, (round, true), Vec::new());
                self.fail(error, now);
            }
        }
        self.step_push(peer);
    }

    fn send_round(&mut self, peer: Peer, (round, ends_run): (u32, bool), bytes: Vec<u8>) {
        let state = self.peers.get_mut(&peer);
        if let Some(push) = state.and_then(|state| state.push.as_mut()) {
            let at = 0;
            push.sending = Some(Sending {
                round,
                ends_run,
                bytes,
                at,
            });
        }
        self.send_parts(peer);
    }

    /// Sends parts of a round while the peer has room for them.
    fn send_parts(&mut self, peer: Peer) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let Some(push) = state.push.as_mut() else {
            return;
        };
        while let Some(sending) = push.sending.as_mut() {
            if state.parts >= PARTS_MAX {
                return;
            }
            state.parts = state.parts.saturating_add(1);
            let part = sending.next_part(push.run);
            if part.ends_round {
                push.sending = None;
            }
            let part = Message::Delta(part);
            self.outputs.push_back(Output::Send(peer, part));
        }
    }

    pub(super) fn sent(&mut self, peer: Peer) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.parts = 0;
        }
        self.send_parts(peer);
        self.step_push(peer);
    }

    pub(super) fn take_ack(
        &mut self,
        peer: Peer,
        run: u32,
        round: u32,
    ) -> Result<(), Misbehaviour> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Ok(());
        };
        // Of another run than the last: the peer began anew before it had this one taken in.
        let Some(push) = state.push.as_mut().filter(|push| push.run == run) else {
            return Ok(());
        };
        if round != push.acked || round >= push.sent {
            let what = "ack";
            return Err(Misbehaviour::OutOfTurn { what });
        }
        push.acked = round.saturating_add(1);
        if push.is_acknowledged() {
            push.settles.clear();
            self.outputs.push_back(Output::Pushed(peer));
        }
        self.step_push(peer);
        Ok(())
    }
}

/// The log of a checkpoint with which a round is longer than anybody accepts.
fn too_long(delta: &Delta, limit: usize) -> Option<LogId> {
    let parts = delta.checkpoints.first()?;
    if round_bytes(delta) <= limit {
        return None;
    }
    let signed = SignedCheckpoint::decode(&parts.signed).ok()?;
    Some(signed.header().log)
}

/// Has a log count as known to its end.
fn skip(vector: &mut VersionVector, log: LogId) {
    let head = LogHead::empty(log)
        .head
        .unwrap_or(CommitId::from_bytes([0; 32]));
    let next_seq = u64::MAX;
    set(vector, log, Reached { next_seq, head });
}

//! Taking: what peers give in the runs they were asked for.

use std::collections::{BTreeSet, VecDeque};

use uxf_engine::oplog::identity::LogId;
use uxf_engine::profile::Delta;

use super::history::{HistoryError, Taken};
use super::machine::{OplogSync, Output};
use super::round::{read_round, salvage_round};
use super::store::StoreRequest;
use crate::wire::{Cut, DELTA_PART_BYTES_MAX, DeltaPart, Message, ROUNDS_MAX};
use crate::{Misbehaviour, Peer, Timestamp};

/// What a peer gives.
#[derive(Debug)]
pub(super) struct Run {
    peer: Peer,
    /// The logs that come in it, unless it is blind.
    claims: BTreeSet<LogId>,
    /// Whether it began before the peer had said what it has.
    is_blind: bool,
    /// The round that comes, and what came of it.
    round: u32,
    buffer: Vec<u8>,
    /// Rounds that are whole, and their bytes.
    rounds: VecDeque<(u32, Delta, usize)>,
    /// Bytes of the round that is being taken in.
    taking: Option<usize>,
    /// Whether the last round came.
    has_ended: bool,
    /// Whether the peer is gone.
    is_detached: bool,
    deadline: Timestamp,
    sum: Taken,
}

impl Run {
    pub(super) const fn new(
        peer: Peer,
        claims: BTreeSet<LogId>,
        is_blind: bool,
        deadline: Timestamp,
    ) -> Self {
        Self {
            peer,
            claims,
            is_blind,
            round: 0,
            buffer: Vec::new(),
            rounds: VecDeque::new(),
            taking: None,
            has_ended: false,
            is_detached: false,
            deadline,
            sum: Taken {
                new: 0,
                known: 0,
                parked: 0,
            },
        }
    }

    pub(super) const fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) const fn is_blind(&self) -> bool {
        self.is_blind
    }

    /// Learns what comes in it.
    pub(super) fn see(&mut self, claims: BTreeSet<LogId>, deadline: Timestamp) {
        self.claims = claims;
        self.is_blind = false;
        self.deadline = deadline;
    }

    pub(super) fn claims(&self, log: &LogId) -> bool {
        self.claims.contains(log)
    }

    pub(super) fn claimed(&self, all: &mut BTreeSet<LogId>) {
        all.extend(&self.claims);
    }

    /// Until when the next part must have come; none while this side is the slow one.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let waits = self.taking.is_none() && self.rounds.is_empty() && !self.is_detached;
        waits.then_some(self.deadline)
    }

    /// Bytes that are held of it.
    pub(super) fn byte_len(&self) -> usize {
        let rounds: usize = self.rounds.iter().map(|(.., bytes)| bytes).sum();
        self.buffer.len() + rounds + self.taking.unwrap_or_default()
    }
}

impl OplogSync {
    pub(super) fn take_part(
        &mut self,
        peer: Peer,
        part: &DeltaPart,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let what = "delta";
        let out_of_turn = Misbehaviour::OutOfTurn { what };
        let limit = self.config.round_bytes_max;
        let held = self.buffered_bytes().saturating_add(part.bytes.len());
        let Some(run) = self.runs.get_mut(&part.run) else {
            // What was on its way when the run was given up.
            return Ok(());
        };
        if run.peer != peer || run.has_ended || run.round != part.round {
            return Err(out_of_turn);
        }
        if run.buffer.len().saturating_add(part.bytes.len()) > limit {
            let what = "bytes of a round";
            return Err(Misbehaviour::TooMuch { what });
        }
        if held > self.config.buffer_bytes_max {
            self.disconnect(peer, None);
            return Ok(());
        }
        // Whoever sends drops by drop does not hold the run open.
        if part.ends_round || part.bytes.len() == DELTA_PART_BYTES_MAX {
            run.deadline = now + self.config.run_timeout;
        }
        run.buffer.extend_from_slice(&part.bytes);
        if !part.ends_round {
            return Ok(());
        }
        let waiting = run.rounds.len() + usize::from(run.taking.is_some());
        if waiting >= usize::try_from(ROUNDS_MAX).unwrap_or(usize::MAX) {
            let what = "rounds that were not acknowledged";
            return Err(Misbehaviour::TooMuch { what });
        }
        let bytes = core::mem::take(&mut run.buffer);
        run.rounds
            .push_back((part.round, read_round(&bytes)?, bytes.len()));
        run.round = run.round.saturating_add(1);
        run.has_ended = part.ends_run;
        self.step_take(part.run, now);
        Ok(())
    }

    /// Has the next round taken in, or ends the run.
    fn step_take(&mut self, number: u32, now: Timestamp) {
        while let Some(run) = self.runs.get_mut(&number) {
            if run.taking.is_some() {
                return;
            }
            let Some((round, delta, bytes)) = run.rounds.pop_front() else {
                if run.has_ended || run.is_detached {
                    self.end_run(number, now);
                }
                return;
            };
            if bytes == 0 {
                self.ack(number, round);
                continue;
            }
            run.taking = Some(bytes);
            let run = number;
            let take = StoreRequest::Take { run, round, delta };
            self.outputs.push_back(Output::Store(take));
        }
    }

    fn ack(&mut self, number: u32, round: u32) {
        if let Some(run) = self.runs.get(&number).filter(|run| !run.is_detached) {
            let ack = Message::Ack(number, round);
            self.outputs.push_back(Output::Send(run.peer, ack));
        }
    }

    pub(super) fn taken(
        &mut self,
        number: u32,
        round: u32,
        taken: Result<Taken, HistoryError>,
        now: Timestamp,
    ) {
        let Some(run) = self.runs.get_mut(&number) else {
            return;
        };
        run.taking = None;
        run.deadline = now + self.config.run_timeout;
        match taken {
            Ok(taken) => {
                run.sum.new += taken.new;
                run.sum.known += taken.known;
                run.sum.parked += taken.parked;
                self.ack(number, round);
                self.step_take(number, now);
            }
            Err(error) => self.refuse(number, error, now),
        }
    }

    /// The store did not take what came. The run is over: what follows would follow a gap.
    fn refuse(&mut self, number: u32, error: HistoryError, now: Timestamp) {
        let Some(run) = self.runs.remove(&number) else {
            return;
        };
        let state = self.peers.get_mut(&run.peer).filter(|_| !run.is_detached);
        if let Some(state) = state {
            state.run = None;
            if matches!(error, HistoryError::NotNow | HistoryError::Store(_)) {
                let theirs = state.theirs.as_ref();
                let logs = run.claims.iter();
                let tried = logs.filter_map(|log| Some((*log, theirs?.get(log)?.next_seq)));
                state.tried.extend(tried);
                state.tried_statements = Some(state.statements);
            }
        }
        match error {
            HistoryError::Forged => {
                let what = "a delta";
                if !run.is_detached {
                    self.disconnect(run.peer, Some(Misbehaviour::Forged { what }));
                }
            }
            HistoryError::Contradicts { log } => self.rewind(log, now),
            HistoryError::Equivocation { log } => {
                self.outputs.push_back(Output::Forked(log));
                self.avoid(log, now);
            }
            HistoryError::Gap { log }
            | HistoryError::Refused { log }
            | HistoryError::Compacted { log, .. } => self.avoid(log, now),
            HistoryError::NotNow => self.retry_later(now),
            error @ HistoryError::Store(_) => self.fail(error, now),
        }
    }

    /// Nothing of a log is asked for in the next while.
    fn avoid(&mut self, log: LogId, now: Timestamp) {
        self.rewind.remove(&log);
        self.avoid.insert(log, now + self.config.retry);
        self.retry_later(now);
    }

    /// Asks for more of the end of a log, up to all of it, so that the place is found where two histories part.
    fn rewind(&mut self, log: LogId, now: Timestamp) {
        let have = self.have.as_ref().and_then(|have| have.vector.get(&log));
        let len = have.map_or(0, |reached| reached.next_seq.saturating_sub(1));
        let back = self
            .rewind
            .get(&log)
            .map_or(1, |back| back.saturating_mul(2));
        let is_all = self.rewind.get(&log).is_some_and(|back| *back >= len);
        if is_all || len == 0 {
            self.avoid(log, now);
        } else {
            self.rewind.insert(log, back);
        }
    }

    fn end_run(&mut self, number: u32, now: Timestamp) {
        let Some(run) = self.runs.remove(&number) else {
            return;
        };
        for log in &run.claims {
            self.rewind.remove(log);
        }
        let have = self.have.as_ref();
        let Some(state) = self.peers.get_mut(&run.peer).filter(|_| !run.is_detached) else {
            return;
        };
        state.run = None;
        let mut is_short = false;
        if let (Some(have), Some(theirs)) = (have, &state.theirs) {
            for missing in theirs.missing_from(&have.vector) {
                // What it had not given although it could; what others give is not its fault.
                if run.claims.contains(&missing.log) {
                    state.tried.insert(missing.log, missing.until);
                    is_short = true;
                }
            }
            // Two ends of one length that were fetched again, and nothing came of it.
            for log in have.vector.diverged(theirs) {
                if let Some(reached) = theirs.get(&log).filter(|_| run.claims.contains(&log)) {
                    state.tried.insert(log, reached.next_seq);
                    is_short = true;
                }
            }
            if have.statements != state.statements {
                state.tried_statements = Some(state.statements);
                is_short = true;
            }
        }
        self.outputs.push_back(Output::Pulled(run.peer, run.sum));
        if is_short {
            self.retry_later(now);
        }
    }

    /// The peer of a run is gone: what came whole is taken in, and others are asked for the rest once that is done.
    pub(super) fn detach(&mut self, number: u32) {
        let Some(run) = self.runs.get_mut(&number) else {
            return;
        };
        run.is_detached = true;
        run.is_blind = false;
        let buffer = core::mem::take(&mut run.buffer);
        let mut delta = salvage_round(&buffer);
        // What the blocks are for may not have come.
        if delta.commits.is_empty() && delta.checkpoints.is_empty() {
            delta.blocks.clear();
        }
        if delta != Delta::default() {
            run.rounds.push_back((run.round, delta, buffer.len()));
        }
        let deadline = run.deadline;
        self.step_take(number, deadline);
    }

    pub(super) fn take_cut(
        &mut self,
        peer: Peer,
        cut: &Cut,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let Some(run) = self.runs.get_mut(&cut.run) else {
            return Ok(());
        };
        if run.peer != peer {
            let what = "cut";
            return Err(Misbehaviour::OutOfTurn { what });
        }
        run.claims.remove(&cut.log);
        self.avoid(cut.log, now);
        self.outputs.push_back(Output::Reconcile(peer, cut.log));
        Ok(())
    }
}

//! Taking: what peers give in the runs they were asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uxf_engine::oplog::Reached;
use uxf_engine::oplog::identity::LogId;
use uxf_engine::profile::Delta;

use super::catch_up::take_offers;
use super::history::{HistoryError, Taken};
use super::machine::{OplogSync, Output};
use super::round::{read_round, salvage_round};
use super::store::StoreRequest;
use crate::wire::{Cut, DELTA_PART_BYTES_MAX, DeltaPart, Message, ROUNDS_MAX, StatementsDigest};
use crate::{Misbehaviour, Peer, Timestamp};

/// What a peer is to give, which is what it had said it has when it was asked. What it says later it may be unable to
/// give in the same run.
#[derive(Debug, Default)]
pub(super) struct Promised {
    /// How far it gives which logs.
    pub(super) logs: BTreeMap<LogId, u64>,
    /// Its statements, if it had said anything of them.
    pub(super) statements: Option<StatementsDigest>,
}

/// What a peer gives.
#[derive(Debug)]
pub(super) struct Run {
    peer: Peer,
    /// What comes in it; nothing is known of that while it is blind.
    promised: Promised,
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
        promised: Promised,
        is_blind: bool,
        deadline: Timestamp,
    ) -> Self {
        Self {
            peer,
            promised,
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
    pub(super) fn see(&mut self, promised: Promised, deadline: Timestamp) {
        self.promised = promised;
        self.is_blind = false;
        self.deadline = deadline;
    }

    pub(super) fn claims(&self, log: &LogId) -> bool {
        self.promised.logs.contains_key(log)
    }

    pub(super) fn claimed(&self, all: &mut BTreeSet<LogId>) {
        all.extend(self.promised.logs.keys());
    }

    /// Until when the next part must have come; none while this side is the slow one.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let waits = self.taking.is_none() && self.rounds.is_empty() && !self.is_detached;
        waits.then_some(self.deadline)
    }

    /// Whether something of it waits for the store.
    pub(super) fn is_storing(&self) -> bool {
        self.taking.is_some() || !self.rounds.is_empty()
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
        let mut delta = read_round(&bytes)?;
        let offers = take_offers(&mut delta)?;
        for offer in &offers {
            run.promised.logs.remove(&offer.header().log);
        }
        let is_empty = delta == Delta::default();
        let len = if is_empty { 0 } else { bytes.len() };
        run.rounds.push_back((part.round, delta, len));
        run.round = run.round.saturating_add(1);
        run.has_ended = part.ends_run;
        for offer in &offers {
            self.offered(peer, offer, now);
        }
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
                state.tried.extend(&run.promised.logs);
                state.tried_statements = run.promised.statements;
            }
            if let HistoryError::Gap { log } = &error {
                // Others may have all of it.
                let promised = run.promised.logs.get(log);
                state
                    .tried
                    .extend(promised.map(|next_seq| (*log, *next_seq)));
            }
        }
        match error {
            HistoryError::Forged => {
                let what = "a delta";
                if !run.is_detached {
                    self.disconnect(run.peer, Some(Misbehaviour::Forged { what }));
                }
            }
            HistoryError::Contradicts { log } => {
                if self.rewind(log, now) {
                    self.stuck(&run, log);
                }
            }
            HistoryError::Equivocation { log } => {
                self.outputs.push_back(Output::Forked(log));
                self.avoid(log, now);
                self.stuck(&run, log);
            }
            HistoryError::Gap { log } => {
                self.retry_later(now);
                self.stuck(&run, log);
            }
            HistoryError::Refused { log } | HistoryError::Compacted { log, .. } => {
                self.avoid(log, now);
                self.stuck(&run, log);
            }
            HistoryError::NotNow => self.retry_later(now),
            error @ HistoryError::Store(_) => self.fail(error, now),
        }
    }

    /// What a peer gave of a log is not taken.
    fn stuck(&mut self, run: &Run, log: LogId) {
        let state = self.peers.get(&run.peer).filter(|_| !run.is_detached);
        if let Some(theirs) = state.and_then(|state| state.theirs.as_ref()?.get(&log)) {
            let stuck = Output::Stuck(run.peer, log, theirs.next_seq);
            self.outputs.push_back(stuck);
        }
    }

    /// Nothing of a log is asked for in the next while.
    pub(super) fn avoid(&mut self, log: LogId, now: Timestamp) {
        self.rewind.remove(&log);
        self.avoid.insert(log, now + self.config.retry);
        self.retry_later(now);
    }

    /// Asks for more of the end of a log, up to all of it, so that the place is found where two histories part. Says
    /// whether it was not found.
    fn rewind(&mut self, log: LogId, now: Timestamp) -> bool {
        let have = self.have.as_ref().and_then(|have| have.vector.get(&log));
        let len = have.map_or(0, |reached| reached.next_seq.saturating_sub(1));
        let back = self
            .rewind
            .get(&log)
            .map_or(1, |back| back.saturating_mul(2).max(1));
        let is_all = self.rewind.get(&log).is_some_and(|back| *back >= len);
        let is_lost = is_all || len == 0;
        if is_lost {
            self.avoid(log, now);
        } else {
            self.rewind.insert(log, back);
        }
        is_lost
    }

    fn end_run(&mut self, number: u32, now: Timestamp) {
        let Some(run) = self.runs.remove(&number) else {
            return;
        };
        for log in run.promised.logs.keys() {
            self.rewind.remove(log);
        }
        let have = self.have.as_ref();
        let Some(state) = self.peers.get_mut(&run.peer).filter(|_| !run.is_detached) else {
            return;
        };
        state.run = None;
        let mut is_short = false;
        if let (Some(have), Some(theirs)) = (have, &state.theirs) {
            for (log, next_seq) in &run.promised.logs {
                let ours = have.vector.get(log).map_or(1, |ours| ours.next_seq);
                // What it has not given although it could, and two ends of one length that were fetched again while
                // nothing came of it.
                let is_apart = || is_apart(have.vector.get(log), theirs.get(log));
                if ours < *next_seq || (ours == *next_seq && is_apart()) {
                    state.tried.insert(*log, *next_seq);
                    let stuck = Output::Stuck(run.peer, *log, *next_seq);
                    self.outputs.push_back(stuck);
                    is_short = true;
                }
            }
            let statements = run.promised.statements;
            if statements.is_some_and(|statements| statements != have.statements) {
                state.tried_statements = statements;
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
        // Who could be asked for what they lack is gone.
        if take_offers(&mut delta).is_err() {
            delta.checkpoints.clear();
        }
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
        run.promised.logs.remove(&cut.log);
        let mut next_seq = cut.seq;
        if let Some(state) = self.peers.get_mut(&peer) {
            let theirs = state.theirs.as_ref().and_then(|all| all.get(&cut.log));
            next_seq = theirs.map_or(next_seq, |theirs| theirs.next_seq);
            // Others may have all of it.
            state.tried.insert(cut.log, next_seq);
        }
        self.retry_later(now);
        let reconcile = Output::Reconcile(peer, cut.log, next_seq);
        self.outputs.push_back(reconcile);
        Ok(())
    }
}

/// Whether two ends of a log, which are of one length, are of two histories.
fn is_apart(ours: Option<Reached>, theirs: Option<Reached>) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return false;
    };
    ours.next_seq == theirs.next_seq && ours.head != theirs.head
}

use core::time::Duration;

use uxf_engine::oplog::SignedCheckpoint;
use uxf_engine::profile::{CaughtUp, Delta, OwnEntries};

use super::state::{CatchUp, Stage};
use super::store::{CatchUpReply, CatchUpRequest};
use crate::oplog_sync::history::{HistoryError, Taken};
use crate::oplog_sync::machine::{OplogSync, Output, reaches};
use crate::oplog_sync::store::StoreRequest;
use crate::wire::{Compare, Compared, Entries, Message, RangeEntry};
use crate::{Misbehaviour, Peer, Timestamp};

/// Longest time from the header to the last entry. Meanwhile nobody else is asked for the log.
const CATCH_UP_TIME: Duration = Duration::from_secs(600);
/// Most questions in a row to which no entry came. Cutting a range of any size takes fewer.
const ROUNDS_MAX: u32 = 32;
/// Most logs that are caught up with.
const CATCH_UPS_MAX: usize = 64;

/// Takes the checkpoints out of a delta that came by their headers alone.
pub(in crate::oplog_sync) fn take_offers(
    delta: &mut Delta,
) -> Result<Vec<SignedCheckpoint>, Misbehaviour> {
    let mut offers = Vec::new();
    let mut whole = Vec::with_capacity(delta.checkpoints.len());
    for parts in delta.checkpoints.drain(..) {
        if !parts.segments.is_empty() {
            whole.push(parts);
            continue;
        }
        let what = "a checkpoint";
        let signed = SignedCheckpoint::decode(&parts.signed);
        let signed = signed.map_err(|_| Misbehaviour::Forged { what })?;
        // One without entries has nothing more to come.
        if signed.header().count == 0 {
            whole.push(parts);
        } else {
            offers.push(signed);
        }
    }
    delta.checkpoints = whole;
    Ok(offers)
}

impl OplogSync {
    /// A peer offers a checkpoint of which it did not send the entries.
    pub(in crate::oplog_sync) fn offered(
        &mut self,
        peer: Peer,
        signed: &SignedCheckpoint,
        now: Timestamp,
    ) {
        let log = signed.header().log;
        if self.catch_ups.is_of(&log) {
            return;
        }
        let asked_whole = self.rewind.contains_key(&log);
        if asked_whole || self.catch_ups.taking.len() >= CATCH_UPS_MAX {
            return self.avoid(log, now);
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            // The end of the run does not tell it that this side is as far.
            let theirs = state.theirs.as_ref().and_then(|theirs| theirs.get(&log));
            if let Some(reached) = theirs {
                state.owe(log, reached);
            }
        }
        let until = now + CATCH_UP_TIME;
        // Nobody else is asked for it meanwhile.
        self.avoid.insert(log, until);
        let one = CatchUp::new(peer, signed, until);
        let signed = one.signed.clone();
        let number = self.catch_ups.begin(one);
        self.ask_store(CatchUpRequest::Begin { number, signed });
    }

    pub(super) fn ask_store(&mut self, request: CatchUpRequest) {
        let request = StoreRequest::CatchUp(request);
        self.outputs.push_back(Output::Store(request));
    }

    pub(in crate::oplog_sync) fn take_entries(
        &mut self,
        peer: Peer,
        entries: Entries,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let held = self.buffered_bytes();
        let timeout = self.config.run_timeout;
        match self.catch_ups.asked.get_mut(&peer) {
            Some((log, deadline)) if *log == entries.log => *deadline = now + timeout,
            _ => {
                let what = "entries";
                return Err(Misbehaviour::OutOfTurn { what });
            }
        }
        let Some((number, one)) = self.catch_ups.asked_about(peer, &entries.log) else {
            // What was on its way when it was given up.
            return Ok(());
        };
        one.idle = 0;
        let mut came = 0_usize;
        for (entry, block) in entries.entries {
            came = came.saturating_add(entry.len() + block.as_ref().map_or(0, Vec::len));
            one.entries.push(entry);
            one.blocks.extend(block);
        }
        one.bytes = one.bytes.saturating_add(came);
        let is_over = one.bytes > self.config.round_bytes_max
            || u32::try_from(one.entries.len()).is_ok_and(|found| found > one.count);
        if held.saturating_add(came) > self.config.buffer_bytes_max {
            self.disconnect(peer, None);
        } else if is_over {
            self.ask_whole(number, now);
        }
        Ok(())
    }

    pub(in crate::oplog_sync) fn take_compared(
        &mut self,
        peer: Peer,
        compared: Compared,
        now: Timestamp,
    ) -> Result<(), Misbehaviour> {
        let about = self.catch_ups.asked.get(&peer).map(|(log, _)| *log);
        if about != Some(compared.log) {
            let what = "compared";
            return Err(Misbehaviour::OutOfTurn { what });
        }
        self.catch_ups.asked.remove(&peer);
        if let Some((number, one)) = self.catch_ups.asked_about(peer, &compared.log) {
            one.stage = Stage::Comparing;
            let own = one.own.clone();
            self.go_on(number, (compared.ranges, own), now);
        }
        self.ask_next(peer, now);
        Ok(())
    }

    /// A peer has answered.
    fn go_on(
        &mut self,
        number: u64,
        answer: (Option<Vec<RangeEntry>>, Option<OwnEntries>),
        now: Timestamp,
    ) {
        match answer {
            (Some(ranges), Some(_)) if ranges.is_empty() => self.adopt(number),
            (Some(ranges), Some(own)) => {
                self.ask_store(CatchUpRequest::Compare {
                    number,
                    own,
                    ranges,
                });
            }
            _ => self.ask_whole(number, now),
        }
    }

    fn adopt(&mut self, number: u64) {
        let Some(one) = self.catch_ups.taking.get_mut(&number) else {
            return;
        };
        let Some(own) = one.own.clone() else {
            return;
        };
        one.stage = Stage::Adopting;
        let caught_up = Box::new(CaughtUp {
            signed: one.signed.clone(),
            own,
            dropped: core::mem::take(&mut one.dropped),
            entries: core::mem::take(&mut one.entries),
            blocks: core::mem::take(&mut one.blocks),
        });
        self.ask_store(CatchUpRequest::Adopt { number, caught_up });
    }

    /// Asks the peer what its checkpoint has in ranges, once it has answered what it was asked before.
    fn ask_peer(&mut self, number: u64, ranges: Vec<RangeEntry>, now: Timestamp) {
        let Some(one) = self.catch_ups.taking.get_mut(&number) else {
            return;
        };
        one.idle = one.idle.saturating_add(1);
        if one.idle > ROUNDS_MAX {
            return self.ask_whole(number, now);
        }
        one.stage = Stage::Waiting(ranges);
        let peer = one.peer;
        self.ask_next(peer, now);
    }

    /// Asks a peer the next question, if it has answered the last one.
    fn ask_next(&mut self, peer: Peer, now: Timestamp) {
        if self.catch_ups.asked.contains_key(&peer) {
            return;
        }
        let mut all = self.catch_ups.taking.values_mut();
        let next = all.find(|one| one.peer == peer && matches!(one.stage, Stage::Waiting(_)));
        let Some(one) = next else {
            return;
        };
        let Stage::Waiting(ranges) = core::mem::replace(&mut one.stage, Stage::Asked) else {
            return;
        };
        let compare = Message::Compare(Compare {
            log: one.log,
            checkpoint: one.checkpoint,
            ranges,
        });
        let deadline = now + self.config.run_timeout;
        self.catch_ups.asked.insert(peer, (one.log, deadline));
        self.outputs.push_back(Output::Send(peer, compare));
    }

    pub(in crate::oplog_sync) fn caught_up(&mut self, reply: CatchUpReply, now: Timestamp) {
        match reply {
            CatchUpReply::Begin { number, begun } => match begun {
                Ok(Some((own, ranges))) => {
                    if let Some(one) = self.catch_ups.taking.get_mut(&number) {
                        one.own = Some(own);
                    }
                    self.ask_peer(number, ranges, now);
                }
                Ok(None) => self.brings_nothing(number, now),
                Err(error) => self.refused(number, error, now),
            },
            CatchUpReply::Compare { number, found } => match found {
                Ok((dropped, ranges)) => {
                    if let Some(one) = self.catch_ups.taking.get_mut(&number) {
                        one.dropped.extend(dropped);
                    }
                    if ranges.is_empty() {
                        self.adopt(number);
                    } else {
                        self.ask_peer(number, ranges, now);
                    }
                }
                Err(error) => self.refused(number, error, now),
            },
            CatchUpReply::Adopt {
                number,
                adopted,
                have,
            } => {
                self.learn(have, now);
                match adopted {
                    Ok(taken) if taken.new > 0 => self.adopted(number, taken),
                    Ok(_) => self.brings_nothing(number, now),
                    Err(error) => self.refused(number, error, now),
                }
            }
            CatchUpReply::Answer { peer, log, answer } => self.answered(peer, log, answer, now),
        }
    }

    fn adopted(&mut self, number: u64, taken: Taken) {
        let Some(one) = self.end(number) else {
            return;
        };
        if let Some(state) = self.peers.get_mut(&one.peer) {
            // What is behind the checkpoint is wanted now.
            state.tried.remove(&one.log);
        }
        self.outputs.push_back(Output::Pulled(one.peer, taken));
    }

    /// The checkpoint is of no use here, or its time has not come.
    fn brings_nothing(&mut self, number: u64, now: Timestamp) {
        if let Some(one) = self.end(number) {
            self.avoid(one.log, now);
        }
    }

    fn refused(&mut self, number: u64, error: HistoryError, now: Timestamp) {
        let is_begun = |one: &CatchUp| one.own.is_some();
        let begun = self.catch_ups.taking.get(&number).is_some_and(is_begun);
        match error {
            // Nobody's device signed it, or not of this profile.
            HistoryError::Forged if !begun => {
                let what = "a checkpoint";
                if let Some(one) = self.end(number) {
                    self.disconnect(one.peer, Some(Misbehaviour::Forged { what }));
                }
            }
            HistoryError::Refused { .. } => self.brings_nothing(number, now),
            HistoryError::Store(_) => {
                self.brings_nothing(number, now);
                self.fail(error, now);
            }
            _ => self.ask_whole(number, now),
        }
    }

    /// Gives up: the checkpoint is wanted whole.
    fn ask_whole(&mut self, number: u64, now: Timestamp) {
        let Some(one) = self.end(number) else {
            return;
        };
        let behind = one.covered.saturating_add(1);
        let have = self.have.as_ref();
        // Somebody else may have brought more meanwhile.
        if have.is_none_or(|have| !reaches(&have.vector, &one.log, behind)) {
            self.rewind.insert(one.log, 0);
        }
        self.retry_later(now);
    }

    fn end(&mut self, number: u64) -> Option<CatchUp> {
        let one = self.catch_ups.taking.remove(&number)?;
        self.avoid.remove(&one.log);
        Some(one)
    }

    /// A peer is gone: others may be asked for what it gave.
    pub(in crate::oplog_sync) fn drop_catch_ups(&mut self, peer: Peer) {
        self.catch_ups.answering.remove(&peer);
        self.catch_ups.asked.remove(&peer);
        let of_peer = self.catch_ups.of_peer(peer);
        let of_peer: Vec<u64> = of_peer.map(|(number, _)| number).collect();
        for number in of_peer {
            self.end(number);
        }
    }

    pub(in crate::oplog_sync) fn time_out_catch_ups(&mut self, now: Timestamp) {
        let late = self.catch_ups.asked.iter();
        let late = late.filter(|(_, (_, deadline))| *deadline <= now);
        let late: Vec<Peer> = late.map(|(peer, _)| *peer).collect();
        for peer in late {
            self.disconnect(peer, None);
        }
        let over = self.catch_ups.taking.iter();
        let over = over.filter(|(_, one)| one.until <= now);
        let over: Vec<u64> = over.map(|(number, _)| *number).collect();
        for number in over {
            self.ask_whole(number, now);
        }
    }
}

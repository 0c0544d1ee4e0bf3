//! Giving: what a peer asked for in its hello.

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{CommitId, LogHead, Reached, VersionVector};

use super::history::{Given, HistoryError};
use super::machine::{OplogSync, Output, raise, set};
use super::round::encode_round;
use super::store::StoreRequest;
use crate::wire::{
    Cut, DELTA_PART_BYTES_MAX, DeltaPart, Hello, Message, ROUNDS_MAX, StatementsDigest,
};
use crate::{Misbehaviour, Peer, Timestamp};

/// What a peer is given.
#[derive(Debug)]
pub(super) struct Push {
    run: u32,
    /// How far the peer is once all that was sent is taken in; what it does not want counts as there.
    from: VersionVector,
    /// The statements it knows then.
    statements: StatementsDigest,
    /// Rounds that were sent, and of these acknowledged.
    sent: u32,
    acked: u32,
    /// Whether the last round was sent.
    has_ended: bool,
}

impl Push {
    /// Whether there is something to send still.
    pub(super) const fn goes_on(&self) -> bool {
        !self.has_ended
    }
}

impl OplogSync {
    pub(super) fn begin_push(&mut self, peer: Peer, hello: Hello) {
        let mut from = hello.vector;
        for log in hello.skip {
            skip(&mut from, log);
        }
        for (log, seq) in hello.again {
            if let Some(known) = from.get(&log) {
                let next_seq = known.next_seq.min(seq.max(1));
                set(&mut from, log, Reached { next_seq, ..known });
            }
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.push = Some(Push {
                run: hello.run,
                from,
                statements: hello.statements,
                sent: 0,
                acked: 0,
                has_ended: false,
            });
        }
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
        if state.is_reading || push.sent.saturating_sub(push.acked) >= window {
            return;
        }
        state.is_reading = true;
        self.outputs.push_back(Output::Store(StoreRequest::Give {
            peer,
            run: push.run,
            from: push.from.clone(),
            bytes_max,
        }));
    }

    pub(super) fn give(
        &mut self,
        peer: Peer,
        run: u32,
        given: Result<(Given, StatementsDigest), HistoryError>,
        now: Timestamp,
    ) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        state.is_reading = false;
        let Some(push) = state.push.as_mut().filter(|push| push.run == run) else {
            // The peer began anew meanwhile.
            return self.step_push(peer);
        };
        match given {
            Ok((mut given, statements)) => {
                if statements == push.statements {
                    given.delta.certificates.clear();
                    given.delta.revocations.clear();
                    given.delta.forks.clear();
                }
                push.statements = statements;
                let round = push.sent;
                push.sent = push.sent.saturating_add(1);
                push.has_ended = !given.delta.is_partial;
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
                self.send_round(peer, (run, round, ends_run), &encode_round(&given.delta));
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
                self.send_round(peer, (run, round, true), &[]);
                self.fail(error, now);
            }
        }
        self.step_push(peer);
    }

    fn send_round(&mut self, peer: Peer, (run, round, ends_run): (u32, u32, bool), bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            let len = rest.len().min(DELTA_PART_BYTES_MAX);
            let (part, behind) = rest.split_at(len);
            rest = behind;
            let ends_round = rest.is_empty();
            let part = DeltaPart {
                run,
                round,
                ends_round,
                ends_run: ends_run && ends_round,
                bytes: part.to_vec(),
            };
            let part = Message::Delta(part);
            self.outputs.push_back(Output::Send(peer, part));
            if ends_round {
                return;
            }
        }
    }

    pub(super) fn take_ack(
        &mut self,
        peer: Peer,
        run: u32,
        round: u32,
    ) -> Result<(), Misbehaviour> {
        let push = self
            .peers
            .get_mut(&peer)
            .and_then(|state| state.push.as_mut());
        // Of another run than the last: the peer began anew before it had this one taken in.
        let Some(push) = push.filter(|push| push.run == run) else {
            return Ok(());
        };
        if round != push.acked || round >= push.sent {
            let what = "ack";
            return Err(Misbehaviour::OutOfTurn { what });
        }
        push.acked = round.saturating_add(1);
        if push.has_ended && push.acked == push.sent {
            self.outputs.push_back(Output::Pushed(peer));
        }
        self.step_push(peer);
        Ok(())
    }
}

/// Has a log count as known to its end.
fn skip(vector: &mut VersionVector, log: LogId) {
    let head = LogHead::empty(log)
        .head
        .unwrap_or(CommitId::from_bytes([0; 32]));
    let next_seq = u64::MAX;
    set(vector, log, Reached { next_seq, head });
}

//! What peers are told of the ends of logs, and what they are known to have heard and to have.

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Reached, VersionVector};

use super::machine::{OplogSync, Output, PeerState, raise};
use super::push::Push;
use crate::wire::{Announce, Message};
use crate::{Misbehaviour, Peer};

impl PeerState {
    /// It says how far it is.
    pub(super) fn heard(&mut self, theirs: &VersionVector) {
        let is_there = |log: &LogId, next_seq: u64| {
            let theirs = theirs.get(log);
            theirs.is_some_and(|theirs| theirs.next_seq >= next_seq)
        };
        self.told_heads
            .retain(|log, next_seq| !is_there(log, *next_seq));
    }

    /// It says how far it is with a log: it is to hear when this side is as far, unless it has heard that already.
    pub(super) fn owe(&mut self, log: LogId, reached: Reached) {
        let said = self.said.get(&log).copied();
        if said.unwrap_or(1) < reached.next_seq {
            self.owed.insert(log, reached.next_seq);
        }
    }
}

impl OplogSync {
    pub(super) fn take_announce(
        &mut self,
        peer: Peer,
        announce: &Announce,
    ) -> Result<(), Misbehaviour> {
        let state = self.peers.get_mut(&peer);
        let Some((state, mut theirs)) = state.and_then(|state| {
            let theirs = state.theirs.take()?;
            Some((state, theirs))
        }) else {
            let what = "announce";
            return Err(Misbehaviour::OutOfTurn { what });
        };
        state.statements = announce.statements;
        state.heard(&announce.heads);
        for (log, reached) in announce.heads.iter() {
            state.owe(log, reached);
            raise(&mut theirs, log, reached);
        }
        state.theirs = Some(theirs);
        Ok(())
    }

    /// Says what is new here to a peer that does not know it and is not being given it anyway.
    pub(super) fn announce(&mut self, peer: Peer) {
        let (Some(have), Some(state)) = (&self.have, self.peers.get_mut(&peer)) else {
            return;
        };
        // Hello comes first.
        if !state.is_greeted {
            return;
        }
        let is_being_given = state.push.as_ref().is_some_and(Push::goes_on);
        let Some(theirs) = state.theirs.as_mut().filter(|_| !is_being_given) else {
            return;
        };
        let mut heads = VersionVector::default();
        for missing in have.vector.missing_from(theirs) {
            if let Some(reached) = have.vector.get(&missing.log) {
                raise(&mut heads, missing.log, reached);
            }
        }
        if heads == VersionVector::default() && state.told == have.statements {
            return;
        }
        for (log, reached) in heads.iter() {
            raise(theirs, log, reached);
            state.said.insert(log, reached.next_seq);
            state.told_heads.insert(log, reached.next_seq);
        }
        state.told = have.statements;
        let statements = have.statements;
        let announce = Message::Announce(Announce { statements, heads });
        self.outputs.push_back(Output::Send(peer, announce));
    }

    /// Tells peers that what they told of is here by now. Who gave it hears that with its last round.
    pub(super) fn confirm(&mut self) {
        let Some(have) = &self.have else {
            return;
        };
        for (peer, state) in self.peers.iter_mut().filter(|(_, state)| state.is_greeted) {
            let mut heads = VersionVector::default();
            state.owed.retain(|log, next_seq| {
                let here = have.vector.get(log);
                let here = here.filter(|reached| reached.next_seq >= *next_seq);
                if let Some(reached) = here {
                    raise(&mut heads, *log, reached);
                }
                here.is_none()
            });
            let Some(theirs) = state
                .theirs
                .as_mut()
                .filter(|_| heads.iter().next().is_some())
            else {
                continue;
            };
            for (log, reached) in heads.iter() {
                // It may be further here than the peer is.
                if theirs
                    .get(&log)
                    .is_none_or(|theirs| theirs.next_seq < reached.next_seq)
                {
                    state.told_heads.insert(log, reached.next_seq);
                }
                state.said.insert(log, reached.next_seq);
                raise(theirs, log, reached);
            }
            state.told = have.statements;
            let statements = have.statements;
            let announce = Message::Announce(Announce { statements, heads });
            self.outputs.push_back(Output::Send(*peer, announce));
        }
    }
}

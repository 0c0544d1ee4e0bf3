//! What peers are told of the ends of logs, and what they are known to have heard and to have.

use uxf_engine::oplog::identity::LogId;
use uxf_engine::oplog::{Reached, VersionVector};

use super::machine::{OplogSync, Output, PeerState, raise, reaches};
use super::pull::Promised;
use super::push::Push;
use super::store::Have;
use crate::wire::{Announce, Message, StatementsDigest};
use crate::{Misbehaviour, Peer};

impl PeerState {
    /// It says how far it is.
    pub(super) fn heard(&mut self, theirs: &VersionVector) {
        self.told_heads
            .retain(|log, next_seq| !reaches(theirs, log, *next_seq));
    }

    /// It says how far it is with a log: it is to hear when this side is as far, unless it has heard that already.
    pub(super) fn owe(&mut self, log: LogId, reached: Reached) {
        let said = self.said.get(&log).copied();
        if said.unwrap_or(1) < reached.next_seq {
            self.owed.insert(log, reached.next_seq);
        }
    }

    /// A hello tells it all that is here and asks for what was promised. It is owed neither of them any more: the hello
    /// says the one, the acknowledgement of the last round the other.
    pub(super) fn greet(&mut self, have: &Have, promised: Option<&Promised>) {
        self.is_greeted = true;
        self.told = have.statements;
        let here = have.vector.iter();
        self.said = here.map(|(log, here)| (log, here.next_seq)).collect();
        self.owed.retain(|log, next_seq| {
            let is_asked = promised.is_some_and(|promised| promised.logs.contains_key(log));
            !is_asked && !reaches(&have.vector, log, *next_seq)
        });
    }

    /// What it is owed and is here by now, which it is owed no longer.
    fn take_owed(&mut self, here: &VersionVector) -> VersionVector {
        let mut heads = VersionVector::default();
        self.owed.retain(|log, next_seq| {
            let is_here = reaches(here, log, *next_seq);
            if let Some(reached) = here.get(log).filter(|_| is_here) {
                raise(&mut heads, *log, reached);
            }
            !is_here
        });
        heads
    }

    /// Tells it how far this side is with some logs, and of the statements here; gives the message that says so.
    fn tell(&mut self, heads: VersionVector, statements: StatementsDigest) -> Message {
        for (log, reached) in heads.iter() {
            self.said.insert(log, reached.next_seq);
            let Some(theirs) = &mut self.theirs else {
                continue;
            };
            // What it told of itself is no news to it.
            if !reaches(theirs, &log, reached.next_seq) {
                self.told_heads.insert(log, reached.next_seq);
            }
            raise(theirs, log, reached);
        }
        self.told = statements;
        Message::Announce(Announce { statements, heads })
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
        let Some(theirs) = state.theirs.as_ref().filter(|_| !is_being_given) else {
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
        let announce = state.tell(heads, have.statements);
        self.outputs.push_back(Output::Send(peer, announce));
    }

    /// Tells peers that what they told of is here by now. Who gave it hears that with its last round.
    pub(super) fn confirm(&mut self) {
        let Some(have) = &self.have else {
            return;
        };
        for (peer, state) in self.peers.iter_mut().filter(|(_, state)| state.is_greeted) {
            let heads = state.take_owed(&have.vector);
            if heads != VersionVector::default() {
                let announce = state.tell(heads, have.statements);
                self.outputs.push_back(Output::Send(*peer, announce));
            }
        }
    }
}

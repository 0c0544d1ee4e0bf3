//! Hellos: what is asked of which peer.

use std::collections::{BTreeMap, BTreeSet};

use uxf_engine::oplog::identity::LogId;

use super::machine::{OplogSync, Output, reaches};
use super::pull::{Promised, Run};
use crate::wire::{AGAIN_MAX, Hello, Message, SKIPS_MAX};
use crate::{Peer, Timestamp};

impl OplogSync {
    pub(super) fn take_hello(&mut self, peer: Peer, hello: Hello, now: Timestamp) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let (pull, run) = (hello.is_pull, state.run);
        state.statements = hello.statements;
        if let Some(push) = state.push.take_if(|_| pull) {
            state.told_heads.extend(push.into_settles());
        }
        state.heard(&hello.vector);
        for (log, reached) in hello.vector.iter() {
            state.owe(log, reached);
        }
        state.theirs = Some(hello.vector.clone());
        if pull {
            self.begin_push(peer, hello);
        }
        if let Some(run) = run
            && self.runs.get(&run).is_some_and(Run::is_blind)
        {
            let mut claims = self.wanted_from(peer, Some(run));
            // Their ends were not asked for again.
            claims.retain(|log| !self.rewind.contains_key(log));
            let promised = self.promised_by(peer, claims);
            let deadline = now + self.config.run_timeout;
            if let Some(run) = self.runs.get_mut(&run) {
                run.see(promised, deadline);
            }
        }
    }

    /// Says hello to new peers. Only one at a time is asked without knowing what it has, for two might give the same.
    pub(super) fn greet(&mut self, now: Timestamp) {
        if self.have.is_none() {
            return;
        }
        let new = self.peers.iter().filter(|(_, state)| !state.is_greeted);
        let new: Vec<Peer> = new.map(|(peer, _)| *peer).collect();
        for peer in new {
            let wanted = match self.peers.get(&peer).map(|state| state.theirs.is_some()) {
                Some(true) => self.wanted_of(peer),
                _ if self.runs.values().any(Run::is_blind) => None,
                _ => Some(BTreeSet::new()),
            };
            self.say_hello(peer, wanted, now);
        }
    }

    /// Asks peers for what they have and nobody gives yet.
    pub(super) fn plan(&mut self, now: Timestamp) {
        if self.runs.values().any(Run::is_blind) {
            return;
        }
        let peers: Vec<Peer> = self.peers.keys().copied().collect();
        for peer in peers {
            let Some(state) = self.peers.get(&peer) else {
                continue;
            };
            if !state.is_greeted || state.theirs.is_none() || state.run.is_some() {
                continue;
            }
            if let Some(wanted) = self.wanted_of(peer) {
                self.say_hello(peer, Some(wanted), now);
            }
        }
    }

    /// The logs that are wanted of a peer, perhaps none but its statements; `None` if there is nothing to ask it for.
    fn wanted_of(&mut self, peer: Peer) -> Option<BTreeSet<LogId>> {
        let wanted = self.wanted_from(peer, None);
        let (have, state) = (self.have.as_ref()?, self.peers.get(&peer)?);
        let is_tried = state.tried_statements == Some(state.statements);
        let differ = have.statements != state.statements && !is_tried;
        (differ || state.is_doubted || !wanted.is_empty()).then_some(wanted)
    }

    /// Logs of which a peer has more than is here and that nobody gives.
    pub(super) fn wanted_from(&mut self, peer: Peer, run: Option<u32>) -> BTreeSet<LogId> {
        let mut wanted = BTreeSet::new();
        let (Some(have), Some(state)) = (&self.have, self.peers.get(&peer)) else {
            return wanted;
        };
        let Some(theirs) = &state.theirs else {
            return wanted;
        };
        for log in have.vector.diverged(theirs) {
            self.rewind.entry(log).or_insert(1);
        }
        for (log, reached) in theirs.iter() {
            let is_here = reaches(&have.vector, &log, reached.next_seq);
            let is_more = !is_here || self.rewind.contains_key(&log);
            let is_tried = state.tried.get(&log) == Some(&reached.next_seq);
            let others = self.runs.iter().filter(|(number, _)| Some(**number) != run);
            let is_claimed = || others.clone().any(|(_, run)| run.claims(&log));
            if is_more && !is_tried && !self.avoid.contains_key(&log) && !is_claimed() {
                wanted.insert(log);
            }
        }
        wanted
    }

    /// What a peer that is asked for logs now is to give: all that it said it has.
    fn promised_by(&self, peer: Peer, logs: BTreeSet<LogId>) -> Promised {
        let state = self.peers.get(&peer);
        let known = state.and_then(|state| Some((state, state.theirs.as_ref()?)));
        let Some((state, theirs)) = known else {
            return Promised::default();
        };
        let said = |log: LogId| Some((log, theirs.get(&log)?.next_seq));
        Promised {
            logs: logs.into_iter().filter_map(said).collect(),
            statements: Some(state.statements),
        }
    }

    /// Says hello; with logs to be given, a run begins.
    fn say_hello(&mut self, peer: Peer, wanted: Option<BTreeSet<LogId>>, now: Timestamp) {
        let Some(have) = &self.have else {
            return;
        };
        let mut skip: BTreeSet<LogId> = self.avoid.keys().copied().collect();
        for run in self.runs.values() {
            run.claimed(&mut skip);
        }
        if let Some(wanted) = &wanted {
            // What it did not give it is not to try once more.
            let tried = self.peers.get(&peer).map(|state| &state.tried);
            skip.extend(tried.into_iter().flat_map(BTreeMap::keys));
            skip.retain(|log| !wanted.contains(log));
        }
        let again = self.rewind.iter().filter_map(|(log, back)| {
            wanted.as_ref().filter(|wanted| wanted.contains(log))?;
            let reached = have.vector.get(log)?;
            Some((*log, reached.next_seq.saturating_sub(*back).max(1)))
        });
        let again: Vec<(LogId, u64)> = again.take(AGAIN_MAX).collect();
        let promised = wanted.map(|wanted| self.promised_by(peer, wanted));
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        let run = self.next_run;
        self.next_run = self.next_run.wrapping_add(1);
        let hello = Hello {
            run,
            is_pull: promised.is_some(),
            statements: have.statements,
            skip: skip.into_iter().take(SKIPS_MAX).collect(),
            again,
            vector: have.vector.clone(),
        };
        state.greet(have, promised.as_ref());
        if let Some(promised) = promised {
            let is_blind = state.theirs.is_none();
            let timeout = if is_blind {
                self.config.hello_timeout
            } else {
                self.config.run_timeout
            };
            state.run = Some(run);
            state.is_doubted = false;
            let begun = Run::new(peer, promised, is_blind, now + timeout);
            self.runs.insert(run, begun);
        }
        self.outputs
            .push_back(Output::Send(peer, Message::Hello(hello)));
    }
}

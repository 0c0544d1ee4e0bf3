//! Asking a peer what it has, without having it.

use uxf_codec::ElementHash;

use super::machine::{BlockExchange, Output};
use crate::wire::{Have, Message, WANTS_MAX, Want, WantKind};
use crate::{Misbehaviour, Peer, Timestamp};

/// What a peer was asked.
#[derive(Debug)]
pub(super) struct Question {
    request: u32,
    hashes: Vec<ElementHash>,
    deadline: Timestamp,
}

impl Question {
    pub(super) const fn deadline(&self) -> Timestamp {
        self.deadline
    }
}

impl BlockExchange {
    pub(super) fn ask_about(&mut self, peer: Peer, mut hashes: Vec<ElementHash>, now: Timestamp) {
        if !self.peers.contains_key(&peer) || self.questions.contains_key(&peer) {
            return;
        }
        hashes.truncate(WANTS_MAX);
        if hashes.is_empty() {
            return self.outputs.push_back(Output::Told(peer, Vec::new()));
        }
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        let want = Want::of_hashes(request, WantKind::Have, &hashes);
        let question = Question {
            request,
            hashes,
            deadline: now + self.config.request_timeout,
        };
        self.questions.insert(peer, question);
        self.outputs
            .push_back(Output::Send(peer, Message::Want(want)));
    }

    pub(super) fn take_have(&mut self, peer: Peer, have: &Have) -> Result<(), Misbehaviour> {
        let question = self.questions.remove(&peer);
        let is_answer = |question: &Question| {
            question.request == have.request && question.hashes.len() == have.present.len()
        };
        let Some(question) = question.filter(is_answer) else {
            let what = "have";
            return Err(Misbehaviour::OutOfTurn { what });
        };
        let told = question
            .hashes
            .into_iter()
            .zip(have.present.iter().copied());
        self.outputs.push_back(Output::Told(peer, told.collect()));
        Ok(())
    }

    /// Whether roots are wanted and somebody may still give them; `false` while only those are wanted that nobody had who was asked.
    pub fn is_busy(&self) -> bool {
        let is_asked = self.peers.values().any(|asked| !asked.is_empty());
        self.graph.roots().next().is_some()
            && (is_asked || self.is_looking || self.graph.is_storing() || !self.graph.is_starved())
    }
}

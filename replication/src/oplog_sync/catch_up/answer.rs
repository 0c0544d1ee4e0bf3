//! Answering what others ask about a checkpoint.

use uxf_engine::oplog::identity::LogId;

use super::store::CatchUpRequest;
use crate::oplog_sync::history::HistoryError;
use crate::oplog_sync::machine::{OplogSync, Output};
use crate::reconcile::{Answer, Proven};
use crate::wire::{Compare, Compared, ENTRIES_BYTES_TARGET, ENTRIES_MAX, Entries, Message};
use crate::{Misbehaviour, Peer, Timestamp};

impl OplogSync {
    pub(in crate::oplog_sync) fn take_compare(
        &mut self,
        peer: Peer,
        compare: Compare,
    ) -> Result<(), Misbehaviour> {
        if !self.catch_ups.answering.insert(peer) {
            let what = "compare";
            return Err(Misbehaviour::TooMuch { what });
        }
        self.ask_store(CatchUpRequest::Answer {
            peer,
            log: compare.log,
            checkpoint: compare.checkpoint,
            ranges: compare.ranges,
        });
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        peer: Peer,
        log: LogId,
        answer: Result<Option<Answer>, HistoryError>,
        now: Timestamp,
    ) {
        if !self.catch_ups.answering.remove(&peer) {
            return;
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.fail(error, now);
                None
            }
        };
        let (operations, ranges) = match answer {
            Some(answer) => (answer.operations, Some(answer.ranges)),
            None => (Vec::new(), None),
        };
        let mut send = |message| self.outputs.push_back(Output::Send(peer, message));
        packed(log, operations).into_iter().for_each(&mut send);
        send(Message::Compared(Compared { log, ranges }));
    }
}

/// Entries in messages of bounded size.
fn packed(log: LogId, all: Vec<Proven>) -> Vec<Message> {
    let (mut messages, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    let mut close = |entries: &mut Vec<_>| {
        let entries = core::mem::take(entries);
        messages.push(Message::Entries(Entries { log, entries }));
    };
    for one in all {
        let len = one.proof.len() + one.value.as_ref().map_or(0, Vec::len);
        if !entries.is_empty()
            && (bytes + len > ENTRIES_BYTES_TARGET || entries.len() >= ENTRIES_MAX)
        {
            close(&mut entries);
            bytes = 0;
        }
        bytes += len;
        entries.push((one.proof, one.value));
    }
    if !entries.is_empty() {
        close(&mut entries);
    }
    messages
}

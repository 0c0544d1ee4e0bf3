//! What is held of one peer: what it sent and is not dealt with, and what is to be sent to it.

use std::collections::VecDeque;

use super::answer::Answer;
use super::machine::Reconciled;
use super::source::Proven;
use crate::wire::{
    Bound, Message, OPERATIONS_BYTES_TARGET, OPERATIONS_MAX, RangeContent, RangeEntry,
};
use crate::{Misbehaviour, Timestamp};

/// Bytes that are handed out before the first of them must have left.
const FLIGHT_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) enum Queued {
    Begin,
    Ranges(Vec<RangeEntry>, usize),
    Operations(Vec<Vec<u8>>, Vec<Vec<u8>>, usize),
}

#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Whether one goes on: something is to be said by either side.
    pub(super) is_open: bool,
    queue: VecDeque<Queued>,
    /// Bytes of operations that came and are not taken in, and of ranges that are not answered.
    operations_bytes: usize,
    ranges_bytes: usize,
    /// Values for the operations that come next.
    values: Vec<Vec<u8>>,
    /// Until when these must have come.
    values_until: Option<Timestamp>,
    /// Bytes of operations and of ranges that the store has been given, while it has not replied.
    busy: Option<(usize, usize)>,
    /// Messages that are to be sent, and bytes that were handed out since all had left.
    outgoing: VecDeque<(Message, usize)>,
    outgoing_bytes: usize,
    flight: usize,
    /// Until when an answer is waited for.
    pub(super) deadline: Option<Timestamp>,
    /// Answers since something new came or went.
    idle: u32,
    /// Operations that came since the last answer, and of these that count; and for how many answers in a row some came,
    /// none counted, and none was given for them.
    came: (u64, u64),
    barren: u32,
    /// How many conversations the peer may begin now, as of when.
    credit: Option<(u32, Timestamp)>,
    sum: Reconciled,
}

impl Talk {
    /// Bytes that came and are not dealt with.
    pub(super) const fn buffered_bytes(&self) -> usize {
        self.operations_bytes.saturating_add(self.ranges_bytes)
    }

    /// Bytes that wait to be sent.
    pub(super) const fn queued_bytes(&self) -> usize {
        self.outgoing_bytes
    }

    /// When the peer is too late.
    pub(super) fn timeout(&self) -> Option<Timestamp> {
        self.deadline.into_iter().chain(self.values_until).min()
    }

    /// Whether the store has something to do for it.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Whether the peer may begin one more conversation: so many at once, and one more each time that passes.
    pub(super) fn may_begin(&mut self, most: u32, every_ms: u64, now: Timestamp) -> bool {
        let (mut credit, mut since) = self.credit.unwrap_or((most, now));
        let passed = now.as_millis().saturating_sub(since.as_millis());
        let more = passed.checked_div(every_ms).unwrap_or(u64::MAX);
        if more > 0 {
            credit = credit.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            credit = credit.min(most);
            since = now;
        }
        self.credit = Some((credit.saturating_sub(1), since));
        credit > 0
    }

    pub(super) fn begin(&mut self) {
        self.is_open = true;
        self.queue.push_back(Queued::Begin);
    }

    pub(super) fn take_ranges(&mut self, ranges: Vec<RangeEntry>) -> Result<(), Misbehaviour> {
        // Both may have begun at once; more than that is a flood.
        let waiting = self.queue.iter();
        let waiting = waiting.filter(|one| matches!(one, Queued::Ranges(..)));
        if waiting.count() >= 2 {
            let what = "ranges";
            return Err(Misbehaviour::TooMuch { what });
        }
        // From here on this side is the one that is waited for.
        self.deadline = None;
        self.values_until = None;
        let unused = byte_len(&core::mem::take(&mut self.values));
        self.operations_bytes = self.operations_bytes.saturating_sub(unused);
        let bytes = ranges_len(&ranges);
        self.ranges_bytes = self.ranges_bytes.saturating_add(bytes);
        self.queue.push_back(Queued::Ranges(ranges, bytes));
        Ok(())
    }

    pub(super) fn take_operations(
        &mut self,
        all: Vec<Vec<u8>>,
        most: usize,
    ) -> Result<(), Misbehaviour> {
        let bytes = byte_len(&all);
        self.operations_bytes = self.operations_bytes.saturating_add(bytes);
        if self.operations_bytes > most {
            let what = "operations";
            return Err(Misbehaviour::TooMuch { what });
        }
        self.values_until = None;
        let values = core::mem::take(&mut self.values);
        let bytes = bytes.saturating_add(byte_len(&values));
        self.queue.push_back(Queued::Operations(all, values, bytes));
        Ok(())
    }

    /// A value, for which there must be an operation before a time.
    pub(super) fn take_value(
        &mut self,
        value: Vec<u8>,
        most: usize,
        until: Timestamp,
    ) -> Result<(), Misbehaviour> {
        self.operations_bytes = self.operations_bytes.saturating_add(value.len());
        if self.operations_bytes > most || self.values.len() >= OPERATIONS_MAX {
            let what = "values";
            return Err(Misbehaviour::TooMuch { what });
        }
        self.values_until.get_or_insert(until);
        self.values.push(value);
        Ok(())
    }

    /// What is to be dealt with next. Nothing more is said before what was said last is on its way; what came is taken in
    /// all the same, or two sides might wait for each other.
    pub(super) fn next(&mut self) -> Option<Queued> {
        if self.is_busy() {
            return None;
        }
        let mut at = 0;
        if !self.outgoing.is_empty() {
            let is_taken = |one: &Queued| matches!(one, Queued::Operations(..));
            at = self.queue.iter().position(is_taken)?;
        }
        let next = self.queue.remove(at)?;
        self.busy = Some(match &next {
            Queued::Begin => (0, 0),
            Queued::Ranges(_, bytes) => (0, *bytes),
            Queued::Operations(_, _, bytes) => (*bytes, 0),
        });
        Some(next)
    }

    /// The store has done with what was given to it last.
    pub(super) fn finished(&mut self) {
        let (operations, ranges) = self.busy.take().unwrap_or_default();
        self.operations_bytes = self.operations_bytes.saturating_sub(operations);
        self.ranges_bytes = self.ranges_bytes.saturating_sub(ranges);
    }

    /// Has an answer sent.
    pub(super) fn say(&mut self, answer: Answer) {
        let operations = packed(answer.operations).into_iter();
        let bytes = ranges_len(&answer.ranges);
        let ranges = (Message::Ranges(answer.ranges), bytes);
        for (message, bytes) in operations.chain([ranges]) {
            self.outgoing_bytes = self.outgoing_bytes.saturating_add(bytes);
            self.outgoing.push_back((message, bytes));
        }
    }

    /// Operations came and were taken in; so many of them count now.
    pub(super) const fn took(&mut self, received: u64, new: u64) {
        self.sum.received = self.sum.received.saturating_add(received);
        self.sum.new = self.sum.new.saturating_add(new);
        self.came.0 = self.came.0.saturating_add(received);
        self.came.1 = self.came.1.saturating_add(new);
        if new > 0 {
            self.idle = 0;
        }
    }

    /// It is answered, with so many operations. Says how many answers brought nothing new to either side.
    pub(super) const fn answers(&mut self, operations: u64) -> u32 {
        self.sum.sent = self.sum.sent.saturating_add(operations);
        self.sum.rounds = self.sum.rounds.saturating_add(1);
        self.idle = self.idle.saturating_add(1);
        if operations > 0 {
            self.idle = 0;
        }
        self.idle
    }

    /// Whether operations came so often, and none of them counted. Asked before each answer, with how many operations it
    /// gives: what is left out since newer ones count here is barren only to who keeps these to himself.
    pub(super) fn is_barren(&mut self, given: u64, most: u32) -> bool {
        let (received, new) = core::mem::take(&mut self.came);
        if new > 0 || given > 0 {
            self.barren = 0;
        } else if received > 0 {
            self.barren = self.barren.saturating_add(1);
        }
        self.barren >= most.max(1)
    }

    /// All that was handed out has left.
    pub(super) const fn sent(&mut self) {
        self.flight = 0;
    }

    /// The next message to hand out, while there is room.
    pub(super) fn next_outgoing(&mut self) -> Option<Message> {
        if self.flight >= FLIGHT_BYTES {
            return None;
        }
        let (message, bytes) = self.outgoing.pop_front()?;
        self.flight = self.flight.saturating_add(bytes);
        self.outgoing_bytes = self.outgoing_bytes.saturating_sub(bytes);
        Some(message)
    }

    /// Nothing is left to say.
    pub(super) fn done(&mut self) -> Reconciled {
        self.is_open = false;
        self.deadline = None;
        self.idle = 0;
        self.barren = 0;
        self.came = (0, 0);
        core::mem::take(&mut self.sum)
    }

    /// Drops what came and what was to be said, but for an end that the peer may wait for.
    pub(super) fn give_up(&mut self) {
        let (credit, flight) = (self.credit, self.flight);
        *self = Self {
            flight,
            credit,
            ..Self::default()
        };
        self.say(Answer::default());
    }
}

fn byte_len(all: &[Vec<u8>]) -> usize {
    all.iter().map(Vec::len).sum()
}

/// What ranges take in memory, about.
fn ranges_len(ranges: &[RangeEntry]) -> usize {
    let len = |range: &RangeEntry| {
        let bound = match &range.end {
            Bound::End => 0,
            Bound::Before { key, operation } => key.len() + operation.len(),
        };
        let content = match &range.content {
            RangeContent::Items(ids) | RangeContent::Want(ids) => 16 * ids.len(),
            RangeContent::Skip | RangeContent::Fingerprint(_) => 0,
        };
        size_of::<RangeEntry>() + bound + content
    };
    ranges.iter().map(len).sum()
}

/// Operations in messages of bounded size, each behind the values of those in it.
fn packed(operations: Vec<Proven>) -> Vec<(Message, usize)> {
    let (mut messages, mut message, mut bytes) = (Vec::new(), Vec::new(), 0);
    let close = |message: &mut Vec<Vec<u8>>, messages: &mut Vec<(Message, usize)>| {
        let len = byte_len(message);
        messages.push((Message::Operations(core::mem::take(message)), len));
    };
    for one in operations {
        bytes += one.byte_len();
        messages.extend(one.value.map(|value| {
            let len = value.len();
            (Message::Value(value), len)
        }));
        message.push(one.proof);
        if bytes >= OPERATIONS_BYTES_TARGET || message.len() >= OPERATIONS_MAX {
            close(&mut message, &mut messages);
            bytes = 0;
        }
    }
    if !message.is_empty() {
        close(&mut message, &mut messages);
    }
    messages
}

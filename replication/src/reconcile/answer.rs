//! What is answered to ranges: a function of them and of what is here.

use uxf_engine::oplog::ItemSum;
use uxf_engine::profile::LiveItem;

use super::item::{bound_between, short_id};
use super::source::{Proven, RangeSource, SourceError};
use crate::wire::{
    Bound, Fingerprint, ITEMS_MAX, RANGES_BYTES_MAX, RANGES_MAX, RangeContent, RangeEntry, ShortId,
};

/// Parts into which a range that differs is cut.
const FAN_OUT: u64 = 16;

/// Limits of one answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLimits {
    /// Most operations of a range that are listed instead of summed up. Default 32; 1 to 64.
    pub leaf: usize,
    /// Bytes of operations that are sent with one answer. Default 1 MiB. What is beyond comes with the next.
    pub operations_bytes: usize,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self {
            leaf: 32,
            operations_bytes: 1 << 20,
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Operations that the other side lacks, with their proofs.
    pub operations: Vec<Proven>,
    /// What is said of the ranges; nothing if all is said.
    pub ranges: Vec<RangeEntry>,
}

/// With what a reconciliation begins: all there is.
///
/// # Errors
/// [`SourceError::Store`].
pub fn first_ranges<S: RangeSource + ?Sized>(
    source: &S,
    limits: &AnswerLimits,
) -> Result<Vec<RangeEntry>, SourceError> {
    let mut answering = Answering::new(source, limits);
    let sum = source.sum(&Bound::START, &Bound::End)?;
    answering.describe(Bound::START, Bound::End, &sum)?;
    Ok(answering.finish().ranges)
}

/// Answers ranges.
///
/// # Errors
/// [`SourceError::Store`].
pub fn answer<S: RangeSource + ?Sized>(
    source: &S,
    ranges: &[RangeEntry],
    limits: &AnswerLimits,
) -> Result<Answer, SourceError> {
    let mut answering = Answering::new(source, limits);
    let mut from = Bound::START;
    for range in ranges {
        if answering.is_full() {
            // The rest is summed up in one; the other side begins there anew.
            let end = ranges.last().map_or(Bound::End, |last| last.end.clone());
            answering.sum_up(&from, end)?;
            break;
        }
        let to = range.end.clone();
        match &range.content {
            RangeContent::Skip => answering.say(to.clone(), RangeContent::Skip),
            RangeContent::Fingerprint(theirs) => {
                let ours = source.sum(&from, &to)?;
                if fingerprint(&ours) == *theirs {
                    answering.say(to.clone(), RangeContent::Skip);
                } else if *theirs == fingerprint(&ItemSum::default()) {
                    answering.give_all(from, to.clone())?;
                } else {
                    answering.describe(from, to.clone(), &ours)?;
                }
            }
            RangeContent::Items(theirs) => answering.compare(from, to.clone(), theirs)?,
            RangeContent::Want(wanted) => answering.give(&from, to.clone(), wanted)?,
        }
        from = to;
    }
    Ok(answering.finish())
}

struct Answering<'s, S: ?Sized> {
    source: &'s S,
    limits: &'s AnswerLimits,
    answer: Answer,
    ranges_bytes: usize,
    operations_bytes: usize,
}

impl<'s, S: RangeSource + ?Sized> Answering<'s, S> {
    fn new(source: &'s S, limits: &'s AnswerLimits) -> Self {
        Self {
            source,
            limits,
            answer: Answer::default(),
            ranges_bytes: 2,
            operations_bytes: 0,
        }
    }

    /// Whether there may be no room for what one more range comes to.
    fn is_full(&self) -> bool {
        let parts = usize::try_from(FAN_OUT).unwrap_or_default();
        let most = parts * (6 + 512 + 48 + 17) + 2 + 16 * ITEMS_MAX;
        self.ranges_bytes + 2 * most > RANGES_BYTES_MAX
            || self.answer.ranges.len() + 2 * parts > RANGES_MAX
    }

    fn say(&mut self, end: Bound, content: RangeContent) {
        let last = self.answer.ranges.last_mut();
        if content == RangeContent::Skip
            && let Some(last) = last.filter(|last| last.content == RangeContent::Skip)
        {
            last.end = end;
            return;
        }
        self.ranges_bytes += 6 + match &end {
            Bound::End => 0,
            Bound::Before { key, operation } => key.len() + operation.len(),
        };
        self.ranges_bytes += match &content {
            RangeContent::Skip => 0,
            RangeContent::Fingerprint(_) => 16,
            RangeContent::Items(all) | RangeContent::Want(all) => 2 + 16 * all.len(),
        };
        self.answer.ranges.push(RangeEntry { end, content });
    }

    fn sum_up(&mut self, from: &Bound, to: Bound) -> Result<(), SourceError> {
        let sum = self.source.sum(from, &to)?;
        self.say(to, RangeContent::Fingerprint(fingerprint(&sum)));
        Ok(())
    }

    /// Lists what is in a range, or cuts it.
    fn describe(&mut self, from: Bound, to: Bound, ours: &ItemSum) -> Result<(), SourceError> {
        let leaf = self.limits.leaf.clamp(1, ITEMS_MAX);
        if usize::try_from(ours.count()).is_ok_and(|count| count <= leaf) {
            let items = self.source.items(&from, &to, leaf)?;
            self.say(to, RangeContent::Items(short_ids(&items)));
            return Ok(());
        }
        let mut last = from;
        for bound in self.source.split(&last, &to, FAN_OUT)? {
            self.sum_up(&last, bound.clone())?;
            last = bound;
        }
        self.sum_up(&last, to)
    }

    /// The other side has these in a range.
    fn compare(&mut self, from: Bound, to: Bound, theirs: &[ShortId]) -> Result<(), SourceError> {
        if theirs.is_empty() {
            return self.give_all(from, to);
        }
        let ours = self.source.items(&from, &to, ITEMS_MAX + 1)?;
        if ours.len() > ITEMS_MAX {
            let sum = self.source.sum(&from, &to)?;
            return self.describe(from, to, &sum);
        }
        let known = short_ids(&ours);
        let wanted = theirs.iter().filter(|id| known.binary_search(id).is_err());
        let wanted: Vec<ShortId> = wanted.copied().collect();
        let wants = if wanted.is_empty() {
            RangeContent::Skip
        } else {
            RangeContent::Want(wanted)
        };
        let lacked = |item: &&LiveItem| theirs.binary_search(&short_id(&item.hash)).is_err();
        let lacked: Vec<&LiveItem> = ours.iter().filter(lacked).collect();
        self.send_as_far_as(&from, to, &lacked, wants)
    }

    /// The other side wants these of a range.
    fn give(&mut self, from: &Bound, to: Bound, wanted: &[ShortId]) -> Result<(), SourceError> {
        // It was told of no more than these; whoever asks for a wider range gets what is at its beginning.
        let ours = self.source.items(from, &to, 4 * ITEMS_MAX)?;
        let is_wanted = |item: &&LiveItem| wanted.binary_search(&short_id(&item.hash)).is_ok();
        let given: Vec<&LiveItem> = ours.iter().filter(is_wanted).collect();
        self.send_as_far_as(from, to, &given, RangeContent::Skip)
    }

    /// Sends operations of a range and says something of it, both as far as there is room. What is behind that is summed up:
    /// it is looked at once more when these are there. The range has become shorter then, so that it ends whatever the other
    /// side makes of them.
    fn send_as_far_as(
        &mut self,
        from: &Bound,
        to: Bound,
        items: &[&LiveItem],
        content: RangeContent,
    ) -> Result<(), SourceError> {
        let sent = self.send(items)?;
        let Some(next) = items.get(sent) else {
            self.say(to, content);
            return Ok(());
        };
        let Some(last) = sent.checked_sub(1).and_then(|last| items.get(last)) else {
            return self.sum_up(from, to);
        };
        let middle = bound_between(last, next);
        self.say(middle.clone(), content);
        self.sum_up(&middle, to)
    }

    /// The other side has nothing in a range: it gets what there is, as far as there is room.
    fn give_all(&mut self, from: Bound, to: Bound) -> Result<(), SourceError> {
        const STEP: usize = 256;
        let mut last = from;
        loop {
            let items = self.source.items(&last, &to, STEP + 1)?;
            let now: Vec<&LiveItem> = items.iter().take(STEP).collect();
            let sent = self.send(&now)?;
            let Some(next) = items.get(sent) else {
                self.say(to, RangeContent::Skip);
                return Ok(());
            };
            let Some(before) = sent.checked_sub(1).and_then(|at| items.get(at)) else {
                return self.sum_up(&last, to);
            };
            last = bound_between(before, next);
            self.say(last.clone(), RangeContent::Skip);
            if self.is_spent() {
                return self.sum_up(&last, to);
            }
        }
    }

    /// Sends operations as long as there is room, and says how many of them need not be looked at again.
    fn send(&mut self, items: &[&LiveItem]) -> Result<usize, SourceError> {
        let mut sent = 0;
        for some in items.chunks(self.source.proven_at_once().max(1)) {
            if self.is_spent() {
                break;
            }
            for proven in self.source.prove(some)? {
                if self.is_spent() {
                    return Ok(sent);
                }
                sent += 1;
                // What does not count any more is not missed.
                if let Some(proven) = proven {
                    self.operations_bytes += proven.byte_len();
                    self.answer.operations.push(proven);
                }
            }
        }
        Ok(sent)
    }

    /// Whether there is no room for more operations.
    const fn is_spent(&self) -> bool {
        self.operations_bytes >= self.limits.operations_bytes
    }

    fn finish(mut self) -> Answer {
        let ranges = &mut self.answer.ranges;
        if ranges
            .last()
            .is_some_and(|last| last.content == RangeContent::Skip)
        {
            ranges.pop();
        }
        self.answer
    }
}

fn fingerprint(sum: &ItemSum) -> Fingerprint {
    Fingerprint(sum.fingerprint())
}

fn short_ids(items: &[LiveItem]) -> Vec<ShortId> {
    let mut ids: Vec<ShortId> = items.iter().map(|item| short_id(&item.hash)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

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
        let lacked = |item: &&LiveItem| theirs.binary_search(&short_id(&item.hash)).is_err();
        let lacked: Vec<&LiveItem> = ours.iter().filter(lacked).collect();
        if !self.send(lacked.into_iter())? {
            // There was no room for all: once more when these are there.
            return self.sum_up(&from, to);
        }
        self.say(
            to,
            if wanted.is_empty() {
                RangeContent::Skip
            } else {
                RangeContent::Want(wanted)
            },
        );
        Ok(())
    }

    /// The other side wants these of a range.
    fn give(&mut self, from: &Bound, to: Bound, wanted: &[ShortId]) -> Result<(), SourceError> {
        // It was told of no more than these; whoever asks for a wider range gets what is at its beginning.
        let ours = self.source.items(from, &to, 4 * ITEMS_MAX)?;
        let is_wanted = |item: &&LiveItem| wanted.binary_search(&short_id(&item.hash)).is_ok();
        let given: Vec<&LiveItem> = ours.iter().filter(is_wanted).collect();
        if self.send(given.into_iter())? {
            self.say(to, RangeContent::Skip);
            Ok(())
        } else {
            self.sum_up(from, to)
        }
    }

    /// The other side has nothing in a range: it gets what there is, as far as there is room.
    fn give_all(&mut self, from: Bound, to: Bound) -> Result<(), SourceError> {
        const STEP: usize = 256;
        let mut last = from;
        loop {
            let items = self.source.items(&last, &to, STEP + 1)?;
            let (now, later) = items.split_at(items.len().min(STEP));
            if !self.send(now.iter())? {
                return self.sum_up(&last, to);
            }
            let (Some(sent), Some(next)) = (now.last(), later.first()) else {
                self.say(to, RangeContent::Skip);
                return Ok(());
            };
            last = bound_between(sent, next);
        }
    }

    /// Sends operations; false if there is no room for any more, some of them may have been sent.
    fn send<'i>(&mut self, items: impl Iterator<Item = &'i LiveItem>) -> Result<bool, SourceError> {
        let items: Vec<&LiveItem> = items.collect();
        for some in items.chunks(self.source.proven_at_once().max(1)) {
            if self.operations_bytes >= self.limits.operations_bytes {
                return Ok(false);
            }
            // What does not count any more is not missed.
            let mut proofs = self.source.prove(some)?.into_iter().flatten();
            for proven in proofs.by_ref() {
                self.operations_bytes += proven.byte_len();
                self.answer.operations.push(proven);
                if self.operations_bytes >= self.limits.operations_bytes {
                    break;
                }
            }
            if proofs.next().is_some() {
                return Ok(false);
            }
        }
        Ok(true)
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

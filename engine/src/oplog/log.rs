use thiserror::Error;

use super::commit::{Commit, CommitId, Header};
use super::identity::LogId;
use super::time::HybridTime;

/// What a replica knows of one log: where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The log.
    pub log: LogId,
    /// The sequence number that comes next; 1 in an empty log.
    pub next_seq: u64,
    /// The last commit, `None` in an empty log.
    pub head: Option<CommitId>,
    /// When the last commit was made.
    pub time: HybridTime,
    /// Whether the device was caught writing two histories. Nothing more is accepted then.
    pub forked: bool,
}

/// What a commit that may be accepted is to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The next one.
    New,
    /// One that is there already.
    Known,
    /// One from before what is still kept, so that it can be told neither from the one that was there nor from a
    /// second history. It has no effect.
    Forgotten,
}

/// Why a commit cannot follow a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogError {
    /// It is of another log.
    #[error("the commit belongs to another log")]
    OtherLog,
    /// Commits between the log's end and this one are missing; they have to be fetched first.
    #[error("the log continues with operation {expected}, the commit starts with {found}")]
    Gap {
        /// The sequence number that comes next.
        expected: u64,
        /// The commit's first.
        found: u64,
    },
    /// It follows, by its number, another commit than the last.
    #[error("the commit does not follow the last one of its log")]
    BrokenChain {
        /// The last commit.
        expected: Option<CommitId>,
        /// The one it says it follows.
        found: Option<CommitId>,
    },
    /// It was made no later than the one before it.
    #[error("the commit is of the time {found}, not after {last}")]
    TimeBackwards {
        /// The time of the last commit.
        last: HybridTime,
        /// The time of this one.
        found: HybridTime,
    },
    /// The device was caught writing two histories before.
    #[error("the device has forked its log; nothing more of it is accepted")]
    Forked,
    /// A sequence number of a known commit is used a second time. Both commits are the evidence.
    #[error("operation {seq} is in two commits of one log, {known} and {found}")]
    Equivocation {
        /// A sequence number that both have.
        seq: u64,
        /// The commit that was there.
        known: CommitId,
        /// The one that came.
        found: CommitId,
    },
}

impl LogHead {
    /// A log without commits.
    pub const fn empty(log: LogId) -> Self {
        Self {
            log,
            next_seq: 1,
            head: None,
            time: HybridTime::ZERO,
            forked: false,
        }
    }

    /// Tells whether a commit, whose signature was checked, is the next one, a known one or to be refused.
    ///
    /// `known_id_at` names the kept commit that has an operation with the given sequence number. It is asked at most
    /// once, for the commit's first number, and only if that lies before the end of the log.
    ///
    /// ```
    /// use uxf_engine::oplog::identity::{DeviceKey, Epoch, LogId};
    /// use uxf_engine::oplog::{
    ///     Appended, CommitBuilder, CommitStart, HybridTime, LogHead, OpKind, Operation,
    /// };
    /// use uxf_engine::profile::envelope::EntryKind;
    /// use uxf_engine::profile::sealed::ProfileId;
    ///
    /// let key = DeviceKey::take(&mut [7; 32]);
    /// let log = LogId { device: key.id(), epoch: Epoch::from_u64(1) };
    /// let mut builder = CommitBuilder::new(CommitStart {
    ///     profile: ProfileId::from_bytes([2; 33]),
    ///     log,
    ///     first_seq: 1,
    ///     prev: None,
    ///     heads: Vec::new(),
    ///     time: HybridTime::from_u64(5),
    /// })
    /// .unwrap();
    /// let delete = Operation { kind: OpKind::Delete, entry: EntryKind::CacheIndex, key: "k", value: &[] };
    /// builder.push(delete).unwrap();
    /// let sealed = builder.finish(&key).unwrap();
    ///
    /// let mut head = LogHead::empty(log);
    /// assert_eq!(head.check(&sealed.commit(), |_| None), Ok(Appended::New));
    /// head.advance(sealed.header(), sealed.id());
    /// assert_eq!(head.next_seq, 2);
    /// assert_eq!(head.check(&sealed.commit(), |_| None), Ok(Appended::Known));
    /// ```
    ///
    /// # Errors
    /// All of [`LogError`].
    pub fn check(
        &self,
        commit: &Commit<'_>,
        known_id_at: impl FnOnce(u64) -> Option<CommitId>,
    ) -> Result<Appended, LogError> {
        self.check_header(commit.header(), commit.id(), known_id_at)
    }

    /// The same for a commit of which only the header is at hand.
    pub(crate) fn check_header(
        &self,
        header: &Header,
        id: CommitId,
        known_id_at: impl FnOnce(u64) -> Option<CommitId>,
    ) -> Result<Appended, LogError> {
        if header.log != self.log {
            return Err(LogError::OtherLog);
        }
        if self.forked {
            return Err(LogError::Forked);
        }
        if header.first_seq < self.next_seq {
            return self.check_known(header, id, known_id_at);
        }
        if header.first_seq > self.next_seq {
            return Err(LogError::Gap {
                expected: self.next_seq,
                found: header.first_seq,
            });
        }
        if header.prev != self.head {
            return Err(LogError::BrokenChain {
                expected: self.head,
                found: header.prev,
            });
        }
        if header.time <= self.time {
            return Err(LogError::TimeBackwards {
                last: self.time,
                found: header.time,
            });
        }
        Ok(Appended::New)
    }

    /// Moves the end of the log behind a commit that [`LogHead::check`] called new.
    pub fn advance(&mut self, header: &Header, id: CommitId) {
        self.next_seq = header.last_seq().saturating_add(1);
        self.head = Some(id);
        self.time = header.time;
    }

    /// A commit that starts before the end of the log.
    fn check_known(
        &self,
        header: &Header,
        found: CommitId,
        known_id_at: impl FnOnce(u64) -> Option<CommitId>,
    ) -> Result<Appended, LogError> {
        let last_known = self.next_seq.saturating_sub(1);
        if self.head == Some(found) {
            return Ok(Appended::Known);
        }
        // The last commit is always known, also when it is no longer kept.
        let (seq, known) = if header.covers(last_known) {
            (last_known, self.head)
        } else {
            (header.first_seq, known_id_at(header.first_seq))
        };
        match known {
            None => Ok(Appended::Forgotten),
            Some(known) if known == found => Ok(Appended::Known),
            Some(known) => Err(LogError::Equivocation { seq, known, found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::SealedCommit;
    use crate::oplog::commit::tests::{key, put, seal, start};

    /// A commit of `count` operations after `head`, told apart by `fill`.
    fn next(head: &LogHead, count: usize, fill: u8) -> SealedCommit {
        let key = key(7);
        let mut start = start(&key);
        start.log = head.log;
        start.first_seq = head.next_seq;
        start.prev = head.head;
        start.time = HybridTime::from_u64(head.time.as_u64() + 10);
        seal(&key, start, &vec![put("k", fill); count])
    }

    /// Three commits of two operations each, and the head after each of them, from the empty one on.
    fn history() -> (Vec<SealedCommit>, Vec<LogHead>) {
        let mut head = LogHead::empty(start(&key(7)).log);
        let (mut commits, mut heads) = (Vec::new(), vec![head]);
        for fill in 0..3 {
            let commit = next(&head, 2, fill);
            assert_eq!(head.check(&commit.commit(), |_| None), Ok(Appended::New));
            head.advance(commit.header(), commit.id());
            commits.push(commit);
            heads.push(head);
        }
        assert_eq!(head.next_seq, 7);
        (commits, heads)
    }

    fn id_at(commits: &[SealedCommit], seq: u64) -> Option<CommitId> {
        let mut all = commits.iter();
        let found = all.find(|commit| commit.header().covers(seq));
        found.map(SealedCommit::id)
    }

    #[test]
    fn what_is_there_is_known_and_what_is_gone_is_forgotten() {
        let (commits, heads) = history();
        let id = |seq| id_at(&commits, seq);
        for commit in &commits {
            assert_eq!(heads[3].check(&commit.commit(), id), Ok(Appended::Known));
        }
        let first = commits[0].commit();
        assert_eq!(heads[3].check(&first, |_| None), Ok(Appended::Forgotten));
        let last = commits[2].commit();
        assert_eq!(heads[3].check(&last, |_| None), Ok(Appended::Known));
    }

    #[test]
    fn a_second_history_is_equivocation_wherever_its_commits_begin_and_end() {
        let (commits, heads) = history();
        let id = |seq| id_at(&commits, seq);
        // Another second commit, a longer one that runs past the end, and a shorter first one.
        for (from, count) in [(1, 2), (1, 9), (0, 1), (2, 1)] {
            let other = next(&heads[from], count, 0x77);
            let found = heads[3].check(&other.commit(), id);
            assert!(
                matches!(found, Err(LogError::Equivocation { .. })),
                "{from} {count}"
            );
        }
        // The last commit is known even if nothing is kept.
        let other = next(&heads[2], 1, 0x77);
        let mut head = heads[3];
        assert_eq!(
            head.check(&other.commit(), |_| None),
            Ok(Appended::Forgotten)
        );
        let other = next(&heads[2], 2, 0x77);
        assert_eq!(
            head.check(&other.commit(), |_| None),
            Err(LogError::Equivocation {
                seq: 6,
                known: commits[2].id(),
                found: other.id()
            })
        );
        head.forked = true;
        let after = next(&head, 1, 1);
        assert_eq!(head.check(&after.commit(), id), Err(LogError::Forked));
    }

    #[test]
    fn gaps_broken_chains_and_backward_times_are_told_apart() {
        let (commits, heads) = history();
        let check = |head: &LogHead, commit: &SealedCommit| head.check(&commit.commit(), |_| None);
        assert_eq!(
            check(&heads[1], &commits[2]),
            Err(LogError::Gap {
                expected: 3,
                found: 5
            })
        );
        let mut other = heads[2];
        other.head = Some(commits[0].id());
        assert_eq!(
            check(&other, &commits[2]),
            Err(LogError::BrokenChain {
                expected: Some(commits[0].id()),
                found: Some(commits[1].id())
            })
        );
        let mut late = heads[2];
        late.time = commits[2].header().time;
        assert!(matches!(
            check(&late, &commits[2]),
            Err(LogError::TimeBackwards { .. })
        ));
        late.time = HybridTime::from_u64(late.time.as_u64() - 1);
        assert_eq!(check(&late, &commits[2]), Ok(Appended::New));
        let mut foreign = heads[2];
        foreign.log.epoch = crate::oplog::identity::Epoch::from_u64(1);
        assert_eq!(check(&foreign, &commits[2]), Err(LogError::OtherLog));
    }
}

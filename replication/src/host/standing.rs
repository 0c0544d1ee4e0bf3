use core::time::Duration;
use std::collections::BTreeMap;

use super::event::Disconnect;
use crate::Timestamp;

/// How long those who failed are left alone.
#[derive(Clone, Copy, Debug)]
pub struct StandingConfig {
    /// How long who misbehaved is banned. Default one hour.
    pub ban: Duration,
    /// How long one waits after a first fault; twice as long after each further one. Default 1 s.
    pub wait: Duration,
    /// Longest such wait. Default 5 minutes.
    pub wait_max: Duration,
    /// Most remotes that are kept in mind. Default 4,096; of more, those are forgotten that would be free the soonest.
    pub remotes_max: usize,
}

impl Default for StandingConfig {
    fn default() -> Self {
        Self {
            ban: Duration::from_secs(60 * 60),
            wait: Duration::from_secs(1),
            wait_max: Duration::from_secs(5 * 60),
            remotes_max: 4_096,
        }
    }
}

/// What is remembered of remotes that failed: by an identity that the transport has checked, or by an address.
///
/// ```
/// use core::time::Duration;
/// use uxf_replication::Timestamp;
/// use uxf_replication::host::{Disconnect, Fault, Standing, StandingConfig};
///
/// let mut standing = Standing::new(StandingConfig::default(), [7; 32]);
/// let now = Timestamp::from_millis(10);
/// standing.closed("a", &Disconnect::BackOff(Fault::Silent), now);
/// assert!(standing.free_at(&"a").is_some_and(|at| now < at && at < now + Duration::from_secs(2)));
/// assert!(!standing.is_banned(&"a", now));
/// standing.opened(&"a");
/// assert_eq!(standing.free_at(&"a"), None);
/// ```
#[derive(Debug)]
pub struct Standing<K> {
    config: StandingConfig,
    seed: [u8; 32],
    draws: u64,
    remotes: BTreeMap<K, Record>,
}

#[derive(Debug)]
struct Record {
    faults: u32,
    free_at: Timestamp,
    last: Disconnect,
}

impl<K: Ord + Clone> Standing<K> {
    /// One that remembers nobody. Of the seed it makes by how much waits differ, so that not all come back at once.
    pub fn new(config: StandingConfig, seed: [u8; 32]) -> Self {
        Self {
            config,
            seed,
            draws: 0,
            remotes: BTreeMap::new(),
        }
    }

    /// A session with a remote opened: it is as good as any other again. A ban stays.
    pub fn opened(&mut self, remote: &K) {
        let is_banned = |record: &Record| matches!(record.last, Disconnect::Ban(_));
        if !self.remotes.get(remote).is_some_and(is_banned) {
            self.remotes.remove(remote);
        }
    }

    /// A connection with a remote was closed, or could not be made.
    pub fn closed(&mut self, remote: K, why: &Disconnect, now: Timestamp) {
        let before = self.remotes.get(&remote).map_or(0, |record| record.faults);
        let wait = match why {
            Disconnect::Done => return,
            Disconnect::Ban(_) => self.config.ban,
            Disconnect::BackOff(_) => self.next_wait(before),
        };
        let known = self.remotes.get(&remote);
        // A fault after a ban does not shorten it.
        if known.is_some_and(|record| record.free_at > now + wait) {
            return;
        }
        let record = Record {
            faults: before.saturating_add(1),
            free_at: now + wait,
            last: why.clone(),
        };
        self.remotes.insert(remote, record);
        self.make_room();
    }

    /// Whether a remote is banned. Who only failed may come by itself whenever it likes.
    pub fn is_banned(&self, remote: &K, now: Timestamp) -> bool {
        let record = self.remotes.get(remote);
        record.is_some_and(|one| matches!(one.last, Disconnect::Ban(_)) && one.free_at > now)
    }

    /// When a remote may be tried again; `None` if nothing is known against it.
    pub fn free_at(&self, remote: &K) -> Option<Timestamp> {
        Some(self.remotes.get(remote)?.free_at)
    }

    /// What went wrong last.
    pub fn last(&self, remote: &K) -> Option<&Disconnect> {
        Some(&self.remotes.get(remote)?.last)
    }

    /// All of whom something is remembered.
    pub fn remotes(&self) -> impl Iterator<Item = &K> {
        self.remotes.keys()
    }

    /// Lifts a ban.
    pub fn pardon(&mut self, remote: &K) {
        self.remotes.remove(remote);
    }

    /// Between three and five quarters of the wait.
    fn next_wait(&mut self, faults: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(faults.min(20));
        let wait = self.config.wait.saturating_mul(doubled);
        let wait = wait.min(self.config.wait_max);
        let draw = blake3::keyed_hash(&self.seed, &self.draws.to_be_bytes());
        self.draws = self.draws.saturating_add(1);
        let part = draw.as_bytes().first().copied().unwrap_or_default();
        wait.saturating_mul(384 + u32::from(part)) / 512
    }

    fn make_room(&mut self) {
        while self.remotes.len() > self.config.remotes_max {
            let soonest = self.remotes.iter().min_by_key(|(_, record)| record.free_at);
            let Some(soonest) = soonest.map(|(remote, _)| remote.clone()) else {
                return;
            };
            self.remotes.remove(&soonest);
        }
    }
}

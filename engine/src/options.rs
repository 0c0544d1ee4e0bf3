use core::time::Duration;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::entropy::{Entropy, SystemEntropy};
use crate::error::Error;
use crate::oplog::DRIFT_MS_DEFAULT;

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// It survives a power cut once the call returns.
    #[default]
    Durable,
    /// It is visible once the call returns, and durable with the next durable commit, the next flush or after
    /// the flush interval. A crash before that loses it, and whatever was buffered after it, never something older.
    Buffered,
}

/// Which commits also write what makes opening after a crash quick.
///
/// Without it redb reads the whole file after a crash, about 0.8 s per GB. With it a commit writes two bits for each
/// 4 KiB page of the file and is flushed in two steps. The last commit before the crash is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RepairPolicy {
    /// Commits of at least 16 KiB of new elements (64 KiB in files of 2 GB and more, in proportion between 0.5 and
    /// 2 GB), every 32nd smaller one, and one when writing pauses for a quarter second.
    #[default]
    Balanced,
    /// Every commit: opening after a crash is always quick, small durable commits are slower.
    EveryCommit,
    /// None: small commits are as fast as they can be, opening after a crash reads the file.
    Never,
}

/// How a store is opened. Every option has a default; [`Engine::open`](crate::Engine::open) checks the ranges.
///
/// ```
/// use uxf_engine::{Durability, Engine, EngineOptions};
///
/// let options = EngineOptions::new().cache_bytes(64 << 20).durability(Durability::Buffered);
/// let engine = Engine::in_memory(options).unwrap();
/// assert_eq!(engine.stats().unwrap().elements, 0);
/// ```
#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub(crate) cache_bytes: usize,
    pub(crate) index_bytes: usize,
    pub(crate) checkpoint_elements: usize,
    pub(crate) journal_entries: usize,
    pub(crate) sweep_elements: usize,
    pub(crate) durability: Durability,
    pub(crate) two_phase_commit: bool,
    pub(crate) repair: RepairPolicy,
    pub(crate) flush_interval: Duration,
    pub(crate) idle_work: bool,
    pub(crate) queue_length: usize,
    pub(crate) element_bytes_max: usize,
    pub(crate) batch_bytes_max: usize,
    pub(crate) batch_elements_max: usize,
    pub(crate) verify_reads: bool,
    pub(crate) drift_ms: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            index_bytes: 512 << 20,
            checkpoint_elements: 65_536,
            journal_entries: 262_144,
            sweep_elements: 4_096,
            durability: Durability::Durable,
            two_phase_commit: true,
            repair: RepairPolicy::Balanced,
            flush_interval: Duration::from_secs(2),
            idle_work: true,
            queue_length: 64,
            element_bytes_max: 1 << 20,
            batch_bytes_max: 256 << 20,
            batch_elements_max: 1 << 20,
            verify_reads: false,
            drift_ms: DRIFT_MS_DEFAULT,
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy),
        }
    }
}

impl EngineOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory for pages of the file, in bytes. Default 256 MiB, at least 1 MiB. Less makes reads of a store larger
    /// than it slower; nothing fails.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Memory for the hash index and the counts, in bytes. Default 512 MiB, at least 1 MiB, taken only as elements
    /// are touched: about 25 bytes an element. Beyond it parts of the index are dropped and read again when needed.
    #[must_use]
    pub fn index_bytes(mut self, bytes: usize) -> Self {
        self.index_bytes = bytes;
        self
    }

    /// New elements between two checkpoints of the index. Default 65,536; 16 to 16,777,216. Opening after a crash
    /// reads that many elements again; fewer make more index writes.
    #[must_use]
    pub fn checkpoint_elements(mut self, elements: usize) -> Self {
        self.checkpoint_elements = elements;
        self
    }

    /// Count changes kept in the journal before they are folded into the count pages. Default 262,144; 16 to
    /// 16,777,216. Opening after a crash replays that many; fewer make more page writes.
    #[must_use]
    pub fn journal_entries(mut self, entries: usize) -> Self {
        self.journal_entries = entries;
        self
    }

    /// Most elements reclaimed in one step when nothing else waits. Default 4,096; 1 to 1,048,576. A waiting writer
    /// is held up for one step at most, about 10 ms at the default. An explicit sweep puts four steps into a commit.
    /// A commit that releases more than a sixteenth of a step leaves that to a pause or an explicit sweep, until half
    /// of the store (at least sixteen steps' worth, at most 524,288 elements) waits.
    #[must_use]
    pub fn sweep_elements(mut self, elements: usize) -> Self {
        self.sweep_elements = elements;
        self
    }

    /// How commits are made unless they say otherwise. Default [`Durability::Durable`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Whether every durable commit is flushed in two steps, its pages first and then which of the two commit slots
    /// counts, so that opening never has to trust a checksum that a stranger's bytes could be made to fit. Default on.
    ///
    /// Off saves a flush in each commit that is not made quick to open (see [`RepairPolicy`]): about 40 % more single
    /// durable puts. What was acknowledged is safe either way, for all of it was flushed before the call returned. A
    /// commit that the power cut in half is then told by its checksums when the store is opened, and the one before
    /// it counts. Those are XXH3, which is no cryptographic hash: somebody who knows the bytes of the file's pages, can
    /// choose which of them reach the disk and when the power fails, and has planted fitting bytes, could make a half
    /// of that last commit, never acknowledged, look whole.
    #[must_use]
    pub fn two_phase_commit(mut self, on: bool) -> Self {
        self.two_phase_commit = on;
        self
    }

    /// Which commits make opening after a crash quick. Default [`RepairPolicy::Balanced`].
    #[must_use]
    pub fn repair(mut self, policy: RepairPolicy) -> Self {
        self.repair = policy;
        self
    }

    /// Longest time a buffered commit stays at risk. Default 2 s; 1 ms to 1 hour.
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval;
        self
    }

    /// Whether the store does what is due when nobody asks for anything: sweeps, makes old buffered commits durable, applies
    /// commits whose time has come. Default true. Without, it does so with the next commit or when it is told to, so that what
    /// it shows depends on calls and the clock it was given alone: for simulations that must go the same way twice.
    #[must_use]
    pub fn idle_work(mut self, on: bool) -> Self {
        self.idle_work = on;
        self
    }

    /// Commits that may wait for the writer before callers are held back. Default 64; 1 to 65,536. Each holds its
    /// batch in memory.
    #[must_use]
    pub fn queue_length(mut self, commits: usize) -> Self {
        self.queue_length = commits;
        self
    }

    /// Largest element accepted, in bytes. Default 1 MiB; 1 KiB to 64 MiB.
    #[must_use]
    pub fn element_bytes_max(mut self, bytes: usize) -> Self {
        self.element_bytes_max = bytes;
        self
    }

    /// Largest batch accepted, in bytes of new elements. Default 256 MiB; 1 MiB to 2 GiB.
    #[must_use]
    pub fn batch_bytes_max(mut self, bytes: usize) -> Self {
        self.batch_bytes_max = bytes;
        self
    }

    /// Most elements that one batch may name. Default 1,048,576; 1 to 16,777,216.
    #[must_use]
    pub fn batch_elements_max(mut self, elements: usize) -> Self {
        self.batch_elements_max = elements;
        self
    }

    /// Whether every read of an element hashes its bytes again. Default off: the hash stored beside them is compared.
    #[must_use]
    pub fn verify_reads(mut self, on: bool) -> Self {
        self.verify_reads = on;
        self
    }

    /// How far ahead of this device's clock the commits of others may be, in milliseconds. Default 10 minutes. Those
    /// further ahead are kept and applied when their time comes.
    #[must_use]
    pub fn drift_ms(mut self, milliseconds: u64) -> Self {
        self.drift_ms = milliseconds;
        self
    }

    /// The clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source of the store's secrets, for tests.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let within = |value: usize, low: usize, high: usize| (low..=high).contains(&value);
        let checks: [(bool, &'static str, &'static str); 9] = [
            (self.cache_bytes >= 1 << 20, "cache_bytes", "at least 1 MiB"),
            (self.index_bytes >= 1 << 20, "index_bytes", "at least 1 MiB"),
            (
                within(self.checkpoint_elements, 16, 1 << 24),
                "checkpoint_elements",
                "16 to 16,777,216",
            ),
            (
                within(self.journal_entries, 16, 1 << 24),
                "journal_entries",
                "16 to 16,777,216",
            ),
            (
                within(self.sweep_elements, 1, 1 << 20),
                "sweep_elements",
                "1 to 1,048,576",
            ),
            (
                (Duration::from_millis(1)..=Duration::from_secs(3_600))
                    .contains(&self.flush_interval),
                "flush_interval",
                "1 ms to 1 hour",
            ),
            (
                within(self.queue_length, 1, 1 << 16),
                "queue_length",
                "1 to 65,536",
            ),
            (
                within(self.element_bytes_max, 1 << 10, 64 << 20),
                "element_bytes_max",
                "1 KiB to 64 MiB",
            ),
            (
                within(self.batch_bytes_max, 1 << 20, 2 << 30)
                    && within(self.batch_elements_max, 1, 1 << 24),
                "batch_bytes_max, batch_elements_max",
                "1 MiB to 2 GiB, 1 to 16,777,216",
            ),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, option, reason)) => Err(Error::InvalidOption { option, reason }),
            None => Ok(()),
        }
    }
}

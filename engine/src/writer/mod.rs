//! The one thread that writes.
//!
//! Callers hand it batches over a bounded channel and wait. What waits when a commit ends goes into the next one
//! together. The thread alone owns the counts, the run directory and the totals; what readers share (the locator, the
//! open snapshots) has locks of its own.

mod apply;
mod checkpoint;
mod commit;
mod plan;
mod profiles;
mod sweep;
mod transaction;

use core::time::Duration;
use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::batch::BatchData;
use crate::elements::count_pages::CountPages;
use redb::ReadableTable as _;

use crate::error::{During as _, Error};
use crate::options::{Durability, RepairPolicy};
use crate::profile::session::Session;
use crate::recovery::Recovered;
use crate::replica::{Recent, Replica, ReplicaView};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::tables::run_directory::RunDirectory;
use crate::tables::schema::INVENTORIES;
use crate::tables::state::State;

pub use self::profiles::CompactedLog;
pub(crate) use self::profiles::OpenProfile;
pub use self::sweep::SweepOutcome;
use self::sweep::SweepQueue;
pub(crate) use self::sweep::{Spared, links_of};
pub(crate) use self::transaction::Changed;
#[cfg(test)]
pub(crate) use self::transaction::ChangedKeys;
use self::transaction::Pending;

/// Pause after which an idle store is made quick to open, see [`RepairPolicy::Balanced`].
const IDLE: Duration = Duration::from_millis(250);

/// Pause after which released blocks are reclaimed unasked.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// Pause after which it is seen whether the time of a parked commit has come.
const PARKED_PAUSE: Duration = Duration::from_secs(60);

/// Most elements and bytes that are put together into one commit, unless a single batch is larger.
const GROUP_ELEMENTS_MAX: usize = 131_072;
const GROUP_BYTES_MAX: usize = 64 << 20;

/// What a commit did with a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitOutcome {
    /// Elements that were new and are stored now.
    pub stored: u64,
    /// Elements put that were there already, as far as they had to be looked up: below an element that is there
    /// everything is there.
    pub known: u64,
    /// Bytes of the elements stored.
    pub stored_bytes: u64,
    /// Commits appended to logs of a profile.
    pub commits: u64,
    /// Checkpoints of logs taken in.
    pub checkpoints: u64,
    /// Commits that were there already.
    pub commits_known: u64,
    /// Commits that are kept until their time comes.
    pub commits_parked: u64,
    /// Operations of a profile that came alone and were stored.
    pub alone: u64,
    /// Operations that came alone and are not taken now.
    pub left_out: u64,
}

/// A batch that is with the writer.
#[derive(Debug)]
#[must_use = "only waiting tells whether the batch was applied"]
pub struct Ticket {
    reply: Receiver<Result<CommitOutcome, Error>>,
    shared: Arc<Shared>,
}

impl Ticket {
    /// Waits until the batch is applied, and durable unless it is buffered.
    ///
    /// # Errors
    /// Those of [`WriteBatch::commit`](crate::WriteBatch::commit).
    pub fn wait(self) -> Result<CommitOutcome, Error> {
        self.shared.wait(&self.reply)
    }
}

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Commit(Request),
    Flush(Sender<Result<(), Error>>),
    Sweep(u64, Sender<Result<SweepOutcome, Error>>),
    /// Makes an inventory of that name, or finds it.
    Inventory(String, Sender<Result<u32, Error>>),
    /// A snapshot and the totals that belong to it.
    View(Sender<Result<(Snapshot, State), Error>>),
    /// A snapshot and what a sweep of it would spare.
    SweepPreview(Sender<Result<(Snapshot, Spared), Error>>),
    /// Opens a profile, or makes it.
    OpenProfile(Box<OpenProfile>, Sender<Result<Arc<Session>, Error>>),
    /// What is known of a profile's logs and devices, with a snapshot it belongs to; made durable first if asked.
    Replica(u32, Durability, Sender<Result<ReplicaView, Error>>),
    /// Compacts the own log of a profile.
    CompactProfile(Arc<Session>, Sender<Result<CompactedLog, Error>>),
    Compact(Sender<Result<(), Error>>),
    Stop(Sender<Result<(), Error>>),
}

#[derive(Debug)]
pub(crate) struct Request {
    batch: BatchData,
    durability: Durability,
    reply: Sender<Result<CommitOutcome, Error>>,
}

impl Request {
    pub(crate) fn new(
        shared: Arc<Shared>,
        batch: BatchData,
        durability: Durability,
    ) -> (Self, Ticket) {
        let (reply, answer) = bounded(1);
        let request = Self {
            batch,
            durability,
            reply,
        };
        let ticket = Ticket {
            reply: answer,
            shared,
        };
        (request, ticket)
    }
}

/// Answers a caller. One that does not wait any more is no error.
fn answer<T>(reply: &Sender<T>, value: T) {
    drop(reply.send(value));
}

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    counts: CountPages,
    directory: RunDirectory,
    state: State,
    sweep: SweepQueue,
    replica: Replica,
    /// What the commits since the last checkpoint came to.
    recent: Arc<Recent>,
    /// Whether the last thing done was a step of the sweep, so that the next one need not wait for a pause.
    sweeping: bool,
    /// When the oldest commit was made that is not durable yet.
    unflushed_since: Option<Duration>,
    /// What was committed since the last durable commit.
    pending: Pending,
    /// Durable commits since the last one that makes opening quick; `None` if that was the last one.
    commits_since_quick: Option<u32>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, recovered: Recovered) -> Self {
        Self {
            counts: recovered.counts,
            directory: recovered.directory,
            state: recovered.state,
            sweep: SweepQueue::after_open(recovered.state.released > 0),
            recent: shared.recent(),
            replica: recovered.replica,
            sweeping: false,
            unflushed_since: None,
            pending: Pending::default(),
            commits_since_quick: None,
            shared,
        }
    }

    /// Works until told to stop or until nobody can ask any more.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        let guard = PoisonOnPanic(Arc::clone(&self.shared));
        let mut held_back = None;
        loop {
            let next = match held_back.take() {
                Some(command) => Ok(command),
                None => self.wait(commands),
            };
            self.sweeping &= next.is_err();
            match next {
                Ok(Command::Commit(first)) => held_back = self.commit_group(first, commands),
                Ok(Command::Flush(reply)) => answer(&reply, self.flush()),
                Ok(Command::Sweep(budget, reply)) => answer(&reply, self.sweep_all(budget)),
                Ok(Command::Inventory(name, reply)) => answer(&reply, self.make_inventory(&name)),
                Ok(Command::View(reply)) => answer(&reply, self.view()),
                Ok(Command::SweepPreview(reply)) => answer(&reply, self.sweep_preview()),
                Ok(Command::OpenProfile(open, reply)) => {
                    answer(&reply, self.open_profile(*open));
                }
                Ok(Command::Replica(profile, durability, reply)) => {
                    answer(&reply, self.replica_view(profile, durability));
                }
                Ok(Command::CompactProfile(session, reply)) => {
                    answer(&reply, self.compact_profile(&session));
                }
                Ok(Command::Compact(reply)) => answer(&reply, self.compact()),
                Ok(Command::Stop(reply)) => {
                    answer(&reply, self.finish());
                    break;
                }
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(error) = self.finish() {
                        tracing::error!(%error, "the store could not be flushed when it was closed");
                    }
                    break;
                }
            }
        }
        drop(guard);
    }

    /// Waits for a command, but no longer than until there is something to do unasked.
    fn wait(&self, commands: &Receiver<Command>) -> Result<Command, RecvTimeoutError> {
        match self.patience() {
            Some(patience) => commands.recv_timeout(patience),
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn patience(&self) -> Option<Duration> {
        if self.shared.is_poisoned() || !self.shared.options.idle_work {
            return None;
        }
        let sweep = self.sweep_is_due().then_some(if self.sweeping {
            Duration::ZERO
        } else {
            SWEEP_PAUSE
        });
        let flush = self.unflushed_since.map(|since| {
            let age = self.now().saturating_sub(since);
            self.shared.options.flush_interval.saturating_sub(age)
        });
        let quick = self.wants_quick().then_some(IDLE);
        let parked = self.has_parked().then_some(PARKED_PAUSE);
        let all = sweep.into_iter().chain(flush).chain(quick);
        all.chain(parked).min()
    }

    fn flush_is_due(&self) -> bool {
        self.unflushed_since.is_some_and(|since| {
            self.now().saturating_sub(since) >= self.shared.options.flush_interval
        })
    }

    fn wants_quick(&self) -> bool {
        self.shared.options.repair == RepairPolicy::Balanced && self.commits_since_quick.is_some()
    }

    fn now(&self) -> Duration {
        self.shared.options.clock.monotonic()
    }

    /// Does what is due when nobody asks for anything: a step of the sweep, a flush, a commit that is quick to open.
    fn idle(&mut self) {
        let result = if self.parked_is_due() {
            self.apply_due_alone()
        } else if self.sweep_is_due() && !self.flush_is_due() {
            self.sweep_idle()
        } else if self.unflushed_since.is_some() || self.wants_quick() {
            self.make_durable(true)
        } else {
            Ok(())
        };
        if let Err(error) = result {
            tracing::error!(%error, "the writer failed while idle");
        }
    }

    fn make_inventory(&mut self, name: &str) -> Result<u32, Error> {
        let result = self.try_make_inventory(name);
        self.poison_on_error(result)
    }

    fn try_make_inventory(&mut self, name: &str) -> Result<u32, Error> {
        let mut tx = self.begin(Durability::Durable)?;
        let id = self.state.next_inventory;
        {
            let mut table = tx
                .txn
                .open_table(INVENTORIES)
                .during("opening inventories-1")?;
            if let Some(id) = table.get(name.as_bytes()).during("reading an inventory")? {
                return Ok(id.value());
            }
            table
                .insert(name.as_bytes(), id)
                .during("writing an inventory")?;
        }
        self.state.next_inventory = id.checked_add(1).ok_or(Error::LimitExceeded {
            what: "inventories ever made",
            limit: u32::MAX.into(),
            found: 1 << 32,
        })?;
        tx.write_state = true;
        self.conclude(&mut tx)?;
        self.commit_database(tx, false)?;
        Ok(id)
    }

    /// Only the writer can give a snapshot together with its totals: between its commits both stand still.
    fn view(&self) -> Result<(Snapshot, State), Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        Ok((Snapshot::open(Arc::clone(&self.shared))?, self.state))
    }

    fn compact(&mut self) -> Result<(), Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        if self.shared.readers.snapshots() > 0 {
            return Err(Error::SnapshotsOpen);
        }
        let span = tracing::info_span!("compact");
        let _entered = span.enter();
        match self.shared.db.compact() {
            Err(Error::SnapshotsOpen) => return Err(Error::SnapshotsOpen),
            result => self.poison_on_error(result)?,
        };
        // What was buffered became durable on the way; and the next opening has to be quick again.
        self.make_durable(true)
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.shared.is_poisoned() {
            return Err(Error::Poisoned);
        }
        if self.unflushed_since.is_some() {
            self.make_durable(false)?;
        }
        Ok(())
    }
}

/// Poisons the store if a panic unwinds through the writer, so that callers are told and not left waiting.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
    }
}

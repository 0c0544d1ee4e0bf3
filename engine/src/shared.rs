use core::convert::Infallible;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::UNIX_EPOCH;

use crossbeam_channel::{Receiver, select};
use uxf_codec::ElementHash;

use crate::elements::fingerprint::{Fingerprint, Fingerprinter};
use crate::elements::locator::Locator;
use crate::elements::readers::Readers;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::options::EngineOptions;
use crate::profile::EntrySums;
use crate::profile::watch::Watchers;
use crate::recovery::Recovered;
use crate::replica::{LogNumbers, Recent};
use crate::tables::schema::{Db, Header};
use crate::tables::state::State;

/// What the handles, the snapshots and the writer of one store have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) header: Header,
    pub(crate) fingerprinter: Fingerprinter,
    pub(crate) locator: Locator,
    pub(crate) readers: Readers,
    pub(crate) metrics: Metrics,
    pub(crate) options: EngineOptions,
    /// The database file; `None` for a store in memory or on a backend.
    pub(crate) path: Option<PathBuf>,
    /// What the commits since the last checkpoint came to.
    recent: RwLock<Arc<Recent>>,
    /// The logs of all profiles by number.
    pub(crate) logs: Arc<LogNumbers>,
    pub(crate) watchers: Watchers,
    /// Sums of the entries of checkpoints.
    pub(crate) entry_sums: EntrySums,
    /// The totals after the newest commit.
    state: Mutex<State>,
    /// Never ahead of the writer: what is put after reading it gets this number or a higher one.
    next_seq: AtomicU64,
    poisoned: AtomicBool,
    /// Disconnected when the writer has ended, or if there never was one.
    writer_end: Receiver<Infallible>,
}

impl Shared {
    pub(crate) fn new(
        db: Db,
        locator: Locator,
        recovered: &Recovered,
        options: EngineOptions,
        path: Option<PathBuf>,
        writer_end: Receiver<Infallible>,
    ) -> Self {
        let header = recovered.header;
        Self {
            db,
            header,
            fingerprinter: Fingerprinter::new(&header.index_key),
            locator,
            readers: Readers::default(),
            metrics: Metrics::default(),
            options,
            path,
            recent: RwLock::new(Arc::clone(&recovered.recent)),
            logs: Arc::clone(&recovered.replica.numbers),
            watchers: Watchers::default(),
            entry_sums: EntrySums::default(),
            state: Mutex::new(recovered.state),
            next_seq: AtomicU64::new(recovered.state.next_seq),
            poisoned: AtomicBool::new(false),
            writer_end,
        }
    }

    pub(crate) fn fingerprint(&self, hash: &ElementHash) -> Fingerprint {
        self.fingerprinter.of(hash)
    }

    /// Where an element may lie; its row or its count has the last word.
    pub(crate) fn locate(&self, fingerprint: Fingerprint) -> Result<Option<u64>, Error> {
        self.locator.find(&self.db, &self.metrics, fingerprint)
    }

    pub(crate) fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish_state(&self, state: &State) {
        self.next_seq.store(state.next_seq, Ordering::Release);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = *state;
    }

    /// What the commits since the last checkpoint came to, as of now.
    pub(crate) fn recent(&self) -> Arc<Recent> {
        Arc::clone(&self.recent.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_recent(&self, recent: Arc<Recent>) {
        *self.recent.write().unwrap_or_else(PoisonError::into_inner) = recent;
    }

    /// What tells the store's file from a copy of it: its number and when it was made. Zero where there is no file.
    pub(crate) fn file_identity(&self) -> Result<(u64, u64), Error> {
        let Some(path) = &self.path else {
            return Ok((0, 0));
        };
        let file = std::fs::metadata(path).map_err(|source| Error::Io {
            during: "asking for the identity of the store's file",
            source,
        })?;
        // Not every file system says when a file was made; its number alone can be given out again.
        let made = file.created().ok();
        let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|made| u64::try_from(made.as_nanos()).ok());
        Ok((file_number(&file), made.unwrap_or(0)))
    }

    /// Length of the database file, in bytes.
    pub(crate) fn file_bytes(&self) -> Result<Option<u64>, Error> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        match std::fs::metadata(path) {
            Ok(file) => Ok(Some(file.len())),
            Err(source) => Err(Error::Io {
                during: "asking for the length of the store's file",
                source,
            }),
        }
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Acquire)
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Waits for the writer's answer to a request. A request that it got and did not look at before it ended stays in
    /// the channel unanswered, so its end is waited for as well.
    pub(crate) fn wait<T>(&self, answer: &Receiver<Result<T, Error>>) -> Result<T, Error> {
        let answered = select! {
            recv(answer) -> answer => answer.ok(),
            recv(self.writer_end) -> _ => answer.try_recv().ok(),
        };
        answered.unwrap_or_else(|| {
            // Dropped unanswered: the writer is unwinding, and has said why at its end.
            let _ended = self.writer_end.recv();
            Err(self.gone())
        })
    }

    /// What a caller is told whose request nobody answers any more.
    pub(crate) fn gone(&self) -> Error {
        if self.is_poisoned() {
            Error::Poisoned
        } else {
            Error::Closed
        }
    }
}

#[cfg(unix)]
fn file_number(file: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
fn file_number(_: &std::fs::Metadata) -> u64 {
    0
}

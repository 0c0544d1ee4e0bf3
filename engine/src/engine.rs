use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};

use crate::batch::{BatchData, WriteBatch};
use crate::error::Error;
use crate::inventory::{Inventory, check_name};
use crate::metrics::MetricsSnapshot;
use crate::new_file::NewFile;
use crate::options::{Durability, EngineOptions};
use crate::recovery::{create_if_new, recover};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::tables::schema::Db;
use crate::tables::state::State;
use crate::writer::{Command, Request, SweepOutcome, Ticket, Writer};

/// Name of the database file in a store directory.
pub const DATABASE_FILE: &str = "uxf.redb";

/// An open store. Cheap to clone; every clone is the same store, and it is closed when the last one is dropped.
///
/// ```
/// use uxf_engine::{Engine, EngineOptions};
///
/// let directory = tempfile::tempdir().unwrap();
/// let engine = Engine::open(directory.path(), EngineOptions::new()).unwrap();
/// let mut batch = engine.begin();
/// let hash = batch.put_opaque(b"kept").unwrap();
/// batch.pin(&hash).unwrap();
/// batch.commit().unwrap();
/// drop(engine);
///
/// let engine = Engine::open(directory.path(), EngineOptions::new()).unwrap();
/// assert!(engine.snapshot().unwrap().contains(&hash).unwrap());
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Opens the store in a directory, making both if they are not there.
    ///
    /// # Errors
    /// [`Error::InvalidOption`]; [`Error::Locked`] while another program or handle has it open;
    /// [`Error::FormatVersion`]; [`Error::Io`]; [`Error::Corrupted`].
    pub fn open(directory: impl AsRef<Path>, options: EngineOptions) -> Result<Self, Error> {
        options.validate()?;
        let directory = directory.as_ref();
        std::fs::create_dir_all(directory).map_err(|source| Error::Io {
            during: "making the store directory",
            source,
        })?;
        let path = directory.join(DATABASE_FILE);
        if !path.exists() {
            create_file(directory, &options)?;
        }
        let db = builder(&options)
            .open(&path)
            .map_err(|error| open_error(error, &path))?;
        Self::start(db, options, Some(path))
    }

    /// Makes a store in memory, which is gone when it is closed.
    ///
    /// # Errors
    /// [`Error::InvalidOption`], [`Error::Io`] when there is no entropy.
    pub fn in_memory(options: EngineOptions) -> Result<Self, Error> {
        Self::open_with_backend(redb::backends::InMemoryBackend::new(), options)
    }

    /// Opens the store that a storage backend of redb holds, or makes one in it. For tests of crashes and failures.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_with_backend(
        backend: impl redb::StorageBackend,
        options: EngineOptions,
    ) -> Result<Self, Error> {
        options.validate()?;
        let db = builder(&options)
            .create_with_backend(backend)
            .map_err(|error| open_error(error, Path::new("(backend)")))?;
        Self::start(db, options, None)
    }

    fn start(
        db: redb::Database,
        options: EngineOptions,
        path: Option<PathBuf>,
    ) -> Result<Self, Error> {
        create_if_new(&db, &options)?;
        let db = Db::Writable(RwLock::new(db));
        let mut recovered = recover(&db, &options)?;
        let locator = recovered.take_locator();
        let queue = options.queue_length;
        let (alive, writer_end) = bounded(0);
        let shared = Arc::new(Shared::new(
            db, locator, &recovered, options, path, writer_end,
        ));
        let (commands, receiver) = bounded(queue);
        let watched = Arc::clone(&shared);
        let writer = Writer::new(Arc::clone(&shared), recovered);
        let writer = std::thread::Builder::new()
            .name("uxf-writer".to_owned())
            .spawn(move || {
                let _alive = alive;
                let ended = Arc::clone(&watched);
                writer.run(&receiver);
                ended.watchers.close();
            })
            .map_err(|source| Error::Io {
                during: "starting the writer thread",
                source,
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                commands,
                writer: Mutex::new(Some(writer)),
            }),
        })
    }

    /// Begins a batch of changes.
    pub fn begin(&self) -> WriteBatch {
        WriteBatch::new(self.clone())
    }

    /// Opens a view of the store as it is now, which later commits do not change.
    ///
    /// While it is open, space that is reclaimed is not used again.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::open(Arc::clone(&self.inner.shared))
    }

    /// The inventory of that name, made if there is none yet.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a name over 256 bytes; those of a commit if it has to be made.
    pub fn inventory(&self, name: &str) -> Result<Inventory, Error> {
        check_name(name)?;
        let id = match self.snapshot()?.inventory_id(name)? {
            Some(id) => id,
            None => self.ask(|reply| Command::Inventory(name.to_owned(), reply))?,
        };
        Ok(Inventory::new(self.clone(), id, name))
    }

    /// Begins an import: until the guard is dropped, what is put stays even if nothing refers to it yet.
    pub fn begin_import(&self) -> Import {
        let shared = Arc::clone(&self.inner.shared);
        let from = shared.next_seq();
        shared.readers.begin_import(from);
        Import { shared, from }
    }

    /// Reclaims what nothing refers to, strays included, up to a number of elements. Readers are not held up, other
    /// writers for one bounded step at a time. Released elements are also reclaimed unasked when the writer is idle.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`], [`Error::Corrupted`].
    pub fn sweep(&self, elements_max: u64) -> Result<SweepOutcome, Error> {
        self.ask(|reply| Command::Sweep(elements_max, reply))
    }

    /// Makes all buffered commits durable.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`].
    pub fn flush(&self) -> Result<(), Error> {
        self.ask(Command::Flush)
    }

    /// Makes everything durable and stops the writer. Writes fail with [`Error::Closed`] from then on, reads go on.
    /// Dropping the last handle does the same, but cannot report an error.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`], [`Error::Io`].
    pub fn close(&self) -> Result<(), Error> {
        let result = self.ask(Command::Stop);
        self.inner.join();
        result
    }

    /// What tells this store from every other one: 16 random bytes drawn when it was made.
    pub fn store_id(&self) -> [u8; 16] {
        self.inner.shared.header.store_id
    }

    /// What the store holds after the newest commit. Reads no element: it takes microseconds.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn stats(&self) -> Result<Stats, Error> {
        Stats::of(&self.inner.shared)
    }

    /// The names of the inventories, in their order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn inventories(&self) -> Result<Vec<String>, Error> {
        self.snapshot()?.inventories()
    }

    /// The counters since the store was opened.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.inner.shared.metrics.snapshot()
    }

    pub(crate) fn ask<T>(
        &self,
        command: impl FnOnce(Sender<Result<T, Error>>) -> Command,
    ) -> Result<T, Error> {
        let shared = &self.inner.shared;
        let (reply, answer) = bounded(1);
        self.inner
            .commands
            .send(command(reply))
            .map_err(|_| shared.gone())?;
        shared.wait(&answer)
    }

    pub(crate) fn submit(&self, batch: BatchData, durability: Durability) -> Result<Ticket, Error> {
        let shared = &self.inner.shared;
        let (request, ticket) = Request::new(Arc::clone(shared), batch, durability);
        self.inner
            .commands
            .send(Command::Commit(request))
            .map_err(|_| shared.gone())?;
        Ok(ticket)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// A snapshot and the totals that belong to it. The totals are not known once a commit has failed.
    pub(crate) fn view(&self) -> Result<(Snapshot, Option<State>), Error> {
        match self.ask(Command::View) {
            Ok((snapshot, state)) => Ok((snapshot, Some(state))),
            Err(Error::Closed) => {
                let snapshot = self.snapshot()?;
                Ok((snapshot, Some(self.inner.shared.state())))
            }
            Err(Error::Poisoned) => Ok((self.snapshot()?, None)),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    fn join(&self) {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            self.shared.poison();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let (reply, answer) = bounded(1);
        if self.commands.send(Command::Stop(reply)).is_ok()
            && let Err(error) = self.shared.wait(&answer)
            && !matches!(error, Error::Closed)
        {
            tracing::error!(%error, "the store could not be flushed when it was closed");
        }
        self.join();
    }
}

/// A store opened for reading only. Several programs may have it open so, none of them for writing.
///
/// ```
/// use uxf_engine::{Engine, EngineOptions, ReadOnlyEngine};
///
/// let directory = tempfile::tempdir().unwrap();
/// drop(Engine::open(directory.path(), EngineOptions::new()).unwrap());
/// let first = ReadOnlyEngine::open(directory.path(), EngineOptions::new()).unwrap();
/// let second = ReadOnlyEngine::open(directory.path(), EngineOptions::new()).unwrap();
/// assert_eq!(first.stats().unwrap().elements, second.stats().unwrap().elements);
/// assert!(Engine::open(directory.path(), EngineOptions::new()).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct ReadOnlyEngine {
    shared: Arc<Shared>,
}

impl ReadOnlyEngine {
    /// Opens the store in a directory. Nothing is written, not even after a crash.
    ///
    /// # Errors
    /// [`Error::InvalidOption`]; [`Error::Locked`] while a program has it open for writing; [`Error::Io`] if it is
    /// not there, or was not closed properly and has to be opened for writing once; [`Error::FormatVersion`];
    /// [`Error::Corrupted`].
    pub fn open(directory: impl AsRef<Path>, options: EngineOptions) -> Result<Self, Error> {
        options.validate()?;
        let path = directory.as_ref().join(DATABASE_FILE);
        let db = builder(&options)
            .open_read_only(&path)
            .map_err(|error| open_error(error, &path))?;
        let db = Db::ReadOnly(db);
        let mut recovered = recover(&db, &options)?;
        let locator = recovered.take_locator();
        Ok(Self {
            shared: Arc::new(Shared::new(
                db,
                locator,
                &recovered,
                options,
                Some(path),
                bounded(0).1,
            )),
        })
    }

    /// Opens a view of the store.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::open(Arc::clone(&self.shared))
    }

    /// What the store holds.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn stats(&self) -> Result<Stats, Error> {
        Stats::of(&self.shared)
    }

    /// The names of the inventories, in their order.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupted`].
    pub fn inventories(&self) -> Result<Vec<String>, Error> {
        self.snapshot()?.inventories()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Protects what is put while it is open, see [`Engine::begin_import`].
#[derive(Debug)]
#[must_use = "the protection ends when it is dropped"]
pub struct Import {
    shared: Arc<Shared>,
    from: u64,
}

impl Drop for Import {
    fn drop(&mut self) {
        self.shared.readers.end_import(self.from);
    }
}

/// Makes an empty store, unless somebody else just did.
fn create_file(directory: &Path, options: &EngineOptions) -> Result<(), Error> {
    let file = NewFile::begin(directory)?;
    if file.path().exists() {
        return Ok(());
    }
    let db = file.database(options)?;
    create_if_new(&db, options)?;
    file.put_in_place(db)
}

#[cfg(unix)]
pub(crate) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

pub(crate) fn builder(options: &EngineOptions) -> redb::Builder {
    let mut builder = redb::Database::builder();
    builder.set_cache_size(options.cache_bytes);
    builder
}

pub(crate) fn open_error(error: redb::DatabaseError, path: &Path) -> Error {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => Error::Locked {
            path: PathBuf::from(path),
        },
        other => Error::storage("opening the store", other),
    }
}

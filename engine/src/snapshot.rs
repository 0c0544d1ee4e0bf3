use core::fmt;
use std::sync::{Arc, OnceLock};

use redb::{AccessGuard, ReadOnlyTable, ReadTransaction, ReadableTable as _};
use uxf_codec::{ElementHash, ElementSource};

use crate::elements::fingerprint::Fingerprint;
use crate::error::{During as _, Error};
use crate::replica::{Lookup, Recent};
use crate::shared::Shared;
use crate::tables::row::{BlockKind, BlockRow};
use crate::tables::schema::{BLOCKS, KEYS, wallets};

/// A view of a store at one moment. Reads of it never wait for the writer, and it may be used by many threads.
pub struct Snapshot {
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    txn: ReadTransaction,
    registration: Registration,
    /// What the commits since the last checkpoint came to.
    recent: Arc<Recent>,
    /// Where its blocks end, once somebody asked.
    end: OnceLock<u64>,
    /// The tables of profiles, once somebody asked.
    keys: OnceLock<BytesTable>,
    /// The table of wallets, once somebody asked; `None` if there is none.
    wallets: OnceLock<Option<BytesTable>>,
}

/// A row of a block, borrowed from the store's cache.
pub(crate) type BlockGuard = AccessGuard<'static, &'static [u8]>;
type BytesTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Keeps the elements of the snapshot findable.
#[derive(Debug)]
struct Registration {
    shared: Arc<Shared>,
    commit: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.readers.leave(self.commit);
    }
}

/// The bytes of an element, borrowed from the store's cache.
pub struct ElementBytes {
    row: AccessGuard<'static, &'static [u8]>,
    start: usize,
    kind: BlockKind,
}

impl ElementBytes {
    /// What the bytes are.
    pub fn kind(&self) -> BlockKind {
        self.kind
    }
}

impl AsRef<[u8]> for ElementBytes {
    fn as_ref(&self) -> &[u8] {
        self.row.value().get(self.start..).unwrap_or_default()
    }
}

impl fmt::Debug for ElementBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ElementBytes({:?}, {} bytes)",
            self.kind,
            self.as_ref().len()
        )
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("commit", &self.registration.commit)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(crate) fn open(shared: Arc<Shared>) -> Result<Self, Error> {
        // Registered first: what is reclaimed from here on stays findable, whichever commit the view turns out to see.
        let commit = shared.readers.enter(shared.options.clock.monotonic());
        let registration = Registration { shared, commit };
        let (txn, recent) = begin(&registration.shared)?;
        let blocks = txn.open_table(BLOCKS).during("opening blocks-1")?;
        Ok(Self {
            blocks,
            txn,
            registration,
            recent,
            end: OnceLock::new(),
            keys: OnceLock::new(),
            wallets: OnceLock::new(),
        })
    }

    /// Reads an element; `None` if the store did not have it.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Corrupted`] if its row is damaged.
    pub fn get(&self, hash: &ElementHash) -> Result<Option<ElementBytes>, Error> {
        Ok(self.find(hash)?.map(|(_, found)| found))
    }

    /// The sequence number of an element, if the snapshot has it.
    pub(crate) fn seq_of(&self, hash: &ElementHash) -> Result<Option<u64>, Error> {
        Ok(self.find(hash)?.map(|(seq, _)| seq))
    }

    fn find(&self, hash: &ElementHash) -> Result<Option<(u64, ElementBytes)>, Error> {
        let shared = self.shared();
        let fingerprint = shared.fingerprint(hash);
        if let Some(seq) = shared.locate(fingerprint)?
            && let Some(found) = self.row(seq, hash)?
        {
            return Ok(Some((seq, found)));
        }
        self.find_buried(fingerprint, hash)
    }

    /// Whether the store had an element.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn contains(&self, hash: &ElementHash) -> Result<bool, Error> {
        self.get(hash).map(|found| found.is_some())
    }

    /// The element may have moved since: reclaimed and perhaps put again.
    #[cold]
    fn find_buried(
        &self,
        fingerprint: Fingerprint,
        hash: &ElementHash,
    ) -> Result<Option<(u64, ElementBytes)>, Error> {
        for seq in self.shared().readers.buried(fingerprint) {
            if let Some(found) = self.row(seq, hash)? {
                return Ok(Some((seq, found)));
            }
        }
        Ok(None)
    }

    fn row(&self, seq: u64, hash: &ElementHash) -> Result<Option<ElementBytes>, Error> {
        let Some(guard) = self.blocks.get(seq).during("reading a block")? else {
            return Ok(None);
        };
        let row = BlockRow::decode(seq, guard.value())?;
        let bytes = row.bytes;
        if row.hash != *hash
            || (self.shared().options.verify_reads && row.kind.hash(bytes) != *hash)
        {
            return Err(Error::corrupted(
                "blocks-1",
                seq,
                format!(
                    "expected element {hash}, found {} or damaged bytes",
                    row.hash
                ),
            ));
        }
        let (start, kind) = (guard.value().len() - bytes.len(), row.kind);
        Ok(Some(ElementBytes {
            row: guard,
            start,
            kind,
        }))
    }

    /// Whether a block that this snapshot has is found under a fingerprint.
    pub(crate) fn locates(&self, fingerprint: Fingerprint, seq: u64) -> Result<bool, Error> {
        let shared = self.shared();
        Ok(shared.locate(fingerprint)? == Some(seq)
            || shared.readers.buried(fingerprint).contains(&seq))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.registration.shared
    }

    /// What a reader of profiles looks up in, with the table of keys.
    pub(crate) fn keys(&self) -> Result<(Lookup<'_>, &BytesTable), Error> {
        let keys = if let Some(keys) = self.keys.get() {
            keys
        } else {
            let keys = self.txn.open_table(KEYS).during("opening keys-2")?;
            self.keys.get_or_init(|| keys)
        };
        Ok((self.lookup()?, keys))
    }

    /// The rows of wallets, if there ever were any.
    pub(crate) fn wallets(&self) -> Result<Option<&BytesTable>, Error> {
        let found = if let Some(found) = self.wallets.get() {
            found
        } else {
            let found = wallets(&self.txn)?;
            self.wallets.get_or_init(|| found)
        };
        Ok(found.as_ref())
    }

    /// Finds what is in memory for this snapshot.
    pub(crate) fn lookup(&self) -> Result<Lookup<'_>, Error> {
        let end = if let Some(end) = self.end.get() {
            *end
        } else {
            let last = self.blocks.last().during("reading the last block")?;
            let end = last.map_or(0, |(seq, _)| seq.value().saturating_add(1));
            *self.end.get_or_init(|| end)
        };
        Ok(Lookup {
            recent: &self.recent,
            logs: &self.shared().logs,
            end,
        })
    }

    /// The bytes of a block, whatever it is, and where they begin in the row.
    pub(crate) fn block(&self, seq: u64) -> Result<Option<(BlockGuard, usize)>, Error> {
        let Some(guard) = self.blocks.get(seq).during("reading a block")? else {
            return Ok(None);
        };
        let start = guard.value().len() - BlockRow::decode(seq, guard.value())?.bytes.len();
        Ok(Some((guard, start)))
    }

    pub(crate) fn txn(&self) -> &ReadTransaction {
        &self.txn
    }
}

/// Begins to read together with what is in memory for it.
///
/// What is taken first covers the state that is read or a later one, unless a checkpoint begins another in between:
/// states in memory are there before their commit is in the database, and say from which one on they count.
fn begin(shared: &Shared) -> Result<(ReadTransaction, Arc<Recent>), Error> {
    loop {
        let recent = shared.recent();
        let txn = shared.db.begin_read()?;
        if Arc::ptr_eq(&recent, &shared.recent()) {
            return Ok((txn, recent));
        }
    }
}

impl ElementSource for Snapshot {
    type Bytes<'a> = ElementBytes;

    fn element(&self, hash: &ElementHash) -> Result<Option<ElementBytes>, uxf_codec::Error> {
        self.get(hash)
            .map_err(|error| uxf_codec::Error::Source(Box::new(error)))
    }
}

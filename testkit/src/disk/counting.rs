use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

/// What went to and from a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskTraffic {
    /// Bytes asked of read calls.
    pub read_bytes: u64,
    /// Bytes given to write calls.
    pub written_bytes: u64,
    /// Number of write calls.
    pub writes: u64,
    /// Number of syncs.
    pub syncs: u64,
}

/// A disk around another, which counts. Clones share their counts.
///
/// ```
/// use redb::StorageBackend;
/// use uxf_testkit::disk::{CountingDisk, MemoryDisk};
///
/// let disk = CountingDisk::new(MemoryDisk::default());
/// disk.write(0, &[0; 100])?;
/// disk.sync_data()?;
/// let traffic = disk.traffic();
/// assert_eq!((traffic.written_bytes, traffic.writes, traffic.syncs), (100, 1, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CountingDisk<B> {
    inner: B,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

impl<B> CountingDisk<B> {
    /// A disk that counts from zero.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            counts: Arc::default(),
        }
    }

    /// The counts so far.
    pub fn traffic(&self) -> DiskTraffic {
        DiskTraffic {
            read_bytes: self.counts.read_bytes.load(Ordering::Relaxed),
            written_bytes: self.counts.written_bytes.load(Ordering::Relaxed),
            writes: self.counts.writes.load(Ordering::Relaxed),
            syncs: self.counts.syncs.load(Ordering::Relaxed),
        }
    }
}

impl<B: StorageBackend> StorageBackend for CountingDisk<B> {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.counts
            .read_bytes
            .fetch_add(out.len() as u64, Ordering::Relaxed);
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.counts
            .written_bytes
            .fetch_add(data.len() as u64, Ordering::Relaxed);
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}

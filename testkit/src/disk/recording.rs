use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::{CrashImages, MemoryDisk, lock};

/// Something that changed a disk, or made changes permanent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Bytes were handed to a write call.
    Write {
        /// Where they go.
        offset: u64,
        /// The bytes.
        data: Box<[u8]>,
    },
    /// The disk was cut or filled up with zeros to this length.
    SetLen(u64),
    /// Everything before this is on the medium.
    Sync,
}

/// A disk in memory that records everything done to it. Clones are handles to the same disk.
///
/// ```
/// use redb::StorageBackend;
/// use uxf_testkit::disk::{DiskOp, RecordingDisk};
///
/// let disk = RecordingDisk::new(Vec::new());
/// disk.set_len(4)?;
/// disk.sync_data()?;
/// assert_eq!(disk.record().ops(), [DiskOp::SetLen(4), DiskOp::Sync]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RecordingDisk {
    base: Arc<[u8]>,
    disk: MemoryDisk,
    ops: Arc<Mutex<Vec<DiskOp>>>,
}

impl RecordingDisk {
    /// A disk that begins as an image, all of it on the medium; the record is empty.
    pub fn new(image: Vec<u8>) -> Self {
        Self {
            base: image.as_slice().into(),
            disk: MemoryDisk::new(image),
            ops: Arc::default(),
        }
    }

    /// How many operations have been recorded: a point in time of this disk.
    pub fn position(&self) -> usize {
        lock(&self.ops).len()
    }

    /// What it holds now, synced or not.
    pub fn image(&self) -> Vec<u8> {
        self.disk.image()
    }

    /// A copy of everything recorded so far.
    pub fn record(&self) -> DiskRecord {
        DiskRecord {
            base: Arc::clone(&self.base),
            ops: lock(&self.ops).clone(),
        }
    }

    fn note(&self, op: DiskOp, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        // Held across the act, so that the record has the order in which things happened.
        let mut ops = lock(&self.ops);
        act()?;
        ops.push(op);
        Ok(())
    }
}

impl StorageBackend for RecordingDisk {
    fn len(&self) -> io::Result<u64> {
        self.disk.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(DiskOp::SetLen(len), || self.disk.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(DiskOp::Sync, || Ok(()))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let op = DiskOp::Write {
            offset,
            data: data.into(),
        };
        self.note(op, || self.disk.write(offset, data))
    }
}

/// What a disk was at first and all that was done to it.
#[derive(Clone, Debug)]
pub struct DiskRecord {
    base: Arc<[u8]>,
    ops: Vec<DiskOp>,
}

impl DiskRecord {
    /// The disk before the first operation.
    pub fn base(&self) -> &[u8] {
        &self.base
    }

    /// The operations in their order.
    pub fn ops(&self) -> &[DiskOp] {
        &self.ops
    }

    /// The images that power cuts along this record leave behind.
    pub fn crash_images(&self) -> CrashImages<'_> {
        CrashImages::new(self)
    }
}

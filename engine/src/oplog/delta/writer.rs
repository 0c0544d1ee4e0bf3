use std::io::Write;

use super::order::Order;
use super::{DeltaError, DeltaLimits, DeltaRecordKind, END, END_BYTES, head, record_head};
use crate::profile::sealed::ProfileId;

/// Writes a delta record by record. Keeps nothing but the digest, and writes small pieces: a file wants a
/// [`BufWriter`](std::io::BufWriter) around it.
///
/// Without [`DeltaWriter::finish`] what was written is no delta.
///
/// ```
/// use uxf_engine::oplog::{DeltaLimits, DeltaReader, DeltaRecordKind, DeltaWriter};
/// use uxf_engine::profile::sealed::ProfileId;
///
/// let profile = ProfileId::from_bytes([2; 33]);
/// let mut writer = DeltaWriter::new(Vec::new(), &profile, DeltaLimits::default()).unwrap();
/// writer.record(DeltaRecordKind::Block, &[9; 40]).unwrap();
/// let bytes = writer.finish().unwrap();
///
/// let mut reader = DeltaReader::new(&bytes[..], DeltaLimits::default()).unwrap();
/// assert_eq!(reader.profile(), &profile);
/// let record = reader.next_record().unwrap().unwrap();
/// assert_eq!((record.kind, record.bytes), (DeltaRecordKind::Block, &[9; 40][..]));
/// assert!(reader.next_record().unwrap().is_none());
/// ```
#[derive(Debug)]
pub struct DeltaWriter<W> {
    sink: W,
    limits: DeltaLimits,
    order: Order,
    records: u32,
    hasher: blake3::Hasher,
    is_broken: bool,
}

impl<W: Write> DeltaWriter<W> {
    /// Starts a delta of a profile.
    ///
    /// # Errors
    /// [`DeltaError::Io`].
    pub fn new(sink: W, profile: &ProfileId, limits: DeltaLimits) -> Result<Self, DeltaError> {
        let mut writer = Self {
            sink,
            limits,
            order: Order::default(),
            records: 0,
            hasher: blake3::Hasher::new(),
            is_broken: false,
        };
        writer.write(&head(profile))?;
        Ok(writer)
    }

    /// Writes a record. What is refused because of its length, its place or its number writes nothing, and other records
    /// may follow.
    ///
    /// # Errors
    /// [`DeltaError::Length`], [`DeltaError::Order`], [`DeltaError::NoCheckpoint`], [`DeltaError::RecordCount`],
    /// [`DeltaError::Io`], and [`DeltaError::Broken`] once writing has failed.
    pub fn record(&mut self, kind: DeltaRecordKind, bytes: &[u8]) -> Result<(), DeltaError> {
        let (_, len) = self.limits.length(kind, bytes.len() as u64)?;
        let order = self.order.then(kind)?;
        let records = self.limits.count(self.records)?;
        self.write(&record_head(kind.number(), len))?;
        self.write(bytes)?;
        (self.order, self.records) = (order, records);
        Ok(())
    }

    /// Records so far.
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// Writes the end, flushes and gives the sink back.
    ///
    /// # Errors
    /// [`DeltaError::NoCheckpoint`], [`DeltaError::Io`], and [`DeltaError::Broken`] if writing has failed before.
    pub fn finish(mut self) -> Result<W, DeltaError> {
        self.order.end()?;
        self.write(&record_head(END, END_BYTES))?;
        self.write(&self.records.to_be_bytes())?;
        let digest = self.hasher.finalize();
        self.write(digest.as_bytes())?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DeltaError> {
        if self.is_broken {
            return Err(DeltaError::Broken);
        }
        self.hasher.update(bytes);
        // How much of it was written is not known then.
        self.sink
            .write_all(bytes)
            .inspect_err(|_| self.is_broken = true)?;
        Ok(())
    }
}

use std::io::{self, Read};

use super::order::Order;
use super::{
    DELTA_MAGIC, DELTA_VERSION, DeltaError, DeltaLimits, DeltaRecord, DeltaRecordKind, END,
    END_BYTES,
};
use crate::profile::sealed::ProfileId;

/// Reads a delta record by record, front to back. Keeps one record at a time, and reads small pieces: a file wants a
/// [`BufReader`](std::io::BufReader) around it.
///
/// Each record is given out before the end has shown that the file is whole. What is in it has to stand by itself.
#[derive(Debug)]
pub struct DeltaReader<R> {
    source: R,
    profile: ProfileId,
    limits: DeltaLimits,
    order: Order,
    records: u32,
    offset: u64,
    hasher: blake3::Hasher,
    pub(super) buffer: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Broken,
}

impl<R: Read> DeltaReader<R> {
    /// Reads the head of a delta.
    ///
    /// # Errors
    /// [`DeltaError::Magic`], [`DeltaError::Version`], [`DeltaError::Truncated`] and [`DeltaError::Io`].
    pub fn new(source: R, limits: DeltaLimits) -> Result<Self, DeltaError> {
        let mut reader = Self {
            source,
            profile: ProfileId::from_bytes([0; 33]),
            limits,
            order: Order::default(),
            records: 0,
            offset: 0,
            hasher: blake3::Hasher::new(),
            buffer: Vec::new(),
            state: State::Open,
        };
        if reader.fixed::<4>()? != DELTA_MAGIC {
            return Err(DeltaError::Magic);
        }
        let [found] = reader.fixed()?;
        if found != DELTA_VERSION {
            return Err(DeltaError::Version { found });
        }
        reader.profile = ProfileId::from_bytes(reader.fixed()?);
        Ok(reader)
    }

    /// The profile it says it is of.
    pub const fn profile(&self) -> &ProfileId {
        &self.profile
    }

    /// Records so far.
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// How far reading has come, in bytes.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; `None` once the end has shown that the file is whole and nothing follows.
    ///
    /// # Errors
    /// All of [`DeltaError`] but `Magic` and `Version`; after an error nothing but [`DeltaError::Broken`].
    pub fn next_record(&mut self) -> Result<Option<DeltaRecord<'_>>, DeltaError> {
        match self.state {
            State::Open => {}
            State::Ended => return Ok(None),
            State::Broken => return Err(DeltaError::Broken),
        }
        // So that every way out but the good one leaves it broken.
        self.state = State::Broken;
        let kind = self.advance()?;
        self.state = if kind.is_some() {
            State::Open
        } else {
            State::Ended
        };
        Ok(kind.map(|kind| DeltaRecord {
            kind,
            bytes: &self.buffer,
        }))
    }

    /// Reads a record into the buffer, or the end.
    fn advance(&mut self) -> Result<Option<DeltaRecordKind>, DeltaError> {
        let offset = self.offset;
        let [found] = self.fixed()?;
        let found_len = u32::from_be_bytes(self.fixed()?);
        if found == END {
            self.end(found_len)?;
            return Ok(None);
        }
        let kind = DeltaRecordKind::of(found).ok_or(DeltaError::UnknownType { offset, found })?;
        let (len, _) = self.limits.length(kind, u64::from(found_len))?;
        let order = self.order.then(kind)?;
        let records = self.limits.count(self.records)?;
        self.fill(len)?;
        (self.order, self.records) = (order, records);
        Ok(Some(kind))
    }

    fn end(&mut self, found: u32) -> Result<(), DeltaError> {
        if found != END_BYTES {
            return Err(DeltaError::EndLength { found });
        }
        self.order.end()?;
        let expected = u32::from_be_bytes(self.fixed()?);
        let digest = self.hasher.finalize();
        if self.fixed::<32>()? != *digest.as_bytes() {
            return Err(DeltaError::Digest);
        }
        if expected != self.records {
            return Err(DeltaError::CountMismatch {
                expected,
                found: self.records,
            });
        }
        self.buffer.clear();
        let mut after = self.source.by_ref().take(1);
        if after.read_to_end(&mut self.buffer)? > 0 {
            return Err(DeltaError::AfterEnd);
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DeltaError> {
        let mut bytes = [0; N];
        let offset = self.offset;
        self.source
            .read_exact(&mut bytes)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => DeltaError::Truncated { offset },
                _ => DeltaError::Io(error),
            })?;
        self.hasher.update(&bytes);
        self.offset = self.offset.saturating_add(N as u64);
        Ok(bytes)
    }

    /// Reads so many bytes into the buffer, which grows with what comes and not with what was promised.
    fn fill(&mut self, len: usize) -> Result<(), DeltaError> {
        self.buffer.clear();
        let mut part = self.source.by_ref().take(len as u64);
        if part.read_to_end(&mut self.buffer)? < len {
            return Err(DeltaError::Truncated {
                offset: self.offset,
            });
        }
        self.hasher.update(&self.buffer);
        self.offset = self.offset.saturating_add(len as u64);
        Ok(())
    }
}

//! A delta as one file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use uxf_codec::ElementHash;

use super::{CheckpointParts, Delta, IngestOutcome, Profile};
use crate::error::Error;
use crate::oplog::{
    Commit, DELTA_BLOCK_BYTES_DEFAULT, DeltaLimits, DeltaReader, DeltaRecordKind, DeltaWriter,
    LOGS_MAX, LogHead, Segment, SignedCheckpoint, VersionVector,
};
use crate::profile::ProfileError;
use crate::profile::change::{ReadCommit, ReadSegment};

/// Commits and blocks that are held in memory at once, in bytes. Checkpoints come whole.
const ROUND_BYTES: usize = 4 << 20;

/// What a written delta holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeltaExport {
    /// Commits.
    pub commits: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Sealed values in blocks of their own.
    pub blocks: u64,
}

/// A delta has all its blocks before its checkpoints and those before its commits; each kind is a walk of its own.
#[derive(Clone, Copy)]
enum Pass {
    Blocks,
    Checkpoints,
    Commits,
}

impl Profile {
    /// Writes all that a replica with that version vector lacks, as it is now, in the form of a delta file: for
    /// [`import_delta`](Self::import_delta), however it gets there. Values in it are sealed; keys, times and the names
    /// of devices are not.
    ///
    /// Small pieces are written: a file wants a [`BufWriter`](io::BufWriter) around it. It is flushed at the end, not
    /// synced.
    ///
    /// # Errors
    /// [`ProfileError::DeltaFile`] if writing fails, and then what was written is no delta; those of
    /// [`delta_for`](Self::delta_for).
    pub fn export_delta<W: Write>(
        &self,
        theirs: &VersionVector,
        sink: W,
    ) -> Result<DeltaExport, Error> {
        let limits = self.delta_limits();
        let mut writer = DeltaWriter::new(sink, self.id(), limits).map_err(ProfileError::from)?;
        // One view for all walks: what is written meanwhile is not half in it. And what a peer has must not be lost here.
        let view = self.durable_replica()?;
        let first = self.delta_of(&view, theirs, ROUND_BYTES)?;
        let mut export = DeltaExport::default();
        write_all(
            &mut writer,
            DeltaRecordKind::Certificate,
            &first.certificates,
        )?;
        write_all(&mut writer, DeltaRecordKind::Revocation, &first.revocations)?;
        write_all(&mut writer, DeltaRecordKind::ForkProof, &first.forks)?;
        for pass in [Pass::Blocks, Pass::Checkpoints, Pass::Commits] {
            let mut reached = theirs.clone();
            let mut next: Option<Delta> = None;
            loop {
                let delta = next.as_ref().unwrap_or(&first);
                write_pass(&mut writer, pass, delta, &mut export)?;
                if !delta.is_partial {
                    break;
                }
                advance(&mut reached, delta)?;
                next = Some(self.delta_of(&view, &reached, ROUND_BYTES)?);
            }
        }
        writer.finish().map_err(ProfileError::from)?;
        Ok(export)
    }

    /// Takes in a delta file. First the whole file is read to see that none of it is damaged or missing, then its
    /// content is [taken in](Self::ingest) in bounded steps, each checked and applied whole.
    ///
    /// ```
    /// # use uxf_engine::profile::sealed::WalletSecret;
    /// # use uxf_engine::{Engine, EngineOptions};
    /// # let secret = WalletSecret::take(&mut [7; 32]);
    /// # let engine = || Engine::in_memory(EngineOptions::new()).unwrap();
    /// # let phone = engine().profile(&secret, "phone").unwrap();
    /// # let laptop = engine().profile(&secret, "laptop").unwrap();
    /// phone.put("app.greeting", b"hello").unwrap();
    /// let mut file = Vec::new();
    /// phone.export_delta(&laptop.version_vector().unwrap(), &mut file).unwrap();
    ///
    /// let taken = laptop.import_delta(std::io::Cursor::new(&file)).unwrap();
    /// assert_eq!(taken.applied, 1);
    /// assert_eq!(laptop.get("app.greeting").unwrap().unwrap(), b"hello");
    /// // Once more is no harm.
    /// assert_eq!(laptop.import_delta(std::io::Cursor::new(&file)).unwrap().known, 1);
    /// ```
    ///
    /// # Errors
    /// [`ProfileError::OtherProfile`]; [`ProfileError::DeltaFile`], which has changed nothing unless reading failed in
    /// the second round; those of [`ingest`](Self::ingest), after which the steps before stay: they stand by
    /// themselves, and the same file may be taken again.
    pub fn import_delta<R: Read + Seek>(&self, source: R) -> Result<IngestOutcome, Error> {
        let source = RefCell::new(source);
        let blocks = self.index_blocks(&source)?;
        let mut reader = self.delta_reader(&source)?;
        let mut steps = Steps::new(self, &source, blocks);
        while let Some(record) = reader.next_record().map_err(ProfileError::from)? {
            steps.take(record.kind, record.bytes)?;
        }
        steps.finish()
    }

    /// Reads a delta to its end and says where its blocks are.
    fn index_blocks<R: Read + Seek>(&self, source: &RefCell<R>) -> Result<Blocks, Error> {
        let mut reader = self.delta_reader(source)?;
        if reader.profile() != self.id() {
            return Err(ProfileError::OtherProfile.into());
        }
        let mut blocks = Blocks::new();
        loop {
            let found = match reader.next_record().map_err(ProfileError::from)? {
                None => return Ok(blocks),
                Some(record) if record.kind == DeltaRecordKind::Block => {
                    (ElementHash::of(record.bytes), record.bytes.len())
                }
                Some(_) => continue,
            };
            let (hash, len) = found;
            let start = reader.offset().saturating_sub(len as u64);
            blocks.insert(hash, (start, len));
        }
    }

    fn delta_reader<'r, R: Read + Seek>(
        &self,
        source: &'r RefCell<R>,
    ) -> Result<DeltaReader<BufReader<Source<'r, R>>>, Error> {
        let from = BufReader::with_capacity(1 << 16, Source { source, at: 0 });
        let reader = DeltaReader::new(from, self.delta_limits());
        Ok(reader.map_err(ProfileError::from)?)
    }

    fn delta_limits(&self) -> DeltaLimits {
        let element_bytes = self.engine.shared().options.element_bytes_max;
        DeltaLimits {
            block_bytes: element_bytes.max(DELTA_BLOCK_BYTES_DEFAULT),
            ..DeltaLimits::default()
        }
    }
}

fn write_all<W: Write>(
    writer: &mut DeltaWriter<W>,
    kind: DeltaRecordKind,
    records: &[Vec<u8>],
) -> Result<u64, Error> {
    for bytes in records {
        writer.record(kind, bytes).map_err(ProfileError::from)?;
    }
    Ok(records.len() as u64)
}

fn write_pass<W: Write>(
    writer: &mut DeltaWriter<W>,
    pass: Pass,
    delta: &Delta,
    export: &mut DeltaExport,
) -> Result<(), Error> {
    match pass {
        Pass::Blocks => {
            export.blocks += write_all(writer, DeltaRecordKind::Block, &delta.blocks)?;
        }
        Pass::Checkpoints => {
            for parts in &delta.checkpoints {
                write_all(writer, DeltaRecordKind::Segment, &parts.segments)?;
                let written = writer.record(DeltaRecordKind::Checkpoint, &parts.signed);
                written.map_err(ProfileError::from)?;
                export.checkpoints += 1;
            }
        }
        Pass::Commits => {
            export.commits += write_all(writer, DeltaRecordKind::Commit, &delta.commits)?;
        }
    }
    Ok(())
}

/// How far a replica is after it took a delta.
fn advance(reached: &mut VersionVector, delta: &Delta) -> Result<(), Error> {
    let mut heads = Vec::with_capacity(delta.checkpoints.len() + delta.commits.len());
    for parts in &delta.checkpoints {
        let signed = SignedCheckpoint::decode(&parts.signed).map_err(ProfileError::from)?;
        heads.push(signed.header().log_head());
    }
    for bytes in &delta.commits {
        let commit = Commit::decode(bytes).map_err(ProfileError::from)?;
        let mut head = LogHead::empty(commit.header().log);
        head.advance(commit.header(), commit.id());
        heads.push(head);
    }
    for head in heads {
        reached
            .set(&head)
            .map_err(|_| ProfileError::LimitExceeded {
                what: "logs of a profile",
                limit: LOGS_MAX as u64,
                found: LOGS_MAX as u64 + 1,
            })?;
    }
    Ok(())
}

/// Where the blocks of a delta begin and how long they are, in bytes.
type Blocks = HashMap<ElementHash, (u64, usize)>;

/// Reads from its own place in a source that others read too.
struct Source<'r, R> {
    source: &'r RefCell<R>,
    at: u64,
}

impl<R: Read + Seek> Read for Source<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut source = self.source.try_borrow_mut().map_err(io::Error::other)?;
        source.seek(SeekFrom::Start(self.at))?;
        let read = source.read(out)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

/// Takes in the records of a delta in bounded steps.
struct Steps<'r, R> {
    profile: &'r Profile,
    source: &'r RefCell<R>,
    blocks: Blocks,
    /// The next step, and its bytes.
    delta: Delta,
    bytes: usize,
    /// Segments of the checkpoint that follows.
    segments: Vec<Vec<u8>>,
    outcome: IngestOutcome,
}

impl<'r, R: Read + Seek> Steps<'r, R> {
    fn new(profile: &'r Profile, source: &'r RefCell<R>, blocks: Blocks) -> Self {
        Self {
            profile,
            source,
            blocks,
            delta: Delta::default(),
            bytes: 0,
            segments: Vec::new(),
            outcome: IngestOutcome::default(),
        }
    }

    fn take(&mut self, kind: DeltaRecordKind, bytes: &[u8]) -> Result<(), Error> {
        match kind {
            // With what names it.
            DeltaRecordKind::Block => return Ok(()),
            DeltaRecordKind::Certificate => self.delta.certificates.push(bytes.to_vec()),
            DeltaRecordKind::Revocation => self.delta.revocations.push(bytes.to_vec()),
            DeltaRecordKind::ForkProof => self.delta.forks.push(bytes.to_vec()),
            DeltaRecordKind::Segment => {
                let segment = Segment::decode(bytes).map_err(ProfileError::from)?;
                self.take_blocks(ReadSegment::of(&segment).links())?;
                self.segments.push(bytes.to_vec());
            }
            DeltaRecordKind::Checkpoint => {
                let segments = core::mem::take(&mut self.segments);
                let signed = bytes.to_vec();
                let parts = CheckpointParts { segments, signed };
                self.delta.checkpoints.push(parts);
            }
            DeltaRecordKind::Commit => {
                let commit = Commit::decode(bytes).map_err(ProfileError::from)?;
                self.take_blocks(ReadCommit::of(&commit).links())?;
                self.delta.commits.push(bytes.to_vec());
            }
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        // Segments come with their checkpoint or not at all.
        let limit = self.profile.engine.shared().options.batch_bytes_max;
        if self.bytes > limit {
            return Err(Error::LimitExceeded {
                what: "bytes of a checkpoint in a delta",
                limit: limit as u64,
                found: self.bytes as u64,
            });
        }
        if self.bytes >= ROUND_BYTES && self.segments.is_empty() {
            self.step()?;
        }
        Ok(())
    }

    /// Reads the blocks that are in the delta; the others are in the store, or missed there.
    fn take_blocks(&mut self, links: impl Iterator<Item = ElementHash>) -> Result<(), Error> {
        for link in links {
            let Some(&(at, len)) = self.blocks.get(&link) else {
                continue;
            };
            let mut block = vec![0; len];
            let mut from = Source {
                source: self.source,
                at,
            };
            from.read_exact(&mut block)
                .map_err(|error| ProfileError::DeltaFile(error.into()))?;
            self.bytes = self.bytes.saturating_add(len);
            self.delta.blocks.push(block);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Error> {
        let delta = core::mem::take(&mut self.delta);
        self.bytes = 0;
        let outcome = self.profile.ingest(&delta)?;
        self.outcome.applied += outcome.applied;
        self.outcome.checkpoints += outcome.checkpoints;
        self.outcome.known += outcome.known;
        self.outcome.parked += outcome.parked;
        Ok(())
    }

    fn finish(mut self) -> Result<IngestOutcome, Error> {
        self.step()?;
        Ok(self.outcome)
    }
}

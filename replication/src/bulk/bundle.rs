use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use cid::Cid;
use uxf_codec::carriage::car::CarReader;
use uxf_engine::bundles::check_content;

use super::error::BulkError;
use super::graph::{Graph, Reach};
use super::limits::BulkLimits;
use super::links::links_of;
use super::stage::{archive_error, check_id, count_block, no_cid, read_header};

/// An archive that can be read more than once: it is checked before it is sent, and sent again when sending failed.
pub trait CarSource {
    /// Reads it from its beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;
}

impl CarSource for [u8] {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self))
    }
}

impl CarSource for Vec<u8> {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.as_slice()))
    }
}

impl CarSource for Path {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(BufReader::new(File::open(self)?)))
    }
}

impl CarSource for PathBuf {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        CarSource::open(self.as_path())
    }
}

/// A bundle that is to be stored: an archive that was read once and found to be whole, every block checked. It
/// holds ids, not bytes; those are read again when they are needed.
pub struct Bundle<'s> {
    root: Cid,
    source: &'s dyn CarSource,
    limits: BulkLimits,
    blocks: Vec<BlockRef>,
    tops: Vec<Cid>,
}

/// A block of a bundle, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockRef {
    /// Its id.
    pub cid: Cid,
    /// Its length in bytes.
    pub len: usize,
}

/// What the source of a bundle is called in errors.
const SOURCE: &str = "the bundle to be stored";

impl<'s> Bundle<'s> {
    /// Reads an archive through.
    ///
    /// # Errors
    /// [`BulkError::OtherRoot`] unless it names this root alone; [`BulkError::Incomplete`] if it lacks something
    /// that its blocks link to; [`BulkError::Content`], [`BulkError::Archive`], [`BulkError::Block`],
    /// [`BulkError::Codec`], [`BulkError::TooLarge`]; [`BulkError::Source`] if it cannot be read.
    pub fn read(
        root: &Cid,
        source: &'s dyn CarSource,
        limits: BulkLimits,
    ) -> Result<Self, BulkError> {
        check_id(root)?;
        let mut graph = Graph::new(root, &limits);
        let mut blocks: indexmap::IndexMap<Cid, usize> = indexmap::IndexMap::new();
        for_each(root, source, &limits, |cid, bytes| {
            if blocks.insert(*cid, bytes.len()).is_none() {
                graph.walk(cid, &links_of(cid, bytes, &limits)?)?;
            }
            Ok(())
        })?;
        if let Some(first) = graph.missing(Reach::Needed).next() {
            return Err(BulkError::Incomplete {
                root: Box::new(*root),
                missing: graph.missing(Reach::Needed).count(),
                first: Box::new(*first),
            });
        }
        Ok(Self {
            root: *root,
            source,
            limits,
            tops: graph.tops(),
            blocks: blocks
                .into_iter()
                .map(|(cid, len)| BlockRef { cid, len })
                .collect(),
        })
    }

    /// The id of the bundle.
    pub const fn root(&self) -> &Cid {
        &self.root
    }

    /// The limits it was read with.
    pub const fn limits(&self) -> &BulkLimits {
        &self.limits
    }

    /// Its blocks in their order, each once.
    pub fn blocks(&self) -> &[BlockRef] {
        &self.blocks
    }

    /// Bytes of its blocks.
    pub fn byte_len(&self) -> u64 {
        self.blocks.iter().map(|block| block.len as u64).sum()
    }

    /// What has to be pinned beside the root so that all of it is: newer instances and name-tags that only transactions
    /// name are in the archive, but no link leads to them.
    pub fn tops(&self) -> &[Cid] {
        &self.tops
    }

    /// Shows each block with its bytes, checked again: the source may have changed since.
    ///
    /// # Errors
    /// Those of the function, and those of [`read`](Self::read).
    pub fn for_each_block(
        &self,
        show: impl FnMut(&Cid, &[u8]) -> Result<(), BulkError>,
    ) -> Result<(), BulkError> {
        for_each(&self.root, self.source, &self.limits, show)
    }

    /// Its blocks for who takes one at a time.
    #[cfg(feature = "http")]
    pub(super) fn checked_blocks(&self) -> Result<CheckedBlocks<'s>, BulkError> {
        CheckedBlocks::open(&self.root, self.source, &self.limits)
    }
}

impl core::fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bundle")
            .field("root", &self.root)
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

fn for_each(
    root: &Cid,
    source: &dyn CarSource,
    limits: &BulkLimits,
    mut show: impl FnMut(&Cid, &[u8]) -> Result<(), BulkError>,
) -> Result<(), BulkError> {
    let mut blocks = CheckedBlocks::open(root, source, limits)?;
    while let Some((cid, bytes)) = blocks.next()? {
        show(&cid, bytes)?;
    }
    Ok(())
}

/// The blocks of an archive as it is read, each checked.
pub(super) struct CheckedBlocks<'s> {
    reader: CarReader<Box<dyn Read + 's>>,
    limits: BulkLimits,
    blocks: usize,
}

impl<'s> CheckedBlocks<'s> {
    fn open(root: &Cid, source: &'s dyn CarSource, limits: &BulkLimits) -> Result<Self, BulkError> {
        let input = source.open().map_err(BulkError::Source)?;
        Ok(Self {
            reader: read_header(SOURCE, root, input, limits)?,
            limits: *limits,
            blocks: 0,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<(Cid, &[u8])>, BulkError> {
        let limits = &self.limits;
        let broken = |source| archive_error(SOURCE, source, limits);
        let Some(block) = self.reader.next_block().map_err(broken)? else {
            return Ok(None);
        };
        count_block(&mut self.blocks, limits)?;
        let cid = block.cid.to_cid().ok_or_else(|| no_cid(SOURCE))?;
        check_content(&cid, block.bytes)?;
        Ok(Some((cid, block.bytes)))
    }
}

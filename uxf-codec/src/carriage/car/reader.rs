use std::io::Read;

use cid::Cid;

use super::ahead::HashesAhead;
use super::cid::BlockCid;
use super::framing::Framing;
use super::input::Buffered;
use super::limits::CarLimits;
use crate::element::ElementHash;
use crate::error::Error;

/// Reads an archive block by block from a stream, knowing framing and caps only.
///
/// It buffers, so the stream need not. Nothing is verified here: bytes are under a CID that may lie until someone
/// hashes them, as [`PackageReader`](super::PackageReader) does.
///
/// ```
/// use uxf_codec::ElementHash;
/// use uxf_codec::carriage::car::{CarLimits, CarReader, CarWriter};
///
/// let root = ElementHash::of(b"a block");
/// let mut writer = CarWriter::begin(Vec::new(), &root).unwrap();
/// writer.put(&root, b"a block").unwrap();
/// let car = writer.finish().unwrap();
///
/// let mut reader = CarReader::new(car.as_slice(), CarLimits::REFERENCE).unwrap();
/// assert_eq!(reader.roots().len(), 1);
/// let block = reader.next_block().unwrap().unwrap();
/// assert_eq!(block.cid.element_hash().unwrap(), root);
/// assert_eq!(block.bytes, b"a block");
/// assert!(reader.next_block().unwrap().is_none());
/// ```
#[derive(Debug)]
pub struct CarReader<R> {
    framing: Framing<Buffered<R>>,
}

/// A block as it stands in an archive, nothing verified.
#[derive(Clone, Copy, Debug)]
pub struct CarBlock<'a> {
    /// What it claims to be.
    pub cid: BlockCid<'a>,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<R: Read> CarReader<R> {
    /// Reads the header, that of a CARv2 too.
    ///
    /// # Errors
    /// [`Error::MalformedCar`] if it is none, [`Error::LimitExceeded`] and [`Error::InvalidPackage`] if it is too
    /// long, [`Error::Stream`] if the stream fails.
    pub fn new(input: R, limits: CarLimits) -> Result<Self, Error> {
        let framing = Framing::new(Buffered::new(input), limits)?;
        Ok(Self { framing })
    }

    /// What the header names, in order.
    pub fn roots(&self) -> &[Cid] {
        self.framing.roots()
    }

    /// Bytes taken from the stream so far, the block last shown not counted.
    pub const fn offset(&self) -> u64 {
        self.framing.offset()
    }

    /// The next block; `None` behind the last one.
    ///
    /// # Errors
    /// [`Error::MalformedCar`] for broken framing, [`Error::LimitExceeded`] when the archive and
    /// [`Error::InvalidPackage`] when the number of blocks or a block passes its cap, [`Error::Stream`] if the stream
    /// fails.
    pub fn next_block(&mut self) -> Result<Option<CarBlock<'_>>, Error> {
        self.advance()?;
        self.current()
    }

    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        self.framing.advance()
    }

    /// The hash of the block that [`Self::advance`] went to.
    pub(super) fn current_hash(
        &mut self,
        hashes: &mut HashesAhead,
    ) -> Result<Option<ElementHash>, Error> {
        hashes.of_current(&mut self.framing)
    }

    pub(super) fn current(&mut self) -> Result<Option<CarBlock<'_>>, Error> {
        Ok(self.framing.current()?.map(|section| CarBlock {
            cid: section.cid,
            bytes: section.bytes,
        }))
    }
}

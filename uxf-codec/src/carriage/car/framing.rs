use cid::Cid;

use super::cid::{BlockCid, CidShape};
use super::header::{Header, InnerCar, V2_HEADER_BYTES};
use super::input::Input;
use super::limits::CarLimits;
use super::varint::{VARINT_BYTES_MAX, read_varint};
use crate::error::Error;

/// Room for a CID in front of a block when a section's length is compared with the cap for blocks: four varints and
/// the longest digest in use.
const CID_BYTES_MAX: usize = 4 * VARINT_BYTES_MAX + 64;

/// Longest header that is read. One with a single root has 58 bytes.
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// The sections of an archive, one at a time, over a slice or a stream.
#[derive(Debug)]
pub(super) struct Framing<I> {
    input: I,
    limits: CarLimits,
    roots: Vec<Cid>,
    /// Bytes taken, from the start of the file.
    offset: u64,
    /// Where the CARv1 inside a CARv2 ends.
    end: Option<u64>,
    blocks: usize,
    current: Option<Current>,
}

/// The section that has been looked at and not yet taken.
#[derive(Clone, Copy, Debug)]
struct Current {
    head_len: usize,
    section_len: usize,
    cid: CidShape,
}

/// A block as it stands in the archive, nothing verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'a> {
    pub(super) cid: BlockCid<'a>,
    pub(super) bytes: &'a [u8],
}

/// The roots in the header of an archive that may be cut off behind it.
pub(crate) fn root_cids(car: &[u8]) -> Result<Vec<Cid>, Error> {
    Ok(Framing::unlimited(car)?.roots)
}

/// Walks an archive in memory to its end, looking at nothing but its framing.
pub(crate) fn check_framing(car: &[u8]) -> Result<(), Error> {
    let mut framing = Framing::unlimited(car)?;
    while framing.advance()? {}
    Ok(())
}

impl<'a> Framing<&'a [u8]> {
    /// Over an archive in memory. Nothing is allocated for it, so nothing is capped but the header.
    pub(super) fn unlimited(car: &'a [u8]) -> Result<Self, Error> {
        let limits = CarLimits {
            bytes_max: u64::MAX,
            blocks_max: usize::MAX,
            block_bytes_max: usize::MAX - CID_BYTES_MAX,
        };
        Self::new(car, limits)
    }
}

impl<I: Input> Framing<I> {
    /// Reads the header, that of a CARv2 too.
    pub(super) fn new(input: I, limits: CarLimits) -> Result<Self, Error> {
        let mut framing = Self {
            input,
            limits,
            roots: Vec::new(),
            offset: 0,
            end: None,
            blocks: 0,
            current: None,
        };
        framing.roots = match framing.header()? {
            Header::V1(roots) => roots,
            Header::V2 => framing.inner_header()?,
        };
        Ok(framing)
    }

    pub(super) fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// Bytes taken so far.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes to the next section; `false` at the end of the archive.
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        if let Some(current) = self.current.take() {
            self.take(current.head_len + current.section_len);
        }
        let Some((section_len, head_len)) = self.section_head()? else {
            return Ok(false);
        };
        self.check_caps(section_len, head_len)?;
        let len = usize::try_from(section_len)
            .ok()
            .and_then(|section| Some((section, section.checked_add(head_len)?)));
        let Some((section_len, whole)) = len else {
            return Err(self.malformed("a section that overruns the file"));
        };
        let offset = self.offset;
        let section = self.look(whole)?;
        if section.len() < whole {
            return Err(self.malformed("a section that overruns the file"));
        }
        let cid = CidShape::read(section.get(head_len..).unwrap_or_default())
            .map_err(|reason| Error::MalformedCar { offset, reason })?;
        let block_len = section_len - cid.len;
        if block_len > self.limits.block_bytes_max {
            return Err(block_too_large(block_len, self.limits.block_bytes_max));
        }
        self.current = Some(Current {
            head_len,
            section_len,
            cid,
        });
        Ok(true)
    }

    /// The section that [`Self::advance`] went to.
    pub(super) fn current(&mut self) -> Result<Option<Section<'_>>, Error> {
        let Some(current) = self.current else {
            return Ok(None);
        };
        let whole = self.input.peek(current.head_len + current.section_len)?;
        let section = whole.get(current.head_len..).unwrap_or_default();
        Ok(Some(Section {
            cid: current.cid.of(section),
            bytes: section.get(current.cid.len..).unwrap_or_default(),
        }))
    }

    /// The current block and those behind it as far as they have been read, with where their sections begin. It ends
    /// in front of the first that is odd or not whole, and knows no caps.
    pub(super) fn blocks_ahead(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let ready = self.input.ready();
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let mut rest = ready.get(..left).unwrap_or(ready);
        let mut offset = self.offset;
        core::iter::from_fn(move || {
            let (section_len, head_len) = read_varint(rest)?;
            let whole = usize::try_from(section_len).ok()?.checked_add(head_len)?;
            let (section, behind) = rest.split_at_checked(whole)?;
            let section = section.get(head_len..)?;
            let bytes = section.get(CidShape::read(section).ok()?.len..)?;
            let block = (offset, bytes);
            rest = behind;
            offset = offset.saturating_add(whole as u64);
            Some(block)
        })
    }

    /// Length of the next section and of its varint; `None` at the end.
    fn section_head(&mut self) -> Result<Option<(u64, usize)>, Error> {
        let head = self.look(VARINT_BYTES_MAX)?;
        if head.is_empty() {
            return Ok(None);
        }
        match read_varint(head) {
            Some((0, _)) => Err(self.malformed("a section of zero length")),
            Some(head) => Ok(Some(head)),
            None => Err(self.malformed("a section length that is no varint of 1 to 8 bytes")),
        }
    }

    fn check_caps(&mut self, section_len: u64, head_len: usize) -> Result<(), Error> {
        let bytes = self
            .offset
            .saturating_add(head_len as u64)
            .saturating_add(section_len);
        if bytes > self.limits.bytes_max {
            return Err(Error::LimitExceeded {
                what: "CAR bytes",
                limit: self.limits.bytes_max,
                found: bytes,
            });
        }
        self.blocks += 1;
        if self.blocks > self.limits.blocks_max {
            return Err(too_many_blocks(self.limits.blocks_max));
        }
        let section_max = self.limits.block_bytes_max.saturating_add(CID_BYTES_MAX);
        match usize::try_from(section_len) {
            Ok(len) if len <= section_max => Ok(()),
            _ => Err(block_too_large(
                usize::try_from(section_len).unwrap_or(usize::MAX),
                self.limits.block_bytes_max,
            )),
        }
    }

    fn header(&mut self) -> Result<Header, Error> {
        let Some((len, head_len)) = self.section_head()? else {
            return Err(self.malformed("an empty file"));
        };
        if len > HEADER_BYTES_MAX {
            return Err(Error::InvalidPackage {
                reason: format!("a CAR header of {len} bytes, which cannot name a single root"),
            });
        }
        // At most 64 KiB and eight bytes.
        let whole = head_len.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let offset = self.offset;
        let bytes = self.look(whole)?;
        if bytes.len() < whole {
            return Err(self.malformed("a header that overruns the file"));
        }
        let header = Header::decode(bytes.get(head_len..).unwrap_or_default())
            .map_err(|reason| Error::MalformedCar { offset, reason })?;
        self.take(whole);
        Ok(header)
    }

    /// Skips to the CARv1 inside a CARv2 and reads its header.
    fn inner_header(&mut self) -> Result<Vec<Cid>, Error> {
        let fixed = self.look(V2_HEADER_BYTES)?;
        let Ok(fixed) = <&[u8; V2_HEADER_BYTES]>::try_from(fixed) else {
            return Err(self.malformed("a CARv2 header that overruns the file"));
        };
        let inner = InnerCar::decode(fixed);
        self.take(V2_HEADER_BYTES);
        let Some(mut gap) = inner.offset.checked_sub(self.offset) else {
            return Err(self.malformed("a CARv2 whose data lies in its header"));
        };
        if inner.offset > self.limits.bytes_max {
            return Err(Error::LimitExceeded {
                what: "CAR bytes",
                limit: self.limits.bytes_max,
                found: inner.offset,
            });
        }
        while gap > 0 {
            let step = usize::try_from(gap.min(64 << 10)).unwrap_or(0);
            let skipped = self.look(step)?.len();
            if skipped == 0 {
                return Err(self.malformed("a CARv2 whose data lies behind its end"));
            }
            self.take(skipped);
            gap -= skipped as u64;
        }
        self.end = Some(inner.offset.saturating_add(inner.len));
        match self.header()? {
            Header::V1(roots) => Ok(roots),
            Header::V2 => Err(self.malformed("a CARv2 inside a CARv2")),
        }
    }

    /// The next bytes, not beyond the end of the CARv1.
    fn look(&mut self, wanted: usize) -> Result<&[u8], Error> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        self.input.peek(wanted.min(left))
    }

    /// Bytes up to the end of the CARv1, if that is known.
    fn left(&self) -> u64 {
        self.end
            .map_or(u64::MAX, |end| end.saturating_sub(self.offset))
    }

    fn take(&mut self, len: usize) {
        self.input.consume(len);
        self.offset = self.offset.saturating_add(len as u64);
    }

    const fn malformed(&self, reason: &'static str) -> Error {
        Error::MalformedCar {
            offset: self.offset,
            reason,
        }
    }
}

pub(super) fn too_many_blocks(max: usize) -> Error {
    Error::InvalidPackage {
        reason: format!("the CAR has more than {max} blocks"),
    }
}

pub(super) fn block_too_large(len: usize, max: usize) -> Error {
    Error::InvalidPackage {
        reason: format!("a block of {len} bytes is over the limit of {max}"),
    }
}

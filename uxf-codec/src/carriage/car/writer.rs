use std::io::Write;

use cid::Cid;

use super::header::Header;
use super::varint::write_varint;
use crate::element::ElementHash;
use crate::error::Error;

/// Writes an archive block by block to a stream.
///
/// Two writes a block and no buffer of its own: a file belongs behind a [`std::io::BufWriter`].
#[derive(Debug)]
pub struct CarWriter<W> {
    out: W,
    blocks: usize,
    bytes: u64,
}

/// Varint and CID in front of a block.
const HEAD_BYTES_MAX: usize = 10 + CID_BYTES;
const CID_BYTES: usize = 36;

impl<W: Write> CarWriter<W> {
    /// Writes the header of an archive with one root.
    ///
    /// # Errors
    /// [`Error::Stream`] if the stream fails.
    pub fn begin(out: W, root: &ElementHash) -> Result<Self, Error> {
        let mut writer = Self {
            out,
            blocks: 0,
            bytes: 0,
        };
        writer.write(&Header::encode(root))?;
        Ok(writer)
    }

    /// Writes a block. The caller vouches that `hash` is the hash of `bytes`.
    ///
    /// # Errors
    /// [`Error::Stream`] if the stream fails; the archive is then useless.
    pub fn put(&mut self, hash: &ElementHash, bytes: &[u8]) -> Result<(), Error> {
        let mut head = [0; HEAD_BYTES_MAX];
        let len = write_varint((CID_BYTES + bytes.len()) as u64, &mut head);
        if let Some(cid) = head.get_mut(len..len + CID_BYTES) {
            cid.copy_from_slice(&hash.to_cid_bytes());
        }
        self.write(head.get(..len + CID_BYTES).unwrap_or_default())?;
        self.write(bytes)?;
        self.blocks += 1;
        Ok(())
    }

    /// Writes a block under an id of any kind, as those of other codecs have. The caller vouches that it is the id of
    /// `bytes`.
    ///
    /// # Errors
    /// [`Error::Stream`] if the stream fails; the archive is then useless.
    pub fn put_under(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), Error> {
        let cid = cid.to_bytes();
        let mut head = [0; 10];
        let len = write_varint((cid.len() + bytes.len()) as u64, &mut head);
        self.write(head.get(..len).unwrap_or_default())?;
        self.write(&cid)?;
        self.write(bytes)?;
        self.blocks += 1;
        Ok(())
    }

    /// Blocks written so far.
    pub const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Bytes written so far, header included.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Flushes the stream and gives it back.
    ///
    /// # Errors
    /// [`Error::Stream`] if the stream fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.out.flush().map_err(Error::Stream)?;
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(Error::Stream)?;
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

/// Bytes a block takes in an archive, varint and CID included.
pub(super) fn section_bytes(block_len: usize) -> u64 {
    let section = (CID_BYTES + block_len) as u64;
    section + write_varint(section, &mut [0; 10]) as u64
}

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::lock;

/// A disk in memory. Clones are handles to the same disk, so a store can be dropped and opened again on it.
///
/// ```
/// use redb::StorageBackend;
/// use uxf_testkit::disk::MemoryDisk;
///
/// let disk = MemoryDisk::new(Vec::new());
/// disk.set_len(4)?;
/// disk.write(1, b"ab")?;
/// assert_eq!(disk.image(), b"\0ab\0");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    image: Arc<Mutex<Vec<u8>>>,
}

impl MemoryDisk {
    /// A disk that holds an image; an empty one is a file just created.
    pub fn new(image: Vec<u8>) -> Self {
        Self {
            image: Arc::new(Mutex::new(image)),
        }
    }

    /// A copy of what is on it now.
    pub fn image(&self) -> Vec<u8> {
        lock(&self.image).clone()
    }
}

impl StorageBackend for MemoryDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(lock(&self.image).len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = lock(&self.image);
        let source = span(offset, out.len())
            .and_then(|span| image.get(span))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(source);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::StorageFull)?;
        lock(&self.image).resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_to(&mut lock(&self.image), offset, data)
    }
}

/// Writes into an image, which grows if the write ends behind it, as a file does.
pub(super) fn write_to(image: &mut Vec<u8>, offset: u64, data: &[u8]) -> io::Result<()> {
    let span = span(offset, data.len()).ok_or(io::ErrorKind::StorageFull)?;
    if image.len() < span.end {
        image.resize(span.end, 0);
    }
    image
        .get_mut(span)
        .ok_or(io::ErrorKind::StorageFull)?
        .copy_from_slice(data);
    Ok(())
}

fn span(offset: u64, len: usize) -> Option<core::ops::Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    Some(start..start.checked_add(len)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_past_the_end_is_an_error_and_a_write_past_it_grows_the_disk() {
        let disk = MemoryDisk::new(vec![1, 2, 3]);
        let mut out = [0; 2];
        let error = disk.read(2, &mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        disk.write(4, &[9]).unwrap();
        assert_eq!(disk.image(), [1, 2, 3, 0, 9]);
        assert_eq!(
            disk.clone().read(u64::MAX, &mut out).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}

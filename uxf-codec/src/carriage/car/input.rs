use std::io::{ErrorKind, Read};

use crate::error::Error;

/// Bytes that can be looked at before they are taken: a slice, or a stream with a buffer.
pub(super) trait Input {
    /// The next `wanted` bytes, or fewer where the input ends before.
    fn peek(&mut self, wanted: usize) -> Result<&[u8], Error>;

    /// Takes bytes that have been looked at.
    fn consume(&mut self, len: usize);

    /// What has been read and not taken, without reading more.
    fn ready(&self) -> &[u8];
}

impl Input for &[u8] {
    fn peek(&mut self, wanted: usize) -> Result<&[u8], Error> {
        Ok(self.get(..wanted).unwrap_or(self))
    }

    fn consume(&mut self, len: usize) {
        *self = self.get(len..).unwrap_or_default();
    }

    fn ready(&self) -> &[u8] {
        self
    }
}

/// A stream and what has been read of it ahead.
#[derive(Debug)]
pub(super) struct Buffered<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// Room that is read into at once: two blocks of the largest size the reference imports.
const BUFFER_BYTES: usize = 128 << 10;

impl<R> Buffered<R> {
    pub(super) const fn new(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
        }
    }
}

impl<R: Read> Input for Buffered<R> {
    fn peek(&mut self, wanted: usize) -> Result<&[u8], Error> {
        while self.end - self.start < wanted {
            if self.start + wanted > self.buffer.len() {
                self.make_room(wanted);
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => break,
                // A reader that claims more than it was given room for is not believed.
                Ok(len) => self.end = self.buffer.len().min(self.end + len),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Stream(error)),
            }
        }
        let end = self.end.min(self.start.saturating_add(wanted));
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    fn consume(&mut self, len: usize) {
        self.start = self.end.min(self.start.saturating_add(len));
    }

    fn ready(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
}

impl<R> Buffered<R> {
    /// Moves what is left to the front, and grows the buffer if it is full.
    ///
    /// It grows by doubling and only after what it had room for has come, so a length that lies costs nothing.
    fn make_room(&mut self, wanted: usize) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            let doubled = self.buffer.len().saturating_mul(2);
            let len = doubled.min(wanted.max(BUFFER_BYTES)).max(BUFFER_BYTES);
            self.buffer.resize(len.max(self.buffer.len()), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time and is interrupted before each.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let len = room.len().min(1).min(self.0.len());
            let (now, rest) = self.0.split_at(len);
            room[..len].copy_from_slice(now);
            self.0 = rest;
            Ok(len)
        }
    }

    #[test]
    fn a_stream_shows_the_same_as_a_slice_however_it_comes() {
        let bytes: Vec<u8> = (0..=255).cycle().take(400_000).collect();
        let mut slice = bytes.as_slice();
        let mut stream = Buffered::new(Trickle(&bytes, false));
        for wanted in [0, 1, 8, 70_000, 3, 200_000, 131_072, 1, 100_000] {
            let seen = slice.peek(wanted).unwrap().to_vec();
            assert_eq!(stream.peek(wanted).unwrap(), seen);
            slice.consume(seen.len());
            stream.consume(seen.len());
        }
    }

    #[test]
    fn a_length_that_lies_does_not_grow_the_buffer() {
        let mut stream = Buffered::new(&[1, 2, 3][..]);
        assert_eq!(stream.peek(1 << 40).unwrap(), [1, 2, 3]);
        assert_eq!(stream.buffer.len(), BUFFER_BYTES);
    }
}

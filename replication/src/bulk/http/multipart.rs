//! A file as a form, which is how nodes take bytes.

use std::io::{self, Cursor, Read};

use crate::bulk::error::BulkError;
use crate::bulk::patience::Patience;

/// What is around a file in a form.
#[derive(Debug)]
pub(super) struct Form {
    boundary: String,
}

impl Form {
    /// With a boundary nobody can guess: who chose the bytes of a token must not be able to end the file with it.
    pub(super) fn new(patience: &Patience) -> Result<Self, BulkError> {
        let mut random = [0; 16];
        patience.entropy(&mut random)?;
        Ok(Self {
            boundary: const_hex::encode(random),
        })
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The form around a file.
    pub(super) fn around<'f>(&self, file: impl Read + 'f) -> impl Read + 'f {
        let before = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.boundary
        );
        let behind = format!("\r\n--{}--\r\n", self.boundary);
        Cursor::new(before).chain(file).chain(Cursor::new(behind))
    }
}

/// Bytes that are made piece by piece while they are read.
pub(super) struct Pieces<F> {
    next: F,
    piece: Vec<u8>,
    at: usize,
}

impl<F: FnMut() -> io::Result<Option<Vec<u8>>>> Pieces<F> {
    pub(super) const fn new(next: F) -> Self {
        Self {
            next,
            piece: Vec::new(),
            at: 0,
        }
    }
}

impl<F: FnMut() -> io::Result<Option<Vec<u8>>>> Read for Pieces<F> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.piece.len() {
            match (self.next)()? {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let left = self.piece.get(self.at..).unwrap_or_default();
        let len = left.len().min(room.len());
        for (to, from) in room.iter_mut().zip(left) {
            *to = *from;
        }
        self.at += len;
        Ok(len)
    }
}

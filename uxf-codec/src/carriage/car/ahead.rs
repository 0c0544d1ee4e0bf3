//! Hashing blocks of an archive several at a time, those that follow before they are asked for.

use std::collections::VecDeque;

use super::framing::Framing;
use super::input::Input;
use crate::element::ElementHash;
use crate::error::Error;

/// Blocks that are hashed together.
const GROUP_BLOCKS: usize = 128;
/// A block of more bytes is hashed by itself: it would be alone in its lane for most of the time.
const ALONE_BYTES: usize = 16 << 10;

/// Hashes of the blocks that come next.
///
/// Only what has been read already is looked at, so nothing waits for a stream, and nothing is judged: where framing
/// is odd, looking ahead ends and the reader finds out for itself when it gets there.
#[derive(Debug, Default)]
pub(super) struct HashesAhead {
    /// Where a block begins in the archive, its length and its hash, in the order of the file.
    known: VecDeque<(u64, usize, ElementHash)>,
    found: Vec<ElementHash>,
}

impl HashesAhead {
    /// The hash of the bytes of the block that the framing is at; `None` where it is at none.
    pub(super) fn of_current<I: Input>(
        &mut self,
        framing: &mut Framing<I>,
    ) -> Result<Option<ElementHash>, Error> {
        let start = framing.offset();
        let Some(block) = framing.current()? else {
            return Ok(None);
        };
        let len = block.bytes.len();
        if len > ALONE_BYTES {
            return Ok(Some(ElementHash::of(block.bytes)));
        }
        if let Some(known) = self.take(start, len) {
            return Ok(Some(known));
        }
        self.look_ahead(framing);
        if let Some(known) = self.take(start, len) {
            return Ok(Some(known));
        }
        let block = framing.current()?;
        Ok(block.map(|block| ElementHash::of(block.bytes)))
    }

    /// The hash of a block if it is known; those of blocks in front of it are dropped.
    fn take(&mut self, start: u64, len: usize) -> Option<ElementHash> {
        while let Some((known, known_len, hash)) = self.known.pop_front() {
            if (known, known_len) == (start, len) {
                return Some(hash);
            }
        }
        None
    }

    fn look_ahead<I: Input>(&mut self, framing: &Framing<I>) {
        let blocks: Vec<(u64, &[u8])> = framing
            .blocks_ahead()
            .take(GROUP_BLOCKS)
            .filter(|(_, bytes)| bytes.len() <= ALONE_BYTES)
            .collect();
        let inputs: Vec<&[u8]> = blocks.iter().map(|(_, bytes)| *bytes).collect();
        ElementHash::of_each(&inputs, &mut self.found);
        self.known.clear();
        for ((start, bytes), hash) in blocks.iter().zip(&self.found) {
            self.known.push_back((*start, bytes.len(), *hash));
        }
    }
}

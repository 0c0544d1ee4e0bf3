use crate::error::Error;

/// The totals of a store after a commit, and how far its derived tables reach.
///
/// It is written with every commit that does more than append blocks: into the commit's journal row, or into
/// `meta-1`. The one with the higher `number` counts, and block rows from `next_seq` on are added to it, because a
/// commit that only appends blocks writes nothing else (INV-STATE-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Grows by one with each written state.
    pub(crate) number: u64,
    /// Sequence number of the next block. Never given out twice (INV-BLOCK-1).
    pub(crate) next_seq: u64,
    /// Blocks below it are in the index and their counts in the count pages.
    pub(crate) watermark: u64,
    /// Anonymous pins.
    pub(crate) pins: u64,
    /// Live blocks.
    pub(crate) elements: u64,
    /// Their bytes, without any overhead.
    pub(crate) bytes: u64,
    /// Blocks whose last reference was released and which wait to be reclaimed.
    pub(crate) released: u64,
    /// Index entries of blocks that are gone.
    pub(crate) stale: u64,
    /// Entries of the journal.
    pub(crate) journal_entries: u64,
    /// Next inventory id.
    pub(crate) next_inventory: u32,
    /// Live blocks by kind.
    pub(crate) kinds: [u64; KINDS],
    /// Their bytes by kind.
    pub(crate) kind_bytes: [u64; KINDS],
}

/// Kinds counted apart; every kind's number is below it.
pub(crate) const KINDS: usize = 18;

/// Numbers in an encoded state, eight bytes each.
const WORDS: usize = 10 + 2 * KINDS;

/// Length of an encoded state in bytes.
pub(crate) const STATE_LEN: usize = WORDS * 8;

impl State {
    /// A block came.
    pub(crate) fn add_block(&mut self, kind: u8, bytes: usize) {
        self.elements += 1;
        self.bytes += bytes as u64;
        if let Some(count) = self.kinds.get_mut(usize::from(kind)) {
            *count += 1;
        }
        if let Some(total) = self.kind_bytes.get_mut(usize::from(kind)) {
            *total += bytes as u64;
        }
    }

    /// A block went.
    pub(crate) fn remove_block(&mut self, kind: u8, bytes: usize) {
        self.elements = self.elements.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes as u64);
        if let Some(count) = self.kinds.get_mut(usize::from(kind)) {
            *count = count.saturating_sub(1);
        }
        if let Some(total) = self.kind_bytes.get_mut(usize::from(kind)) {
            *total = total.saturating_sub(bytes as u64);
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let words = [
            self.number,
            self.next_seq,
            self.watermark,
            self.pins,
            self.elements,
            self.bytes,
            self.released,
            self.stale,
            self.journal_entries,
            u64::from(self.next_inventory),
        ];
        for word in words.iter().chain(&self.kinds).chain(&self.kind_bytes) {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }

    /// Reads the state at the front of a row and gives the rest of the row.
    pub(crate) fn decode<'a>(
        table: &'static str,
        row: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Error> {
        let damaged = || Error::corrupted(table, "state", "too short or out of range");
        let (bytes, rest) = row.split_at_checked(STATE_LEN).ok_or_else(damaged)?;
        let (chunks, _) = bytes.as_chunks::<8>();
        let mut words = chunks.iter().map(|chunk| u64::from_be_bytes(*chunk));
        let mut next = || words.next().ok_or_else(damaged);
        let mut state = Self {
            number: next()?,
            next_seq: next()?,
            watermark: next()?,
            pins: next()?,
            elements: next()?,
            bytes: next()?,
            released: next()?,
            stale: next()?,
            journal_entries: next()?,
            next_inventory: u32::try_from(next()?).map_err(|_| damaged())?,
            kinds: [0; KINDS],
            kind_bytes: [0; KINDS],
        };
        for word in state.kinds.iter_mut().chain(&mut state.kind_bytes) {
            *word = next()?;
        }
        if state.watermark > state.next_seq {
            return Err(Error::corrupted(
                table,
                "state",
                "the index reaches beyond the last block",
            ));
        }
        Ok((state, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_with_what_follows_it() {
        let mut state = State {
            number: 1,
            next_seq: 20,
            watermark: 3,
            pins: 4,
            elements: 5,
            bytes: 6,
            released: 7,
            stale: 8,
            journal_entries: 9,
            next_inventory: 10,
            kinds: [0; KINDS],
            kind_bytes: [0; KINDS],
        };
        state.add_block(13, 100);
        let mut row = Vec::new();
        state.encode(&mut row);
        assert_eq!(row.len(), STATE_LEN);
        row.extend_from_slice(b"rest");
        let (back, rest) = State::decode("meta-1", &row).unwrap();
        assert_eq!(back, state);
        assert_eq!(rest, b"rest");
        assert_eq!(
            (back.kinds[13], back.kind_bytes[13], back.bytes),
            (1, 100, 106)
        );
        assert!(State::decode("meta-1", &row[..STATE_LEN - 1]).is_err());
    }

    #[test]
    fn a_watermark_beyond_the_last_block_is_damage() {
        let mut row = Vec::new();
        State {
            watermark: 1,
            ..State::default()
        }
        .encode(&mut row);
        assert!(State::decode("meta-1", &row).is_err());
    }
}

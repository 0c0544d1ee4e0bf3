#![expect(
    clippy::cast_possible_truncation,
    reason = "words are cut into the parts they were put together from, and a start is below the number of slots"
)]

use super::fingerprint::Fingerprint;

/// One index entry as memory and disk hold it: 64 bits, then 24 bits of fingerprint, then 40 bits for the sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    high: u64,
    /// The sequence number is kept plus one, so that zero is an empty slot.
    low: u64,
}

const EMPTY: Entry = Entry { high: 0, low: 0 };
const SEQ_BITS: u32 = 40;
const SEQ_MASK: u64 = (1 << SEQ_BITS) - 1;

/// Largest sequence number that an entry can hold.
pub(crate) const SEQ_MAX: u64 = SEQ_MASK - 1;

/// Length of an entry on disk, in bytes.
pub(crate) const ENTRY_LEN: usize = 16;

impl Entry {
    pub(crate) const fn new(fingerprint: Fingerprint, seq: u64) -> Self {
        Self {
            high: fingerprint.high,
            low: ((fingerprint.low as u64) << SEQ_BITS) | ((seq + 1) & SEQ_MASK),
        }
    }

    pub(crate) const fn seq(self) -> u64 {
        (self.low & SEQ_MASK).wrapping_sub(1)
    }

    pub(crate) const fn is_of(self, fingerprint: Fingerprint) -> bool {
        self.high == fingerprint.high
            && self.low >> SEQ_BITS == fingerprint.low as u64
            && self.low & SEQ_MASK != 0
    }

    pub(crate) const fn fingerprint(self, segment: u16) -> Fingerprint {
        Fingerprint {
            high: self.high,
            low: (self.low >> SEQ_BITS) as u32,
            segment,
        }
    }

    const fn is_empty(self) -> bool {
        self.low & SEQ_MASK == 0
    }

    const fn same_fingerprint(self, other: Self) -> bool {
        self.high == other.high && self.low >> SEQ_BITS == other.low >> SEQ_BITS
    }

    /// High word, low word, both big-endian; the sequence number is plain.
    pub(crate) fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let low = (self.low & !SEQ_MASK) | self.seq();
        ((u128::from(self.high) << 64) | u128::from(low)).to_be_bytes()
    }

    /// `None` for a sequence number that is out of range.
    pub(crate) const fn from_bytes(bytes: [u8; ENTRY_LEN]) -> Option<Self> {
        let word = u128::from_be_bytes(bytes);
        let low = word as u64;
        if low & SEQ_MASK > SEQ_MAX {
            return None;
        }
        Some(Self {
            high: (word >> 64) as u64,
            low: low + 1,
        })
    }
}

/// An open-addressing table of entries with linear probing, at most 4/5 full. One entry per fingerprint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Entry>,
    len: usize,
}

impl Table {
    /// A table that takes `len` entries without growing.
    pub(crate) fn with_room(len: usize) -> Self {
        let mut table = Self::default();
        if len > 0 {
            table.slots = vec![EMPTY; len + len / 4 + 2];
        }
        table
    }

    /// Memory of the slots, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * ENTRY_LEN
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.slots.iter().copied().filter(|entry| !entry.is_empty())
    }

    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<u64> {
        let mut at = self.start(fingerprint.high);
        loop {
            let entry = self.slot(at);
            if entry.is_of(fingerprint) {
                return Some(entry.seq());
            }
            if entry.is_empty() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Adds an entry. One with the same fingerprint is replaced if it is older.
    pub(crate) fn insert(&mut self, new: Entry) {
        if (self.len + 1) * 5 > self.slots.len() * 4 {
            self.grow();
        }
        let mut at = self.start(new.high);
        loop {
            let entry = self.slot(at);
            let replace = entry.same_fingerprint(new);
            if entry.is_empty() || replace {
                if entry.is_empty() {
                    self.len += 1;
                } else if entry.seq() >= new.seq() {
                    return;
                }
                if let Some(slot) = self.slots.get_mut(at) {
                    *slot = new;
                }
                return;
            }
            at = self.next(at);
        }
    }

    /// Removes an entry if exactly this one is there.
    pub(crate) fn remove(&mut self, gone: Entry) {
        let mut at = self.start(gone.high);
        loop {
            let entry = self.slot(at);
            if entry.is_empty() {
                return;
            }
            if entry == gone {
                break;
            }
            at = self.next(at);
        }
        self.len -= 1;
        // Entries behind the hole move up unless that would take them in front of where their search starts.
        let mut hole = at;
        let mut next = self.next(at);
        loop {
            let entry = self.slot(next);
            if entry.is_empty() {
                break;
            }
            let start = self.start(entry.high);
            let stays = if hole <= next {
                hole < start && start <= next
            } else {
                hole < start || start <= next
            };
            if !stays {
                if let Some(slot) = self.slots.get_mut(hole) {
                    *slot = entry;
                }
                hole = next;
            }
            next = self.next(next);
        }
        if let Some(slot) = self.slots.get_mut(hole) {
            *slot = EMPTY;
        }
    }

    fn slot(&self, at: usize) -> Entry {
        self.slots.get(at).copied().unwrap_or(EMPTY)
    }

    fn start(&self, high: u64) -> usize {
        ((u128::from(high) * self.slots.len() as u128) >> 64) as usize
    }

    fn next(&self, at: usize) -> usize {
        let next = at + 1;
        if next < self.slots.len() { next } else { 0 }
    }

    fn grow(&mut self) {
        let mut larger = Self::with_room((self.len + self.len / 2).max(6));
        for entry in self.slots.iter().filter(|entry| !entry.is_empty()) {
            larger.insert(*entry);
        }
        *self = larger;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fingerprint(number: u64) -> Fingerprint {
        // Few distinct starts, so that chains form and wrap around the end.
        let start = number % 7;
        Fingerprint {
            high: (u64::MAX / 7).wrapping_mul(start + 1).wrapping_sub(number),
            low: number as u32,
            segment: 0,
        }
    }

    #[test]
    fn the_table_agrees_with_a_map_under_random_inserts_and_removals() {
        let mut table = Table::default();
        let mut model = BTreeMap::new();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for seq in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let number = random % 300;
            if random & 0x1_0000 == 0 {
                table.insert(Entry::new(fingerprint(number), seq));
                model.insert(number, seq);
            } else if let Some(seq) = model.remove(&number) {
                table.remove(Entry::new(fingerprint(number), seq));
            }
            assert_eq!(table.len, model.len());
            if seq % 64 == 0 {
                for number in 0..300 {
                    assert_eq!(table.find(fingerprint(number)), model.get(&number).copied());
                }
            }
        }
    }

    #[test]
    fn the_newer_of_two_entries_wins_in_either_order() {
        for order in [[5, 9], [9, 5]] {
            let mut table = Table::default();
            for seq in order {
                table.insert(Entry::new(fingerprint(1), seq));
            }
            assert_eq!((table.find(fingerprint(1)), table.len), (Some(9), 1));
        }
    }

    #[test]
    fn an_entry_comes_back_from_its_bytes() {
        for seq in [0, 1, SEQ_MAX] {
            let entry = Entry::new(fingerprint(3), seq);
            assert_eq!(Entry::from_bytes(entry.to_bytes()), Some(entry));
            assert_eq!(entry.seq(), seq);
        }
        assert_eq!(Entry::from_bytes([0xff; 16]), None);
    }
}

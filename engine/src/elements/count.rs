/// How often a block is referenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// There is no such block: it was never written, or is reclaimed.
    Absent,
    /// The last reference is gone; the sweep may take it at any time.
    Released,
    /// Put without a reference; only an explicit sweep takes it.
    Stray,
    /// Referenced that many times, never zero.
    Held(u32),
}

/// Code of one reference; smaller ones are the states without a reference.
const ONE: u64 = 3;

impl Count {
    /// The number that stands for it in journal rows and count pages.
    pub(crate) const fn to_code(self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Released => 1,
            Self::Stray => 2,
            Self::Held(references) => references as u64 + (ONE - 1),
        }
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Absent,
            1 => Self::Released,
            2 => Self::Stray,
            held => Self::Held(u32::try_from(held - (ONE - 1)).ok()?),
        })
    }

    /// The count that a block row was written with.
    pub(crate) const fn at_insert(references: u32) -> Self {
        match references {
            0 => Self::Stray,
            held => Self::Held(held),
        }
    }

    pub(crate) const fn references(self) -> u32 {
        match self {
            Self::Absent | Self::Released | Self::Stray => 0,
            Self::Held(references) => references,
        }
    }
}

/// Sequence numbers in a count page.
pub(crate) const PAGE_LEN: usize = 1_024;

/// Code in a page's byte array of a count that stands in the list of large ones.
const LARGE: u8 = 255;

/// The counts of [`PAGE_LEN`] blocks, a row of `counts-1`: a byte each, and a list of those that do not fit.
#[derive(Debug)]
pub(crate) struct CountPage {
    small: Box<[u8; PAGE_LEN]>,
    /// Ascending by position.
    large: Vec<(u16, u32)>,
    /// Whether the row on disk is older.
    pub(crate) dirty: bool,
}

impl CountPage {
    pub(crate) fn empty() -> Self {
        Self {
            small: Box::new([0; PAGE_LEN]),
            large: Vec::new(),
            dirty: false,
        }
    }

    pub(crate) fn get(&self, position: u16) -> Count {
        let code = self.small.get(usize::from(position)).copied().unwrap_or(0);
        if code != LARGE {
            return Count::from_code(code.into()).unwrap_or(Count::Absent);
        }
        match self.find_large(position) {
            Ok(at) => Count::Held(self.large.get(at).map_or(0, |(_, references)| *references)),
            Err(_) => Count::Absent,
        }
    }

    pub(crate) fn set(&mut self, position: u16, count: Count) {
        let Some(slot) = self.small.get_mut(usize::from(position)) else {
            return;
        };
        let was_large = *slot == LARGE;
        let code = count.to_code();
        *slot = u8::try_from(code).unwrap_or(LARGE);
        let is_large = *slot == LARGE;
        self.dirty = true;
        if !was_large && !is_large {
            return;
        }
        match (self.find_large(position), is_large) {
            (Ok(at), true) => {
                if let Some(entry) = self.large.get_mut(at) {
                    entry.1 = count.references();
                }
            }
            (Ok(at), false) => drop(self.large.remove(at)),
            (Err(at), true) => self.large.insert(at, (position, count.references())),
            (Err(_), false) => {}
        }
    }

    fn find_large(&self, position: u16) -> Result<usize, usize> {
        self.large.binary_search_by_key(&position, |(at, _)| *at)
    }

    /// Positions with a code, in ascending order.
    pub(crate) fn positions_of(&self, count: Count) -> impl Iterator<Item = u16> + use<'_> {
        self.positions_with(u8::try_from(count.to_code()).unwrap_or(LARGE))
    }

    fn positions_with(&self, code: u8) -> impl Iterator<Item = u16> + use<'_> {
        (0_u16..)
            .zip(self.small.iter())
            .filter(move |(_, stored)| **stored == code)
            .map(|(position, _)| position)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.small.iter().all(|code| *code == 0)
    }

    /// Writes the page over what `out` holds; absent counts at the end are left out.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let used = self
            .small
            .iter()
            .rposition(|code| *code != 0)
            .map_or(0, |at| at + 1);
        out.extend_from_slice(&u16::try_from(used).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(self.small.get(..used).unwrap_or_default());
        for (position, references) in &self.large {
            out.extend_from_slice(&position.to_be_bytes());
            out.extend_from_slice(&references.to_be_bytes());
        }
    }

    /// Reads a page; `None` if it is not one.
    pub(crate) fn decode(row: &[u8]) -> Option<Self> {
        let (used, rest) = row.split_first_chunk::<2>()?;
        let (small, large) = rest.split_at_checked(u16::from_be_bytes(*used).into())?;
        let mut page = Self::empty();
        page.small.get_mut(..small.len())?.copy_from_slice(small);
        let (entries, tail) = large.as_chunks::<6>();
        if !tail.is_empty() {
            return None;
        }
        for entry in entries {
            let (position, references) = entry.split_first_chunk::<2>()?;
            let position = u16::from_be_bytes(*position);
            let references = u32::from_be_bytes(references.try_into().ok()?);
            let after_last = page.large.last().is_none_or(|(last, _)| *last < position);
            if !after_last || page.small.get(usize::from(position)) != Some(&LARGE) {
                return None;
            }
            page.large.push((position, references));
        }
        let large = page.positions_with(LARGE).count();
        (large == page.large.len()).then_some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_every_count_and_comes_back_from_its_row() {
        let mut page = CountPage::empty();
        let counts = [
            (0, Count::Held(1)),
            (1, Count::Held(252)),
            (2, Count::Held(253)),
            (3, Count::Held(u32::MAX)),
            (700, Count::Stray),
            (1_023, Count::Released),
        ];
        for (position, count) in counts {
            page.set(position, count);
        }
        page.set(2, Count::Held(254));
        page.set(3, Count::Held(5));
        page.set(1, Count::Held(1_000));
        let mut row = Vec::new();
        page.encode(&mut row);
        let back = CountPage::decode(&row).unwrap();
        for (position, count) in [
            (0, Count::Held(1)),
            (1, Count::Held(1_000)),
            (2, Count::Held(254)),
            (3, Count::Held(5)),
            (4, Count::Absent),
            (700, Count::Stray),
            (1_023, Count::Released),
        ] {
            assert_eq!(page.get(position), count);
            assert_eq!(back.get(position), count);
        }
        assert_eq!(
            back.positions_of(Count::Released).collect::<Vec<_>>(),
            [1_023]
        );
        for short in 0..row.len() {
            assert!(CountPage::decode(&row[..short]).is_none());
        }
    }

    #[test]
    fn an_emptied_page_is_two_bytes() {
        let mut page = CountPage::empty();
        page.set(9, Count::Held(300));
        page.set(9, Count::Absent);
        assert!(page.is_empty());
        let mut row = Vec::new();
        page.encode(&mut row);
        assert_eq!(row, [0, 0]);
    }
}

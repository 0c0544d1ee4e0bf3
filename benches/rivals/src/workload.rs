//! Arrivals made ready before the clock starts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use uxf_testkit::{ArrivalOptions, Arrivals, Blocks, Rng};

use uxf_codec::canonical::VerifiedElement;

use crate::rival::{Arriving, Hash};

/// Arrivals prepared at a time; a longer stream is prepared in pieces, between which the clock stands still.
const CHUNK: usize = 1_000_000;

/// A stream of arrivals and the reference counts it leads to.
pub(crate) struct Workload {
    stream: Arrivals,
    blocks: Blocks,
    /// References of each element so far; the index is the element's number.
    pub(crate) counts: Vec<u32>,
    /// Bytes of the distinct elements so far.
    pub(crate) payload_bytes: u64,
}

/// A distinct element of a part.
#[derive(Clone, Copy)]
struct Prepared {
    hash: Hash,
    number: u64,
    /// Where it ends among the bytes of the part.
    end: usize,
}

/// A part of the stream, in memory.
#[derive(Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    elements: Vec<Prepared>,
    /// Which of `elements` arrives.
    arrivals: Vec<u32>,
}

impl Workload {
    pub(crate) fn new(seed: u64, arrivals: u64, duplicate_percent: u64) -> Self {
        let options = ArrivalOptions {
            seed,
            arrivals,
            duplicate_percent,
        };
        let stream = Arrivals::new(options);
        Self {
            blocks: stream.blocks(),
            stream,
            counts: Vec::new(),
            payload_bytes: 0,
        }
    }

    /// The next part of the stream; `None` at its end.
    pub(crate) fn chunk(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        let mut places: HashMap<u64, u32> = HashMap::new();
        for arrival in self.stream.by_ref().take(CHUNK) {
            let place = match places.entry(arrival.element) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => *entry.insert(chunk.push(self.blocks, arrival.element)),
            };
            chunk.arrivals.push(place);
            if arrival.is_new {
                self.payload_bytes += chunk.bytes_of(place as usize) as u64;
                self.counts.push(0);
            }
        }
        self.count(&chunk);
        (!chunk.arrivals.is_empty()).then_some(chunk)
    }

    /// Counts a part's arrivals once more, as when they are ingested again.
    pub(crate) fn count(&mut self, chunk: &Chunk) {
        for place in &chunk.arrivals {
            let prepared = chunk.elements.get(*place as usize);
            let number = prepared.and_then(|prepared| usize::try_from(prepared.number).ok());
            if let Some(count) = number.and_then(|number| self.counts.get_mut(number)) {
                *count += 1;
            }
        }
    }

    /// Hashes of all distinct elements so far, in order of their numbers.
    pub(crate) fn hashes(&self) -> Vec<Hash> {
        let mut bytes = Vec::new();
        (0..self.counts.len() as u64)
            .map(|element| {
                bytes.clear();
                *self.blocks.write(element, &mut bytes).as_bytes()
            })
            .collect()
    }
}

impl Chunk {
    /// So many arrivals, each of an element of its own, from the number `first` on.
    pub(crate) fn of_new(blocks: Blocks, first: u64, count: u64) -> Self {
        let mut chunk = Self::default();
        for element in first..first + count {
            let place = chunk.push(blocks, element);
            chunk.arrivals.push(place);
        }
        chunk
    }

    /// The arrivals in their order.
    pub(crate) fn arriving(&self) -> Vec<Arriving<'_>> {
        let distinct: Vec<_> = (0..self.elements.len())
            .map(|place| self.get(place))
            .collect();
        let arrivals = self.arrivals.iter();
        arrivals
            .filter_map(|place| distinct.get(*place as usize).copied())
            .collect()
    }

    fn push(&mut self, blocks: Blocks, element: u64) -> u32 {
        let hash = *blocks.write(element, &mut self.bytes).as_bytes();
        self.elements.push(Prepared {
            hash,
            number: element,
            end: self.bytes.len(),
        });
        u32::try_from(self.elements.len() - 1).unwrap_or(u32::MAX)
    }

    fn bytes_of(&self, place: usize) -> usize {
        let end = |place: usize| self.elements.get(place).map_or(0, |element| element.end);
        end(place) - place.checked_sub(1).map_or(0, end)
    }

    fn get(&self, place: usize) -> Arriving<'_> {
        let before = place
            .checked_sub(1)
            .and_then(|before| self.elements.get(before));
        let start = before.map_or(0, |before| before.end);
        let found = self.elements.get(place);
        let bytes = found
            .and_then(|found| self.bytes.get(start..found.end))
            .unwrap_or_default();
        Arriving {
            hash: found.map(|found| found.hash).unwrap_or_default(),
            bytes,
            verified: VerifiedElement::read(bytes).ok(),
        }
    }
}

/// Brings a list into an order that a seed decides.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut rng = Rng::new(seed);
    for end in (1..items.len()).rev() {
        items.swap(end, rng.index(end + 1));
    }
}
